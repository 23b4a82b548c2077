"""The execution: takes the tasks of one process to their recorded results, and says how that ended."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec

from worker.batch.ledger import Ledger
from worker.batch.manifest import Existing
from worker.batch.planner import PlannedTask
from worker.batch.record import Record
from worker.batch.segment import stem
from worker.batch.task import Shard, Task, target_digest
from worker.connection import Connection, Log
from worker.dispatch.canary import Canary
from worker.dispatch.decider import Decider, Needless, Result
from worker.dispatch.failure_limit import FailureLimit
from worker.dispatch.outcome import Outcome, troubles_of
from worker.dispatch.performer import Performer
from worker.dispatch.recorder import Recorder, bad_row_message
from worker.dispatch.relay import Relay
from worker.dispatch.sampling import Sampling
from worker.dispatch.saveas import Saveas
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.stopping import Cut, Reason
from worker.dispatch.tally import Tally
from worker.errors import StoppedError, WorkerError
from worker.oss.codes import NO_KEY, UNREACHABLE
from worker.oss.endpoint import Site
from worker.results.store import Store
from worker.results.writing import ResultsLog
from worker.settings import Settings
from worker.sources.enumeration import Planned
from worker.storage import appender, patience_of
from worker.tending import being_written, limits_noted, watched

# Of a line of the results log, in the log of the program: `process` would be the number of one there.
_TOLD = ("pipeline", "source", "error", "request_id", "attempts", "tries", "duration_ms", "target", "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a process has to do: whose lines it writes, and what it does with tasks that have been done before.

    `relayed` are the pipelines whose results are, `sites` where buckets are that are not where the settings say.
    `limit` is how many tasks it may send. `retry`: what failed for good is sent again.
    """

    job: str
    run: str
    proc: str
    shard: Shard
    existing: Existing
    relayed: frozenset[str] = frozenset()
    sites: Mapping[str, Site] = field(default_factory=dict)
    limit: int | None = None
    redo: bool = False
    retry: bool = False

    @property
    def stem(self) -> str:
        """What the names of the process's files begin with, below the job's place."""
        return stem(self.run, self.shard, self.proc)


class Execution:
    """The state of one process of a run. `tally` counts what was taken up, and lines once they are durable."""

    def __init__(
        self, order: Order, settings: Settings, connection: Connection, store: Store, ledger: Ledger, log: Log
    ) -> None:
        self._order = order
        self._settings = settings
        self._connection = connection
        self._ledger = ledger
        self._stop = connection.stop
        self.tally = Tally()
        failure = settings.failure
        self._canary = Canary(failure.canary)
        self._failure_limit = FailureLimit(failure.window, failure.max_ratio, failure.per_code)
        self._sent = 0
        self._trouble: list[WorkerError] = []
        self._tell = log
        self._sampling = Sampling(connection.clock.monotonic)
        self._log = ResultsLog(appender(store, order.stem), patience_of(settings, connection), self._count)
        self._recorder = Recorder(
            self._log.append, connection.clock, order.job, order.run, str(order.shard), self._newest_ms
        )
        heads = 2 * connection.concurrency
        decider = Decider(connection.sender, ledger, order.existing, redo=order.redo, retry=order.retry, heads=heads)
        saveas = Saveas(connection.sender, can_look=settings.addressing != "cname")
        performer = Performer(decider, self._permit, saveas, Relay(connection.sender), order.relayed)
        self._scheduler = Scheduler(performer.perform, self._record, self._log, self._stop)

    def _newest_ms(self, task: Task) -> int:
        return self._ledger.newest_ms(target_digest(task.target)) if self._ledger else 0

    async def work(self, tasks: AsyncGenerator[Planned, None], listed: Callable[[], int]) -> None:
        """Take every task to its recorded result, or to where the run was stopped.

        `listed` counts what the stream of tasks was read from, though it may yield nothing for long.
        """
        shutdown = self._settings.shutdown

        def progress() -> object:
            return listed(), self.tally.planned, self.tally.not_attempted

        try:
            async with (
                being_written(self._log, self._stop, self._trouble),
                watched(self._connection, progress, shutdown.stall_s),
                limits_noted(self._connection, self.tally.columns),
                aclosing(self._counted(tasks)) as counted,
            ):
                await self._scheduler.run(counted, self._connection.concurrency, shutdown.grace_s)
        finally:
            for code, left_out in self._sampling.rest():
                self._tell("more tasks failed", logging.WARNING, code=code, left_out=left_out)

    @property
    def is_complete(self) -> bool:
        """Whether every task was taken up, and nothing was in the way."""
        return self._scheduler.complete and not self._trouble and self._stop.error is None

    def outcome(self) -> Outcome:
        """What was done, and how it ended."""
        return Outcome(
            tally=self.tally,
            complete=self.is_complete,
            stopped=self._stop.reason,
            closed=self._scheduler.closed,
            refused=self._is_refused(),
            sent=self._sent,
            troubles=troubles_of(self._stop, self._trouble),
        )

    def _is_refused(self) -> bool | None:
        reason, canary = self._stop.reason, self._canary
        if reason is Reason.ACCESS or canary.is_refused(ended=reason is None):
            return True
        # A few refusals, and stopped for another reason before there were enough: nobody knows.
        return None if not canary.has_heard or canary.is_refused(ended=True) else False

    async def _counted(self, planned: AsyncGenerator[Planned, None]) -> AsyncGenerator[Task, None]:
        """The tasks to perform; bad rows are recorded on the way. Trouble with the sources stops the run."""
        try:
            async with aclosing(planned):
                async for one in planned:
                    self.tally.planned += 1
                    if isinstance(one, PlannedTask):
                        yield one.task
                    elif self._ledger.holds_bad_row(one.pipeline, one.source.key, bad_row_message(one)):
                        self.tally.repeat_bad_row(one.pipeline)
                    else:
                        await self._log.ready()
                        self._recorder.record_bad(one)
        except WorkerError as error:
            self._trouble.append(error)
            self._stop.throw(Reason.SOURCES)

    def _permit(self) -> None:
        if self._order.limit is not None and self._sent >= self._order.limit:
            # Not a stop: what was sent before waits for its turn, and is finished.
            self._scheduler.close()
            raise Cut
        self._sent += 1

    def _record(self, task: Task, result: Result | Needless) -> None:
        if isinstance(result, Result):
            self._recorder.record(result)
            self._judge(result)
        else:
            self.tally.pass_over(task.pipeline, saved=result is Needless.ALREADY_SAVED)

    def _count(self, line: Record) -> None:
        """A line is durable."""
        self.tally.count(line)
        if line.error is not None and (left_out := self._sampling.take(line.error.code)) is not None:
            fields: dict[str, object] = msgspec.to_builtins(line)
            more = {"left_out": left_out} if left_out else {}
            self._tell(
                "task failed", logging.WARNING, **{name: fields[name] for name in _TOLD if name in fields}, **more
            )

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
            what = (
                "no credentials were to be had" if error.code == NO_KEY else f"{self._connection.named} was not reached"
            )
            message = f"{what} until a task's deadline: {error.message}"
            self._stop.throw(Reason.OUTAGE, StoppedError(message))
