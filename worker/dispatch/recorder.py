"""The recorder: results and bad rows become lines of the results log."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from worker.batch.planner import BadTask
from worker.batch.record import BAD_ROW, SCHEMA, ErrorRecord, Record, SourceRecord, Status, TargetRecord, stamped
from worker.batch.task import Task
from worker.dispatch.clock import ServiceClock
from worker.dispatch.decider import Result
from worker.oss.verdict import Failure


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes the lines of one run. `append` never waits; it may make the line later, with others, which is cheaper.

    `newest_ms` tells when the newest line for the target of a task was written, 0 where there is none.
    """

    append: Callable[[Callable[[], Record]], None]
    clock: ServiceClock
    job: str
    run: str
    shard: str
    newest_ms: Callable[[Task], int] = lambda _: 0

    def record(self, result: Result) -> None:
        """Record the result of a task."""
        # The newest line is what holds: one of a clock that went ahead must not outlast what is done now.
        at_ms = max(self.clock.stamp(), self.newest_ms(result.task) + 1)
        self.append(partial(self._line, result, at_ms))

    def record_bad(self, bad: BadTask) -> None:
        """Record a row that no task can be made of."""
        self.append(partial(self._bad_line, bad, self.clock.stamp()))

    def _line(self, result: Result, at_ms: int) -> Record:
        task = result.task
        return Record(
            schema=SCHEMA,
            task=result.id.hex() if result.id is not None else None,
            status=result.status,
            job=self.job,
            run=self.run,
            shard=self.shard,
            pipeline=task.pipeline,
            source=SourceRecord(task.source.bucket, task.source.key, result.etag, result.source_size),
            process=task.process,
            target=TargetRecord(task.target.bucket, task.target.key, result.target_size),
            attempts=result.attempts,
            tries=result.tries,
            request_id=result.request_id,
            duration_ms=round(result.duration_s * 1000, 1),
            at=stamped(at_ms),
            error=_error(result.error) if result.error else None,
            touched=result.touched,
        )

    def _bad_line(self, bad: BadTask, at_ms: int) -> Record:
        return Record(
            schema=SCHEMA,
            task=None,
            status=Status.FAILED,
            job=self.job,
            run=self.run,
            shard=self.shard,
            pipeline=bad.pipeline,
            source=SourceRecord(bad.source.bucket, bad.source.key),
            process="",
            target=None,
            attempts=0,
            tries={},
            request_id="",
            duration_ms=0.0,
            at=stamped(at_ms),
            error=ErrorRecord(BAD_ROW, 0, "", bad_row_message(bad), permanent=True),
            touched=False,
        )


def bad_row_message(bad: BadTask) -> str:
    """What the line of a bad row says: its place and the reason."""
    return f"{bad.source.place}: {bad.source.reason}"


def _error(failure: Failure) -> ErrorRecord:
    return ErrorRecord(failure.code, failure.http, failure.ec, _sendable(failure.message), permanent=failure.permanent)


def _sendable(text: str) -> str:
    # What was not UTF-8 in a file is held as lone surrogates, which JSON cannot hold.
    return text.encode(errors="backslashreplace").decode()
