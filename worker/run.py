"""One run of a job: wires plan, dispatch and results log, and returns the summary."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from worker.batch.failed import FailedTargets
from worker.batch.ledger import Ledger
from worker.batch.manifest import Manifest
from worker.batch.planner import PlannedTask
from worker.batch.record import timestamp
from worker.batch.task import Shard, Task
from worker.connection import Connection, Log, connect
from worker.dispatch.canary import Canary
from worker.dispatch.decider import Decider, Needless, Result
from worker.dispatch.failure_limit import FailureLimit
from worker.dispatch.performer import Performer
from worker.dispatch.recorder import Recorder, bad_row_message
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.dispatch.tally import Tally
from worker.errors import AccessError, Exit, ResultsError, StoppedError, UsageError, WorkerError, foremost
from worker.oss.codes import NO_KEY, UNREACHABLE
from worker.planning import Plan, plan_tasks, proven_offline, read_failed, read_ledger
from worker.results.compacting import compact_if_many
from worker.results.directory import ensure_writable
from worker.results.store import Store
from worker.results.writing import ResultsLog
from worker.settings import Settings
from worker.signals import stopping
from worker.sources.enumeration import Planned
from worker.storage import appender, open_store, patience_of
from worker.summary import OUTCOMES, Snapshot, Summary
from worker.tending import being_written, watched

Observe = Callable[[Callable[[], Snapshot]], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What distinguishes one run of a job from another. `parallelism` processes share the limits.

    `retry`: only what has failed is planned, with one of these codes where there are some.
    """

    run: str
    proc: str
    shard: Shard
    parallelism: int
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
        async with connect(settings, environ, stop, options.parallelism, log) as connection:
            log(
                "started, local run" if connection.is_local else "started",
                job=manifest.job,
                run=options.run,
                endpoint=connection.endpoint,
                credentials=connection.credentials_source,
            )
            store = open_store(settings, manifest.job, connection)
            run = _Run(manifest, settings, options, connection, store, Ledger(options.shard))
            try:
                ledger = await read_ledger(store, options.shard, stop, lambda text: log(text, logging.WARNING))
                log("results log read", targets=len(ledger))
                run = _Run(manifest, settings, options, connection, store, ledger)
                wanted = None
                if options.retry:
                    failed = await read_failed(store, ledger, options.shard, options.codes, stop)
                    wanted = run.only(failed)
                async with plan_tasks(
                    manifest, settings, options.shard, connection, options.max_tasks, wanted=wanted
                ) as plan:
                    async with observe(lambda: run.snapshot(plan)):
                        await run.work(plan)
                    summary = await run.finish(plan)
            except Cut:
                return await run.finish(None)
            if summary.exit == Exit.OK:
                await run.compact_if_many(log)
            return summary


class _Run:
    """The state of one run, and the decision how it ended."""

    def __init__(
        self,
        manifest: Manifest,
        settings: Settings,
        options: RunOptions,
        connection: Connection,
        store: Store,
        ledger: Ledger,
    ) -> None:
        self._manifest = manifest
        self._settings = settings
        self._options = options
        self._connection = connection
        self._ledger = ledger
        self._store = store
        self._stop = connection.stop
        self._tally = Tally()
        self._canary = Canary(settings.failure.canary)
        failure = settings.failure
        self._failure_limit = FailureLimit(failure.window, failure.max_ratio, failure.per_code)
        self._began_s = time.monotonic()
        self._sent = 0
        self._trouble: list[WorkerError] = []
        self._failed: FailedTargets | None = None
        shard = options.shard
        self._stem = f"{options.run}/{shard.index}-of-{shard.count}.{options.proc}"
        self._patience = patience_of(settings, connection)
        self._log = ResultsLog(appender(store, self._stem), self._patience, self._tally.count)
        self._recorder = Recorder(self._log.append, connection.clock, manifest.job, options.run, shard)
        heads = 2 * connection.concurrency
        decider = Decider(
            connection.sender, ledger, manifest.existing, redo=options.redo, retry=options.retry, heads=heads
        )
        performer = Performer(connection.sender, decider, self._permit, can_look=settings.addressing != "cname")
        self._scheduler = Scheduler(performer.perform, self._record, self._log.ready, self._stop)

    async def work(self, plan: Plan) -> None:
        """Take every task to its recorded result, or to where the run was stopped."""
        shutdown = self._settings.shutdown

        def progress() -> object:
            return plan.enumeration.listed, self._tally.planned, self._tally.not_attempted

        async with (
            being_written(self._log, self._stop, self._trouble),
            watched(self._connection, progress, shutdown.stall_s),
            aclosing(self._counted(plan)) as tasks,
        ):
            await self._scheduler.run(tasks, self._connection.concurrency, shutdown.grace_s)

    def only(self, failed: FailedTargets) -> Callable[[Planned], bool]:
        """Plan what has failed, and nothing else."""
        self._failed = failed

        def wanted(planned: Planned) -> bool:
            return failed.wants(planned, "" if isinstance(planned, PlannedTask) else bad_row_message(planned))

        return wanted

    @property
    def _complete(self) -> bool:
        return self._scheduler.complete and not self._troubles

    @property
    def _troubles(self) -> list[WorkerError]:
        return [*self._trouble, *([self._stop.error] if self._stop.error else [])]

    async def finish(self, plan: Plan | None) -> Summary:
        """Decide how the run ended, and write its summary beside its lines."""
        summary = self._summary(plan)
        if not any(isinstance(error, ResultsError) for error in self._trouble):
            content = msgspec.json.format(msgspec.json.encode(summary.document()), indent=2) + b"\n"
            await self._patience.over(lambda: self._store.create(f"{self._stem}.summary.json", content))
        return summary

    async def compact_if_many(self, log: Log) -> None:
        """Write a checkpoint where reading would be slow without it. That it fails is no harm: the log is all there."""

        def warn(text: str) -> None:
            log(text, logging.WARNING)

        work = asyncio.create_task(compact_if_many(self._store, self._patience, warn), name="compact")
        try:
            with self._stop.cuts():
                if await work:
                    log("checkpoint written")
        except Cut:
            warn("interrupted while the checkpoint was written; nothing is lost")
        except WorkerError as error:
            warn(f"no checkpoint was written: {error}")

    def snapshot(self, plan: Plan) -> Snapshot:
        """How far the run is."""
        tally = self._tally
        total = plan.count if plan.count is not None else tally.planned if self._complete else None
        elapsed_s = time.monotonic() - self._began_s
        return Snapshot(tally.planned, total, tally.saved, tally.already_saved, tally.skipped, tally.failed, elapsed_s)

    async def _counted(self, plan: Plan) -> AsyncGenerator[Task, None]:
        """The tasks to perform; bad rows are recorded on the way. Trouble with the sources stops the run."""
        try:
            async with aclosing(plan.tasks) as tasks:
                async for planned in tasks:
                    self._tally.planned += 1
                    if isinstance(planned, PlannedTask):
                        yield planned.task
                    elif self._ledger.holds_bad_row(planned.pipeline, planned.source.key, bad_row_message(planned)):
                        self._tally.repeated_bad_rows += 1
                    else:
                        await self._log.ready()
                        self._recorder.record_bad(planned)
        except WorkerError as error:
            self._trouble.append(error)
            self._stop.throw(Reason.SOURCES)

    def _permit(self) -> None:
        if self._options.limit is not None and self._sent >= self._options.limit:
            # Not a stop: what was sent before waits for its turn, and is finished.
            self._scheduler.close()
            raise Cut
        self._sent += 1

    def _record(self, result: Result | Needless) -> None:
        match result:
            case Needless.ALREADY_SAVED:
                self._tally.already_saved += 1
            case Needless.FAILED_BEFORE:
                self._tally.failed_before += 1
            case _:
                self._recorder.record(result)
                self._judge(result)

    def _judge(self, result: Result) -> None:
        """Whether to go on, by the results so far."""
        self._canary.hear(result)
        excess = self._failure_limit.hear(result)
        error = result.error
        if error is None:
            return
        if self._canary.is_refused(ended=False):
            self._stop.throw(Reason.ACCESS)
        elif self._canary.is_dead:
            said = f"{error.code}: {error.message}"
            self._stop.throw(
                Reason.FAILURES, StoppedError(f"none of the first results was saved; the last one says {said}")
            )
        elif excess is not None:
            self._stop.throw(Reason.FAILURES, StoppedError(excess))
        elif error.code in UNREACHABLE:
            # A task that nobody answered until its deadline says that nobody would answer the others either.
            endpoint = self._connection.endpoint
            what = "no credentials were to be had" if error.code == NO_KEY else f"{endpoint} was not reached"
            message = f"{what} until a task's deadline: {error.message}"
            self._stop.throw(Reason.OUTAGE, StoppedError(message))

    def _exit(self, plan: Plan | None) -> Exit:
        tally, stopped = self._tally, self._stop.reason
        codes = [self._exit_of(error) for error in self._troubles]
        undone = not self._complete or tally.not_attempted != 0
        if stopped is Reason.ACCESS or self._canary.is_refused(ended=True):
            codes.append(Exit.REFUSED)
        if stopped is Reason.SIGNAL and undone:
            codes.append(Exit.INTERRUPTED)
        if (stopped is Reason.DURATION or self._scheduler.closed) and undone:
            codes.append(Exit.UNFINISHED)
        if plan is not None and plan.enumeration.empty:
            codes.append(Exit.NOTHING_SELECTED)
        if tally.failed > self._settings.failure.accept:
            codes.append(Exit.FAILED)
        if undone and stopped is None and not self._scheduler.closed:
            # The counts do not add up: nobody may take this run for complete.
            codes.append(Exit.UNEXPECTED)
        return foremost(codes)

    def _exit_of(self, error: WorkerError) -> Exit:
        """The exit of trouble on the way: "nothing was sent" and "nothing was saved" are told only where it is true."""
        if (isinstance(error, UsageError) and self._sent) or (isinstance(error, AccessError) and self._tally.saved):
            return Exit.STOPPED
        return error.exit_code

    def _summary(self, plan: Plan | None) -> Summary:
        code, tally, options = self._exit(plan), self._tally, self._options
        ended = self._connection.clock.now()
        enumeration = plan.enumeration if plan else None
        notes = [*(plan.notes if plan else ()), *map(str, self._troubles)]
        if self._failed is not None and self._failed.unknown:
            notes.append(
                f"{self._failed.unknown} failed before their lines were pruned, nobody knows of what: retry all"
            )
        if enumeration:
            notes += [f"{entry.place}: this entry selected nothing" for entry in enumeration.empty]
        return Summary(
            command="retry" if options.retry else "run",
            job=self._manifest.job,
            run=options.run,
            shard=str(options.shard),
            proc=options.proc,
            outcome=OUTCOMES[code],
            exit=code,
            endpoint=self._connection.endpoint,
            started=timestamp(ended - timedelta(seconds=time.monotonic() - self._began_s)),
            ended=timestamp(ended),
            enumeration="complete" if self._complete else "partial",
            listed=enumeration.listed if enumeration else 0,
            selected=enumeration.selected if enumeration else 0,
            not_selected={str(reason): count for reason, count in enumeration.not_selected.items()}
            if enumeration
            else {},
            duplicates=enumeration.duplicates if enumeration else 0,
            planned=tally.planned,
            saved=tally.saved,
            already_saved=tally.already_saved,
            skipped=tally.skipped,
            failed=tally.failed,
            failed_before=tally.failed_before,
            not_attempted=tally.not_attempted,
            attempts=tally.attempts,
            tries=dict(tally.tries),
            requests=dict(self._connection.requests),
            source_bytes=tally.source_bytes,
            target_bytes=tally.target_bytes,
            manifest_digest=self._manifest.digest,
            settings_digest=self._settings.digest,
            first_error=msgspec.to_builtins(tally.first_error),
            notes=notes,
        )
