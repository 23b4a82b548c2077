"""The forecast of a run, which the command `plan` shows: every decision of a run, without a single POST."""

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from worker.batch.manifest import Manifest
from worker.batch.planner import PlannedTask
from worker.batch.task import Shard, Task
from worker.connection import Connection, Log, connect
from worker.dispatch.decider import Decider, Needless, Result, ToSend
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.stopping import Cut, Stop
from worker.errors import StopSignalError
from worker.oss.process import saveas
from worker.oss.request import process_object
from worker.planning import Plan, plan_tasks, read_ledger
from worker.settings import Limits, Settings
from worker.signals import stopping
from worker.summary import Forecast

_SAMPLES = 3
_SECONDS_PER_HOUR = 3600
_BYTES_PER_MB = 1_000_000

Decision = ToSend | Result | Needless


async def forecast(
    manifest: Manifest, settings: Settings, shard: Shard, parallelism: int, environ: Mapping[str, str], log: Log
) -> Forecast:
    """Go through all decisions of a run; asks the service with GET and HEAD only.

    Raises:
        WorkerError: A proof fails, the sources cannot be read, the service refuses, or a signal came.
    """
    stop, found = Stop(), None
    with stopping(stop), suppress(Cut):
        async with connect(settings, environ, stop, parallelism, log) as connection:
            found = await _decide_all(manifest, settings, shard, parallelism, connection, log)
    if stop.error is not None:
        raise stop.error
    if found is None or stop.reason is not None:
        message = "interrupted before everything was decided; nothing was changed"
        raise StopSignalError(message)
    return found


async def _decide_all(
    manifest: Manifest, settings: Settings, shard: Shard, parallelism: int, connection: Connection, log: Log
) -> Forecast:
    directory = Path(settings.results) / manifest.job
    ledger = await read_ledger(directory, shard, lambda text: log(text, logging.WARNING))
    heads = 2 * connection.concurrency
    decider = Decider(connection.sender, ledger, manifest.existing, redo=False, heads=heads)

    async def decide(task: Task) -> tuple[Task, Decision]:
        return task, await decider.decide(task)

    async def ready() -> None:
        """Nothing is behind here."""

    async with plan_tasks(manifest, settings, shard, connection) as plan:
        counts = _Counts()
        scheduler = Scheduler(decide, counts.take_in, ready, connection.stop)
        async with aclosing(counts.counted(plan)) as tasks:
            await scheduler.run(tasks, connection.concurrency, grace_s=0)
        return _forecast(manifest.job, _hours(counts, settings.limits, parallelism), connection, plan, counts)


@dataclass(slots=True)
class _Counts:
    """What the decisions add up to."""

    planned: int = 0
    posts: int = 0
    source_bytes: int = 0
    unknown_sizes: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    samples: list[dict[str, str]] = field(default_factory=list)

    async def counted(self, plan: Plan) -> AsyncGenerator[Task, None]:
        """The tasks to decide; bad rows are counted on the way."""
        async with aclosing(plan.tasks) as tasks:
            async for item in tasks:
                self.planned += 1
                if isinstance(item, PlannedTask):
                    yield item.task
                else:
                    self._count(item.pipeline, "bad_row")

    def take_in(self, decided: tuple[Task, Decision]) -> None:
        """Count a decision."""
        task, decision = decided
        match decision:
            case ToSend():
                self._count(task.pipeline, "changed" if decision.known else "new")
                self.posts += 1
                self.source_bytes += decision.size or 0
                self.unknown_sizes += decision.size is None
                if len(self.samples) < _SAMPLES:
                    self.samples.append(_sample(task))
            case Result():
                self._count(task.pipeline, decision.error.code if decision.error else "exists")
            case Needless():
                self._count(task.pipeline, str(decision))

    def _count(self, pipeline: str, outcome: str) -> None:
        self.outcomes.setdefault(pipeline, Counter())[outcome] += 1


def _forecast(job: str, hours: dict[str, float], connection: Connection, plan: Plan, counts: _Counts) -> Forecast:
    enumeration = plan.enumeration
    return Forecast(
        job=job,
        shard=str(plan.shard),
        endpoint=connection.endpoint,
        listed=enumeration.listed,
        selected=enumeration.selected,
        not_selected={str(reason): count for reason, count in enumeration.not_selected.items()},
        duplicates=enumeration.duplicates,
        planned=counts.planned,
        outcomes={pipeline: dict(counter) for pipeline, counter in counts.outcomes.items()},
        posts=counts.posts,
        source_bytes=counts.source_bytes,
        unknown_sizes=counts.unknown_sizes,
        hours=hours,
        binds=max(hours, key=lambda limit: hours[limit]),
        requests=dict(connection.requests),
        empty=[str(entry.place) for entry in enumeration.empty],
        notes=plan.notes,
        samples=counts.samples,
    )


def _hours(counts: _Counts, limits: Limits, parallelism: int) -> dict[str, float]:
    """What each limit alone would take; unknown sizes count as the mean of the known ones, as they do in a run."""
    known = counts.posts - counts.unknown_sizes
    source_bytes = counts.source_bytes * counts.posts / known if known else 0
    share_hours = _SECONDS_PER_HOUR / parallelism
    per_hour = {
        "requests_per_second": counts.posts / (limits.requests_per_second * share_hours),
        "source_mb_per_second": source_bytes / (limits.source_mb_per_second * _BYTES_PER_MB * share_hours),
    }
    return {limit: round(hours, 4) for limit, hours in per_hour.items()}


def _sample(task: Task) -> dict[str, str]:
    request = process_object(task.source, saveas(task.process, task.target))
    query = "&".join(name for name, _ in request.query)
    return {
        "pipeline": task.pipeline,
        "source": str(task.source),
        "target": str(task.target),
        "request": f"{request.method} /{task.source.key}?{query}",
        "body": request.body.decode(),
    }
