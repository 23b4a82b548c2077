"""Alert rules and dashboard ask for what there is, and mean what they say: promtool judges, where it is there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.test_metrics import pushed, samples, told
from worker.oss.codes import CODES, throttles

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
PAGE = (ROOT / "docs" / "metrics.md").read_text()
PROMTOOL = shutil.which("promtool")
# Of kube-state-metrics.
FOREIGN = {"kube_job_failed"}


def alerts() -> dict[str, str]:
    rules = yaml.safe_load(RULES.read_text())
    return {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def asked() -> list[str]:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    return [*alerts().values(), *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])]


def names(text: str) -> set[str]:
    return {name for name, _ in samples(text)}


async def test_all_metrics_are_in_the_page_and_no_others_are_asked_for() -> None:
    known = names(await told()) | names(await pushed())
    used = {name for expression in asked() for name in re.findall(r"\b(?:oss_saveas|kube)_\w+", expression)}
    assert used - FOREIGN <= known
    assert len(used) > 8
    assert set(re.findall(r"`(oss_saveas_\w+)`", PAGE)) == known


async def test_what_is_asked_of_runs_that_go_on_is_not_asked_of_a_pushgateway() -> None:
    going_on = "|".join(names(await told()))
    found = [match for expression in asked() for match in re.findall(rf"\b(?:{going_on})\b({{[^}}]*}})?", expression)]
    assert len(found) > 12
    assert all('run=""' in selector for selector in found)


def test_the_alert_on_throttling_knows_the_codes_of_throttling() -> None:
    match = re.search(r'code=~"([^"]+)"', alerts()["OssSaveasThrottled"])
    assert match is not None
    codes = [*CODES, *(f"Http{status}" for status in range(300, 600))]
    assert {code for code in codes if re.fullmatch(match[1], code)} == set(filter(throttles, codes))


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool (Debian: the package prometheus)")
@pytest.mark.parametrize(
    "args", [("check", "rules", RULES), ("test", "rules", ROOT / "tests" / "kubernetes" / "alerts.yaml")]
)
def test_promtool_finds_the_alerts_right(args: tuple[str, str, Path]) -> None:
    done = subprocess.run([PROMTOOL or "", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
