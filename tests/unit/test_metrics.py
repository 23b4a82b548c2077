"""Metrics tell what a run has counted, to whoever asks, and to a Pushgateway."""

import asyncio
import socket
import urllib.request

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.test_telemetry import summary
from worker.errors import Exit, UsageError
from worker.settings.loading import load_settings
from worker.snapshot import Flow, Snapshot
from worker.telemetry.metrics import Subject, push_metrics, serve_metrics

SUBJECT = Subject("renditions", "night-1", "0/8")
NOW = Snapshot(
    planned=100,
    total=None,
    saved=60,
    already_saved=20,
    skipped=1,
    failed=2,
    elapsed_s=1.0,
    flow=Flow(held=["in flight 12 of 64"]),
    attempts=90,
    tries={"Timeout": 3, "CpuLimitExceeded": 25},
    source_bytes=1000,
    target_bytes=70,
)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def speaks_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


async def told(address: str = "127.0.0.1") -> str:
    async with TestServer(web.Application()) as free:
        port = free.port or 0
    async with serve_metrics(port, SUBJECT, lambda: NOW):
        return await asyncio.to_thread(_get, f"http://{address}:{port}/metrics")


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own, above
        text: bytes = answer.read()
        return text.decode()


async def test_metrics_are_what_was_counted() -> None:
    assert samples(await told()) == {
        ("oss_saveas_run_info", (("name", "renditions"), ("run", "night-1"), ("shard", "0/8"))): 1,
        ("oss_saveas_tasks_total", (("outcome", "saved"),)): 60,
        ("oss_saveas_tasks_total", (("outcome", "already_saved"),)): 20,
        ("oss_saveas_tasks_total", (("outcome", "skipped"),)): 1,
        ("oss_saveas_tasks_total", (("outcome", "failed"),)): 2,
        ("oss_saveas_planned", ()): 100,
        ("oss_saveas_attempts_total", ()): 90,
        ("oss_saveas_attempts_failed_total", (("code", "CpuLimitExceeded"),)): 25,
        ("oss_saveas_attempts_failed_total", (("code", "Timeout"),)): 3,
        ("oss_saveas_source_bytes_total", ()): 1000,
        ("oss_saveas_target_bytes_total", ()): 70,
        ("oss_saveas_limits_held", ()): 1,
    }


@pytest.mark.skipif(not speaks_ipv6(), reason="this machine has no IPv6")
async def test_pods_may_have_addresses_of_ipv6_alone() -> None:
    assert samples(await told("[::1]")) == samples(await told())


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    async with TestServer(web.Application(), host="0.0.0.0") as taken:  # noqa: S104 - it has to be in our way
        port = taken.port or 0
        with pytest.raises(OSError, match="in use"):
            async with serve_metrics(port, SUBJECT, lambda: NOW):
                pass


async def pushed() -> str:
    """What a Pushgateway is told of the end of a run."""
    gateway = Gateway()
    async with gateway.server() as server:
        await asyncio.to_thread(push_metrics, str(server.make_url("/")), summary())
    (found,) = gateway.groups.values()
    return found


class Gateway:
    """A Pushgateway that keeps what it was told last of each group."""

    def __init__(self) -> None:
        self.groups: dict[str, str] = {}
        self.refuses = False

    async def put(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.Response(status=500)
        self.groups[request.path] = await request.text()
        return web.Response()

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_put("/{rest:.*}", self.put)
        return TestServer(app)


@pytest.mark.parametrize(
    ("shard", "group"), [("0/1", "/metrics/job/job/run/run-1"), ("3/8", "/metrics/job/job/run/run-1/shard@base64/My84")]
)
async def test_a_pushgateway_is_told_how_it_ended_by_job_and_run(shard: str, group: str) -> None:
    gateway = Gateway()
    async with gateway.server() as server:
        url = str(server.make_url("/"))
        for code in (Exit.FAILED, Exit.OK):
            ended = summary(exit=code, shard=shard, job="job", run="run-1", ended="2026-11-24T01:00:00.000Z")
            await asyncio.to_thread(push_metrics, url, ended)
            (found,) = gateway.groups.values()
            told = samples(found)
            assert set(gateway.groups) == {group}
            assert told["oss_saveas_exit_code", ()] == code
            assert told["oss_saveas_shards", ()] == int(shard[-1])
            assert told["oss_saveas_ended_timestamp_seconds", ()] == 1_795_482_000
            assert (("oss_saveas_success_timestamp_seconds", ()) in told) is (code is Exit.OK)
            assert told["oss_saveas_tasks_total", (("outcome", "saved"),)] == ended.saved


async def test_a_pushgateway_that_refuses_or_is_away_is_an_os_error() -> None:
    gateway = Gateway()
    gateway.refuses = True
    async with gateway.server() as server:
        url = str(server.make_url("/"))
        with pytest.raises(OSError, match="500"):
            await asyncio.to_thread(push_metrics, url, summary())
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(push_metrics, url, summary())


@pytest.mark.parametrize(
    "url",
    [
        "http://[x",
        "http://h:abc",
        "http://h:99999",
        "http://h/ x",
        "http://h/?token=x",
        "http://a:p@h",
        "ftp://h",
        "h:9091",
    ],
)
def test_what_cannot_be_the_url_of_a_pushgateway_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="OSS_SAVEAS_METRICS__PUSHGATEWAY") as refused:
        load_settings("endpoint: local", "config.yaml", {"OSS_SAVEAS_METRICS__PUSHGATEWAY": url}, {})
    assert "token" not in str(refused.value)
    assert "a:p" not in str(refused.value)
