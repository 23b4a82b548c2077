"""Settings: their layers, and what wrong ones are answered with."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.golden import Case, cases
from worker.errors import Exit, UsageError
from worker.oss.names import ObjectRef
from worker.settings import Limits, Settings
from worker.settings.loading import FLAGS, RESERVED, load_settings

SHIPPED = Path(__file__).parents[2] / "config.yaml"


def loaded(text: str | None = None, file: str = "config.yaml", **environ: str) -> Settings:
    return load_settings(text, file, environ, {})[0]


def test_the_shipped_file_says_the_defaults() -> None:
    shipped = loaded(SHIPPED.read_text("utf-8"))
    assert shipped == loaded("endpoint: local")
    assert shipped.digest == loaded("endpoint: local").digest


def test_the_shipped_file_names_every_setting() -> None:
    text = SHIPPED.read_text("utf-8")
    for name, value in asdict(loaded("endpoint: local")).items():
        assert f"\n{name}:" in text
        assert all(f"{member}: " in text for member in value) if isinstance(value, dict) else True


def test_flags_go_over_the_environment_over_the_file_over_defaults() -> None:
    text = "endpoint: local\nlimits: {requests_per_second: 1, concurrency: 2, adaptive: off}\nregion: cn-beijing\n"
    environ = {"OSS_SAVEAS_LIMITS__CONCURRENCY": "3", "OSS_SAVEAS_LIMITS__REQUESTS_PER_SECOND": "4.5"}
    settings, warnings = load_settings(text, "config.yaml", environ, {"--rate": "6", "--region": None})
    assert settings.limits == Limits(requests_per_second=6, source_mb_per_second=20, concurrency=3, adaptive=False)
    assert settings.region == "cn-beijing"
    assert warnings == ()


def test_every_flag_sets_its_setting() -> None:
    values = {
        "--endpoint": "https://oss-cn-beijing.aliyuncs.com",
        "--region": "cn-beijing",
        "--results": "elsewhere",
        "--rate": "7",
        "--concurrency": "8",
    }
    assert values.keys() == FLAGS.keys()
    settings, _ = load_settings(None, "config.yaml", {}, values)
    assert settings.endpoint == "https://oss-cn-beijing.aliyuncs.com"
    assert (settings.region, settings.results) == ("cn-beijing", "elsewhere")
    assert (settings.limits.requests_per_second, settings.limits.concurrency) == (7, 8)


def test_without_a_file_the_environment_is_enough() -> None:
    assert loaded(None, OSS_SAVEAS_ENDPOINT="local").endpoint == "local"


def test_a_variable_without_a_value_is_not_set() -> None:
    assert loaded("endpoint: local", OSS_SAVEAS_REGION="").region == "cn-hangzhou"


def test_unknown_variables_warn_and_reserved_ones_do_not() -> None:
    environ = dict.fromkeys([*RESERVED, "OSS_SAVEAS_REGIN", "OSS_ACCESS_KEY_SECRET"], "x")
    _, warnings = load_settings("endpoint: local", "config.yaml", environ, {})
    assert warnings == ("OSS_SAVEAS_REGIN is no setting and does nothing: did you mean 'OSS_SAVEAS_REGION'?",)


def test_paths_of_the_file_are_relative_to_it_and_others_are_not() -> None:
    text = "endpoint: local\nresults: ../results\ntransport: {ca_file: ca.pem}\nlocal: {root: /var/oss}\n"
    settings = loaded(text, "deploy/nightly/config.yaml")
    assert settings.results == "deploy/results"
    assert settings.transport.ca_file == "deploy/nightly/ca.pem"
    assert settings.local.root == "/var/oss"
    assert loaded(text, "deploy/config.yaml", OSS_SAVEAS_RESULTS="../results").results == "../results"
    assert loaded("endpoint: local").transport.ca_file is None


@pytest.mark.parametrize(
    "endpoint",
    [
        "local",
        "https://oss-cn-hangzhou.aliyuncs.com",
        "http://127.0.0.1:8080",
        "http://localhost:80",
        "http://[::1]:80",
    ],
)
def test_endpoints_that_are_accepted(endpoint: str) -> None:
    assert loaded(f"endpoint: {endpoint!r}").endpoint == endpoint


def test_plain_http_is_accepted_where_it_is_allowed() -> None:
    text = "endpoint: http://oss.internal\ntransport: {allow_plain_http: true}"
    assert loaded(text).endpoint == "http://oss.internal"


@pytest.mark.parametrize("proxy", ["env", "none", "http://proxy:3128"])
def test_proxies_that_are_accepted(proxy: str) -> None:
    assert loaded(f"endpoint: local\ntransport: {{proxy: '{proxy}'}}").transport.proxy == proxy


def test_results_in_a_bucket_are_no_path() -> None:
    for text, key in (("oss://logs/nightly/eu/", "nightly/eu"), ("oss://logs", ""), ("oss://logs/", "")):
        settings, _ = load_settings(f"endpoint: local\nresults: {text}", "deep/config.yaml", {}, {})
        assert settings.results == text
        assert settings.results_bucket == ObjectRef("logs", key)
    assert loaded("endpoint: local").results_bucket is None
    text = "endpoint: https://oss-cn-hangzhou.aliyuncs.com\nresults: oss://logs"
    assert loaded(text, KUBERNETES_SERVICE_HOST="10.0.0.1").results_bucket == ObjectRef("logs", "")


def test_a_cluster_accepts_what_is_meant_for_it() -> None:
    text = "endpoint: local\nlocal: {in_cluster: true}\nresults_durable: true\n"
    assert loaded(text, KUBERNETES_SERVICE_HOST="10.0.0.1").local.in_cluster


def test_ratios_of_single_codes() -> None:
    assert loaded("endpoint: local\nfailure: {per_code: {ImageDamage: 0.1}}").failure.per_code == {"ImageDamage": 0.1}


def test_the_digest_is_that_of_all_settings() -> None:
    settings = loaded("endpoint: local")
    assert len(settings.digest) == 64
    assert replace(settings, region="cn-beijing").digest != settings.digest


@pytest.mark.parametrize("case", cases("settings.txt"), ids=lambda case: case.title)
def test_wrong_settings_are_answered_with_place_reason_and_mend(case: Case) -> None:
    flags = {name: value for name, value in case.given.items() if name in FLAGS}
    environ = {name: value for name, value in case.given.items() if name not in FLAGS}
    with pytest.raises(UsageError) as caught:
        load_settings(case.text, "config.yaml", environ, flags)
    assert str(caught.value) == case.answer
    assert caught.value.exit_code is Exit.USAGE
    assert "s3cr3t" not in str(caught.value)


def test_the_documentation_names_every_setting_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `?([^`|]+?)`? \|", text, re.MULTILINE))
    settings = asdict(loaded("endpoint: local"))
    groups = {name: value for name, value in settings.items() if isinstance(value, dict)}
    named = {f"{group}.{name}" for group, members in groups.items() for name in members}
    assert rows.keys() == named | (settings.keys() - groups.keys())
    nested = "".join(
        f"{group}: {{{', '.join(f'{name}: ' + rows[group + '.' + name] for name in members)}}}\n"
        for group, members in groups.items()
    )
    plain = "".join(f"{name}: {rows[name]}\n" for name in settings.keys() - groups.keys() - {"endpoint"})
    assert loaded(f"endpoint: local\n{plain}{nested}") == loaded("endpoint: local")
