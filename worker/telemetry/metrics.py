"""Metrics of a run for Prometheus: told while it goes on, and pushed at its end. docs/metrics.md has all names.

No label holds a key or anything else that has no bound. Nothing is counted for this: a scrape reads what the run has
counted anyway.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, push_to_gateway
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from worker.errors import Exit
from worker.snapshot import Snapshot
from worker.summary import Summary

_PREFIX = "oss_saveas"
_PUSH_S = 10
_LAST_SCRAPE_S = 1.0  # what a scrape may take that is going on when the run ends


@dataclass(frozen=True, slots=True)
class Subject:
    """What the metrics are about."""

    job: str
    run: str
    shard: str


class _RunCollector(Collector):
    """Tells how far a run is, whenever somebody asks."""

    def __init__(self, subject: Subject, snapshot: Callable[[], Snapshot]) -> None:
        self._subject = subject
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        about, now = self._subject, self._snapshot()
        labels = {"name": about.job, "run": about.run, "shard": about.shard}
        yield InfoMetricFamily(f"{_PREFIX}_run", "What is running", labels)
        tasks = CounterMetricFamily(f"{_PREFIX}_tasks", "Tasks with an outcome", labels=["outcome"])
        for outcome in ("saved", "already_saved", "skipped", "failed"):
            tasks.add_metric([outcome], getattr(now, outcome))
        yield tasks
        yield GaugeMetricFamily(f"{_PREFIX}_planned", "Tasks that are planned so far", now.planned)
        yield CounterMetricFamily(f"{_PREFIX}_attempts", "Attempts at recorded tasks", now.attempts)
        failed = CounterMetricFamily(f"{_PREFIX}_attempts_failed", "Those that failed, by code", labels=["code"])
        for code, count in sorted(now.tries.items()):
            failed.add_metric([code], count)
        yield failed
        yield CounterMetricFamily(f"{_PREFIX}_source_bytes", "Bytes of the sources of saved tasks", now.source_bytes)
        yield CounterMetricFamily(f"{_PREFIX}_target_bytes", "Bytes of the targets of saved tasks", now.target_bytes)
        held = len(now.flow.held)
        yield GaugeMetricFamily(f"{_PREFIX}_limits_held", "Limits that have given way to the service", held)


@asynccontextmanager
async def serve_metrics(port: int, subject: Subject, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Within, `/metrics` is told on all addresses of this machine, be they IPv4 or IPv6.

    Raises:
        OSError: The port is taken, or not ours to take.
    """
    registry = CollectorRegistry()
    registry.register(_RunCollector(subject, snapshot))
    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_SCRAPE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, None, port).start()
        yield
    finally:
        await runner.cleanup()


def push_metrics(gateway: str, summary: Summary) -> None:
    """Leave how a run has ended with a Pushgateway, in place of what its job, run and shard have left before.

    Raises:
        OSError: It was not reached, refuses, is none, or takes longer than 10 s over it.
    """
    registry = CollectorRegistry()
    ended_s = datetime.fromisoformat(summary.ended).timestamp()
    registry.register(_RunCollector(Subject(summary.job, summary.run, summary.shard), lambda: _last(summary)))
    Gauge(f"{_PREFIX}_shards", "Into how many shards the run is divided", registry=registry).set(_shards(summary))
    Gauge(f"{_PREFIX}_exit_code", "How the run has ended", registry=registry).set(summary.exit)
    Gauge(f"{_PREFIX}_ended_timestamp_seconds", "When", registry=registry).set(ended_s)
    if summary.exit == Exit.OK:
        Gauge(f"{_PREFIX}_success_timestamp_seconds", "When, if it was well", registry=registry).set(ended_s)
    group = {"run": summary.run}
    if _shards(summary) > 1:
        group["shard"] = summary.shard
    failed: list[str] = []

    def push() -> None:
        try:
            push_to_gateway(gateway, job=summary.job, registry=registry, grouping_key=group, timeout=_PUSH_S)
        except (OSError, HTTPException, ValueError) as error:
            failed.append(str(error) or type(error).__name__)
            if isinstance(error, HTTPError):
                error.close()

    # The library's limit is on each read: whoever sends a byte now and then would hold us up for ever.
    pushing = Thread(target=push, daemon=True)
    pushing.start()
    pushing.join(_PUSH_S)
    if pushing.is_alive():
        message = f"it has not taken the metrics within {_PUSH_S} s"
        raise TimeoutError(message)
    if failed:
        raise OSError(failed[0])


def _shards(summary: Summary) -> int:
    return int(summary.shard.partition("/")[2])


def _last(summary: Summary) -> Snapshot:
    return Snapshot(
        planned=summary.planned,
        total=summary.planned,
        saved=summary.saved,
        already_saved=summary.already_saved,
        skipped=summary.skipped,
        failed=summary.failed,
        elapsed_s=0.0,
        attempts=summary.attempts,
        tries=summary.tries,
        source_bytes=summary.source_bytes,
        target_bytes=summary.target_bytes,
    )
