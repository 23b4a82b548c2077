"""One run of a job: wires plan, dispatch and results log, and returns the summary."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from worker.batch.entry import is_standard_input
from worker.batch.failed import FailedTargets
from worker.batch.ledger import Ledger
from worker.batch.manifest import Manifest
from worker.batch.planner import PlannedTask
from worker.batch.segment import SUMMARY
from worker.batch.task import Shard
from worker.conclusion import Circumstances, summarize
from worker.connection import Connection, Log, connect
from worker.crew.division import divided
from worker.crew.supervision import Crew
from worker.dispatch.outcome import Outcome, Trouble
from worker.dispatch.recorder import bad_row_message
from worker.dispatch.stopping import Cut, Stop
from worker.dispatch.tally import Tally
from worker.errors import Exit, ResultsError, WorkerError
from worker.execution import Execution, Order
from worker.planning import Plan, plan_tasks, proven_offline, read_failed, read_ledger
from worker.results.compacting import compact_if_many
from worker.results.directory import ensure_writable
from worker.results.store import Store
from worker.settings import Settings
from worker.signals import stopping
from worker.snapshot import Flow, Part, PipelineCounts, Snapshot, total_flow
from worker.sources.enumeration import Planned
from worker.storage import open_store, patience_of
from worker.summary import Summary
from worker.tending import watched_planning

Wanted = Callable[[Planned], bool]
Observe = Callable[[Callable[[], Snapshot]], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What distinguishes one run of a job from another. `parallelism` shards share the limits, by `processes` each.

    `retry`: only what has failed is planned, with one of these codes where there are some.
    """

    run: str
    proc: str
    shard: Shard
    parallelism: int
    processes: int = 1
    limit: int | None = None
    max_tasks: int | None = None
    max_duration_s: float | None = None
    redo: bool = False
    retry: bool = False
    codes: frozenset[str] = frozenset()


async def run_job(
    manifest: Manifest,
    settings: Settings,
    options: RunOptions,
    environ: Mapping[str, str],
    observe: Observe,
    log: Log,
) -> Summary:
    """Run a job to its end, whatever the end is, and record it.

    Raises:
        WorkerError: It ended before its first task: nothing was sent for any.
    """
    stop, manifest = Stop(), proven_offline(manifest, settings)
    if settings.results_bucket is None:
        ensure_writable(Path(settings.results) / manifest.job / options.run)
    with stopping(stop, options.max_duration_s):
        async with connect(settings, environ, stop, options.parallelism, log, manifest.sites) as connection:
            log(
                "started, local run" if connection.is_local else "started",
                job=manifest.job,
                run=options.run,
                endpoint=connection.endpoint,
                credentials=connection.credentials_source,
            )
            run = _Run(manifest, settings, options, connection, log)
            await run.work(observe)
            summary = await run.finish()
            if summary.exit == Exit.OK:
                await run.compact_if_many()
            return summary


class _Run:
    """The state of one run."""

    def __init__(
        self, manifest: Manifest, settings: Settings, options: RunOptions, connection: Connection, log: Log
    ) -> None:
        self._manifest = manifest
        self._settings = settings
        self._options = options
        self._connection = connection
        self._log = log
        self._store: Store = open_store(settings, manifest.job, connection)
        self._patience = patience_of(settings, connection)
        self._order = Order(
            job=manifest.job,
            run=options.run,
            proc=options.proc,
            shard=options.shard,
            existing=manifest.existing,
            relayed=manifest.relayed,
            sites=manifest.sites,
            limit=options.limit,
            redo=options.redo,
            retry=options.retry,
        )
        self._began_s = time.monotonic()
        self._plan: Plan | None = None
        self._failed: FailedTargets | None = None
        self._processes: list[str] = []
        self._outcomes: list[Outcome] = []

    async def work(self, observe: Observe) -> None:
        """Plan, and take every task to its recorded result, or to where the run was stopped.

        Raises:
            WorkerError: It ended before its first task.
        """
        try:
            async with watched_planning(self._connection, self._settings.shutdown.stall_s):
                ledger = await self._read_ledger()
            wanted = None if self._failed is None else _only(self._failed)
            if self._options.processes > 1:
                self._outcomes = await self._work_by_processes(observe, wanted)
            else:
                self._outcomes = [await self._work_alone(observe, ledger, wanted)]
        except Cut:
            self._outcomes = [Outcome.nothing(self._connection.stop)]

    async def _read_ledger(self) -> Ledger:
        """What the log says, for a retry of the failures as well. Several processes read what is theirs themselves."""
        options, stop = self._options, self._connection.stop
        if options.processes > 1 and not options.retry:
            return Ledger(options.shard)
        ledger = await read_ledger(self._store, options.shard, stop, self._warn)
        self._log("results log read", targets=len(ledger))
        if options.retry:
            self._failed = await read_failed(self._store, ledger, options.shard, options.codes, stop)
        return ledger

    async def _work_alone(self, observe: Observe, ledger: Ledger, wanted: Wanted | None) -> Outcome:
        execution = Execution(self._order, self._settings, self._connection, self._store, ledger, self._log)
        async with self._planned(wanted) as plan:

            def snapshot() -> Snapshot:
                known = plan.count if plan.count is not None or not execution.is_complete else execution.tally.planned
                return self._snapshot(execution.tally, known, self._connection.flow())

            async with observe(snapshot):
                await execution.work(plan.tasks, lambda: plan.enumeration.listed)
        return execution.outcome()

    async def _work_by_processes(self, observe: Observe, wanted: Wanted | None) -> list[Outcome]:
        options, connection = self._options, self._connection
        async with self._planned(wanted) as plan:
            starts = divided(self._order, self._settings, connection.served, options.parallelism, plan.spools)
            # What killed processes have recorded is read at the end, whatever that is.
            store = open_store(self._settings, self._manifest.job, connection, even_if_stopping=True)
            crew = Crew(starts, store, connection.stop, self._log)

            def snapshot() -> Snapshot:
                parts = crew.parts
                return self._snapshot(crew.tally, plan.count, total_flow([part.flow for part in parts]), parts)

            async with observe(snapshot):
                try:
                    return await crew.work()
                finally:
                    self._processes = crew.processes

    @asynccontextmanager
    async def _planned(self, wanted: Wanted | None) -> AsyncIterator[Plan]:
        options, stall_s = self._options, self._settings.shutdown.stall_s
        planning = plan_tasks(
            self._manifest,
            self._settings,
            options.shard,
            self._connection,
            options.max_tasks,
            processes=options.processes,
            wanted=wanted,
        )
        # Standard input may say nothing for as long as it likes.
        is_patient = any(map(is_standard_input, self._manifest.sources))
        async with AsyncExitStack() as stack:
            async with nullcontext() if is_patient else watched_planning(self._connection, stall_s):
                self._plan = plan = await stack.enter_async_context(planning)
            yield plan

    async def finish(self) -> Summary:
        """Decide how the run ended, and write its summary beside its lines, if results can be written."""
        summary = self._summary()
        if any(trouble.exit_code is Exit.RESULTS for outcome in self._outcomes for trouble in outcome.troubles):
            return summary
        content = msgspec.json.format(msgspec.json.encode(summary.document()), indent=2) + b"\n"
        try:
            await self._patience.over(lambda: self._store.create(self._order.stem + SUMMARY, content))
        except ResultsError as error:
            # The lines are durable: what they count is told, though not beside them.
            first, *others = self._outcomes
            trouble = Trouble(error.exit_code, f"the summary is not written: {error}")
            self._outcomes = [replace(first, troubles=[*first.troubles, trouble]), *others]
            summary = self._summary()
        return summary

    async def compact_if_many(self) -> None:
        """Write a checkpoint where reading would be slow without it. That it fails is no harm: the log is all there."""
        work = asyncio.create_task(compact_if_many(self._store, self._patience, self._warn), name="compact")
        try:
            with self._connection.stop.cuts():
                if await work:
                    self._log("checkpoint written")
        except Cut:
            self._warn("interrupted while the checkpoint was written; nothing is lost")
        except WorkerError as error:
            self._warn(f"no checkpoint was written: {error}")

    def _warn(self, text: str) -> None:
        self._log(text, logging.WARNING)

    def _snapshot(self, tally: Tally, total: int | None, flow: Flow, parts: Sequence[Part] = ()) -> Snapshot:
        """How far the run is."""
        pipelines = {pipeline.name: PipelineCounts() for pipeline in self._manifest.pipelines}
        return Snapshot(
            planned=tally.planned,
            total=total,
            saved=tally.saved,
            already_saved=tally.already_saved,
            skipped=tally.skipped,
            failed=tally.failed,
            elapsed_s=time.monotonic() - self._began_s,
            attempts=tally.attempts,
            tries=dict(tally.tries),
            source_bytes=tally.source_bytes,
            target_bytes=tally.target_bytes,
            flow=flow,
            pipelines=pipelines | tally.pipelines,
            failures=tally.most_failures,
            parts=parts,
        )

    def _summary(self) -> Summary:
        options, plan, failed = self._options, self._plan, self._failed
        notes = list(plan.notes) if plan else []
        if failed is not None and failed.unknown:
            notes.append(f"{failed.unknown} failed before their lines were pruned, nobody knows of what: retry all")
        about = Circumstances(
            command="retry" if options.retry else "run",
            job=self._manifest.job,
            run=options.run,
            shard=str(options.shard),
            proc=options.proc,
            endpoint=self._connection.endpoint,
            ended=self._connection.clock.now(),
            took_s=time.monotonic() - self._began_s,
            manifest_digest=self._manifest.digest,
            settings_digest=self._settings.digest,
            processes=self._processes,
            requests=self._connection.requests,
            events=self._connection.events.all,
            notes=notes,
        )
        enumeration = plan.enumeration if plan else None
        return summarize(self._outcomes, enumeration, self._settings.failure.accept, about)


def _only(failed: FailedTargets) -> Wanted:
    """Plan what has failed, and nothing else."""

    def wanted(planned: Planned) -> bool:
        return failed.wants(planned, "" if isinstance(planned, PlannedTask) else bad_row_message(planned))

    return wanted
