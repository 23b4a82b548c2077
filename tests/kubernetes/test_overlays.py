"""The overlays are what a cluster takes and the worker reads; docs/kubernetes.md tells how to make them one's own."""

import re
import shutil
import textwrap
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # it has no annotations
import pytest
import yaml

from deploy.kubernetes.lint import problems
from tests.fakes import EPOCH
from tests.kubernetes.rendering import KUBERNETES, OVERLAYS, documents, of_kind, render
from worker.batch.reader import parse_manifest
from worker.emulator.access.reading import read_access
from worker.settings.loading import load_settings

RELEASES = [f"1.{minor}" for minor in range(29, 38)]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("release", RELEASES)
def test_the_schemas_of_all_supported_releases_take_the_overlays(overlay: str, release: str) -> None:
    for document in documents(overlay):
        kubernetes_validate.validate(document, release, strict=True)


@pytest.mark.parametrize("release", ["1.27", "1.28"])
def test_older_releases_do_not(release: str) -> None:
    (job,) = of_kind("CronJob", documents("sharded"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, release, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifest_and_settings_of_the_overlays_are_right(overlay: str) -> None:
    data = next(one for one in of_kind("ConfigMap", documents(overlay)) if "job.yaml" in one["data"])["data"]
    parse_manifest(data["job.yaml"], "job.yaml", EPOCH)
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    settings, warnings = load_settings(data["config.yaml"], "config.yaml", pod, {})
    assert not warnings
    assert settings.results_bucket is not None


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_for_kustomize_alone_is_not_sent(overlay: str) -> None:
    assert not [one for one in documents(overlay) if one["metadata"]["name"] == "oss-saveas-scale"]


def test_one_value_each_sets_shards_and_parallelism(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    file = tmp_path / "kubernetes" / "overlays" / "sharded" / "kustomization.yaml"
    text = file.read_text()
    assert text.count("shards=8") == text.count("parallelism=4") == 1
    file.write_text(text.replace("shards=8", "shards=32").replace("parallelism=4", "parallelism=16"))
    found = render(file.parent)
    assert problems(found) == []
    (job,) = of_kind("CronJob", list(yaml.safe_load_all(found)))
    spec = job["spec"]["jobTemplate"]["spec"]
    assert (spec["completions"], spec["parallelism"], spec["maxFailedIndexes"]) == (32, 16, 32)


def test_another_manifest_is_another_config_map(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    file = tmp_path / "kubernetes" / "overlays" / "sharded" / "job.yaml"
    before = {one["metadata"]["name"] for one in of_kind("ConfigMap", documents("sharded"))}
    file.write_text(file.read_text().replace("w_200", "w_300"))
    after = {one["metadata"]["name"] for one in of_kind("ConfigMap", list(yaml.safe_load_all(render(file.parent))))}
    assert not before & after


PAGE = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text()
PATCHES = [textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_patches_of_the_page_open_what_they_say_and_break_nothing(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    file = tmp_path / "kubernetes" / "overlays" / "sharded" / "kustomization.yaml"
    # "All under one `patches:`".
    lines = [patch.removeprefix("patches:\n") for patch in PATCHES if patch.startswith("patches:\n")]
    file.write_text(file.read_text() + "patches:\n" + "".join(lines))
    text = render(file.parent)
    assert problems(text) == []
    found = list(yaml.safe_load_all(text))
    for document in found:
        kubernetes_validate.validate(document, RELEASES[-1], strict=True)
    (account,) = of_kind("ServiceAccount", found)
    assert account["metadata"]["annotations"] == {"pod-identity.alibabacloud.com/role-name": "MY-ROLE"}
    assert account["automountServiceAccountToken"] is False
    (before,), (after,) = of_kind("NetworkPolicy", documents("sharded")), of_kind("NetworkPolicy", found)
    opened = [way for way in after["spec"]["egress"] if way not in before["spec"]["egress"]]
    assert [way["ports"][0]["port"] for way in opened] == [9091, 3128]
    assert all(way["to"] for way in opened)
    assert [way for way in after["spec"]["egress"] if way not in opened] == before["spec"]["egress"]


def test_the_page_tells_the_steps_in_an_order_in_which_they_work() -> None:
    commands = re.findall(
        r"^ +(oss-saveas validate|kubectl (?:create|label) namespace|kubectl kustomize|kubectl apply)",
        PAGE,
        re.MULTILINE,
    )
    assert commands == [
        "kubectl create namespace",
        "kubectl label namespace",
        "oss-saveas validate",
        "kubectl kustomize",
        "kubectl apply",
    ]


def test_the_hours_of_the_capacity_table_are_reckoned_right() -> None:
    rows = re.findall(r"^\| ([0-9,]+)/s, ([0-9]+) MB/s [^|]*\| ([0-9.]+) s \| (.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 12
    for requests, megabytes, latency_s, cells in rows:
        for pods, cell in zip((1, 4, 16), cells.split(" | "), strict=True):
            rate = min(float(requests.replace(",", "")), float(megabytes) / 0.4, pods * 64 / float(latency_s))
            assert cell == f"{10_000_000 / rate / 3600:,.1f} h"


def test_the_local_oss_of_the_demonstration_takes_its_buckets() -> None:
    found = read_access(KUBERNETES / "overlays" / "local-demo" / "buckets.yaml", EPOCH)
    assert set(found.buckets) == {"renditions", "results"}
