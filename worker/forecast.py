"""The forecast of a run, which the command `plan` shows: what would become of every task, without a single POST."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from itertools import zip_longest

from worker.batch.entry import BucketSource, PrefixSource
from worker.batch.estimate import Estimate, Work, estimate
from worker.batch.limits import Limits
from worker.batch.manifest import Manifest
from worker.batch.outlook import JobOutlook, Outlook
from worker.batch.pipeline import AUTO_REVISION
from worker.batch.planner import BadTask, PlannedTask
from worker.batch.task import Shard, Task, target_digest
from worker.connection import Connection, Log, connect
from worker.dispatch.decider import Head, judge_head
from worker.dispatch.stopping import Cut, Stop
from worker.errors import StopSignalError, WorkerError
from worker.oss.names import ObjectRef
from worker.oss.process import PARAMETER, saveas
from worker.oss.request import Billing, head_object, process_object
from worker.oss.verdict import Failure
from worker.planning import Plan, asker, plan_tasks, proven_offline, recall
from worker.settings import Limits as LimitSettings
from worker.settings import Settings
from worker.signals import stopping
from worker.sources.listing import listed_objects
from worker.storage import open_store
from worker.summary import Forecast

_EXTENSIONS = 5
_SAMPLES = 6
# What nothing else tells is asked of so many sources: at the default rate that takes 20 s.
_MAX_HEADS = 1000
# Somebody else's objects may lie between the targets: so many pages are read at most, or twice those of the targets.
_MIN_PAGES = 1000
_PAGE = 1000
_MEND = "\n    mend: "


async def forecast(
    manifest: Manifest, settings: Settings, shard: Shard, parallelism: int, environ: Mapping[str, str], log: Log
) -> Forecast:
    """Foresee what would become of all tasks; asks the service with GET and HEAD only.

    Raises:
        WorkerError: A proof fails, the sources cannot be read, the service refuses, or a signal came.
    """
    manifest = proven_offline(manifest, settings)
    stop, found = Stop(), None
    with stopping(stop), suppress(Cut):
        async with connect(settings, environ, stop, parallelism, log, manifest.sites) as connection:
            found = await _foresee(manifest, settings, shard, parallelism, connection, log)
    if stop.error is not None:
        raise stop.error
    if found is None or stop.reason is not None:
        message = "interrupted before everything was foreseen; nothing was changed"
        raise StopSignalError(message)
    return found


async def _foresee(
    manifest: Manifest, settings: Settings, shard: Shard, parallelism: int, connection: Connection, log: Log
) -> Forecast:
    store, stop = open_store(settings, manifest.job, connection), connection.stop
    ledger, history = await recall(store, shard, stop, lambda text: log(text, logging.WARNING))
    async with plan_tasks(manifest, settings, shard, connection, to_end=True) as plan:
        outlook = JobOutlook(ledger, history, manifest.existing)
        await _Taker(outlook, connection).take_all(plan)
        lists = connection.billed[Billing.PUT]
        reads = connection.requests["GET"] - lists
        plan.notes.extend(_unseen(manifest, outlook))
        if settings.addressing == "cname":
            plan.notes.append("with `addressing: cname` targets cannot be looked up: which of them exist is not known")
        else:
            plan.notes.extend(await _look_for_targets(manifest, outlook, plan, connection))
    sends = {name: part.sends(manifest.existing) for name, part in outlook.pipelines.items()}
    relays = sum(sends[name] for name in sends if name in manifest.relayed)
    all_sends = sum(sends.values())
    run_requests = {"put": lists + relays, "get": reads + outlook.headless + outlook.looks_up + all_sends}
    parts = [part.source_bytes(manifest.existing) for part in outlook.pipelines.values()]
    source_bytes, sized = sum(part[0] for part in parts), sum(part[1] for part in parts)
    work = Work(all_sends - relays, relays, sum(run_requests.values()), source_bytes, sized)
    time = estimate(work, outlook.history.mean_seconds, _limits(settings.limits, parallelism))
    return _forecast(manifest, connection, plan, outlook, run_requests, time)


class _Taker:
    """Takes all tasks into the outlook, asking after sources without an etag as long as there are few."""

    def __init__(self, outlook: JobOutlook, connection: Connection) -> None:
        self._outlook = outlook
        self._connection = connection
        self._heads: dict[ObjectRef, Head | Failure | None] = {}  # None: is to be asked after
        self._waiting: list[PlannedTask] = []
        self._unasked = 0

    async def take_all(self, plan: Plan) -> None:
        """Read the plan to its end.

        Raises:
            Cut: A signal came.
        """
        async with aclosing(plan.tasks) as tasks:
            async for item in tasks:
                if self._connection.stop.reason is not None:
                    raise Cut
                if isinstance(item, BadTask):
                    self._outlook.take_bad_row(item.pipeline)
                elif item.task.etag is None and self._may_ask(item.task.source):
                    self._waiting.append(item)
                    if self._unasked >= self._connection.concurrency:
                        await self._ask()
                else:
                    self._outlook.take(item.task, item.digest, item.task.etag, item.task.size)
        await self._ask()

    def _may_ask(self, source: ObjectRef) -> bool:
        if source not in self._heads:
            if len(self._heads) >= _MAX_HEADS:
                return False
            self._heads[source] = None
            self._unasked += 1
        return True

    async def _ask(self) -> None:
        sources = [source for source, head in self._heads.items() if head is None]
        calls = (self._connection.sender.call(head_object(source), judge_head) for source in sources)
        self._heads.update(zip(sources, [call.verdict for call in await asyncio.gather(*calls)], strict=True))
        for item in self._waiting:
            head = self._heads[item.task.source]
            if isinstance(head, Head):
                self._outlook.take(item.task, item.digest, head.etag, head.size)
            elif head is not None:
                self._outlook.take_failure(item.task, item.digest, head.code)
        self._waiting, self._unasked = [], 0


def _unseen(manifest: Manifest, outlook: JobOutlook) -> list[str]:
    """Notes on what neither this forecast nor a run can see."""
    notes = []
    blind = [pipeline.styles for pipeline in manifest.pipelines if pipeline.revision != AUTO_REVISION]
    if styles := sorted(frozenset().union(*blind)):
        notes.append(f"edits of the style {', '.join(styles)} cannot be seen: `revision: auto` would see them")
    unknown = sum(part.outcomes[Outlook.UNKNOWN] for part in outlook.pipelines.values())
    if unknown:
        notes.append(
            f"unknown: more than {_MAX_HEADS:,} sources have no etag; a run asks for each whether it has changed"
        )
    return notes


async def _look_for_targets(manifest: Manifest, outlook: JobOutlook, plan: Plan, connection: Connection) -> list[str]:
    """Find by listing which of the new targets exist. Returns notes on what was not looked at."""
    new = sum(part.outcomes[Outlook.NEW] for part in outlook.pipelines.values())
    left = _PAGE * max(_MIN_PAGES, 2 * new // _PAGE)
    place = manifest.pipelines[0].key_place
    notes = []
    for prefix in sorted(outlook.new_prefixes):
        below = PrefixSource(place, prefix.bucket, prefix.key)
        try:
            async with aclosing(listed_objects(asker(connection), below)) as objects:
                async for listed in objects:
                    target = target_digest(ObjectRef(prefix.bucket, listed.key))
                    if (pipeline := plan.writer_of(target)) is not None:
                        outlook.find(target, pipeline)
                    left -= 1
                    if not left:
                        notes.append(f"more objects than looked at lie below {prefix}: more targets may exist already")
                        return notes
        except WorkerError as error:
            reason = str(error).partition(": cannot list ")[2] or str(error)
            notes.append(f"which targets exist already is not known: cannot list {reason.replace(_MEND, '; ')}")
    return notes


def _limits(given: LimitSettings, parallelism: int) -> Limits:
    return Limits(
        given.requests_per_second / parallelism,
        given.source_mb_per_second / parallelism,
        max(1, given.concurrency // parallelism),
    )


def _forecast(
    manifest: Manifest,
    connection: Connection,
    plan: Plan,
    outlook: JobOutlook,
    run_requests: dict[str, int],
    time: Estimate,
) -> Forecast:
    enumeration = plan.enumeration
    is_window = any(isinstance(entry, BucketSource) and entry.filters.by_time for entry in manifest.sources)
    return Forecast(
        job=manifest.job,
        shard=str(plan.shard),
        endpoint=connection.endpoint,
        existing=manifest.existing,
        listed=enumeration.listed,
        selected=enumeration.selected,
        not_selected={str(reason): count for reason, count in enumeration.not_selected.items()},
        other_extensions=enumeration.other_extensions.commonest(_EXTENSIONS),
        duplicates=enumeration.duplicates,
        planned=outlook.planned,
        outcomes={
            name: {str(outcome): count for outcome, count in part.outcomes.items() if count}
            for name, part in outlook.pipelines.items()
        },
        # What a window of time leaves out is not known to be gone.
        orphans=None if is_window else outlook.orphans,
        estimate=time,
        run_requests=run_requests,
        requests=dict(connection.requests),
        requests_by_class={str(billing): connection.billed[billing] for billing in Billing},
        empty=[str(entry.place) for entry in enumeration.empty],
        notes=plan.notes,
        samples=[_sample(task, relayed=task.pipeline in manifest.relayed) for task in _samples(outlook)],
    )


def _samples(outlook: JobOutlook) -> list[Task]:
    """Some tasks that would be sent, of as many pipelines as possible."""
    columns = [[task for _, task in part.samples] for part in outlook.pipelines.values()]
    rows = zip_longest(*columns)
    return [task for row in rows for task in row if task is not None][:_SAMPLES]


def _sample(task: Task, *, relayed: bool) -> dict[str, str]:
    shown = {"pipeline": task.pipeline, "source": str(task.source), "target": str(task.target)}
    if relayed:
        read = f"GET /{task.source.key}?{PARAMETER}={task.process}"
        return shown | {"request": read, "body": "", "then": f"PUT /{task.target.key}"}
    request = process_object(task.source, saveas(task.process, task.target))
    return shown | {"request": f"POST /{task.source.key}?{PARAMETER}", "body": request.body.decode()}
