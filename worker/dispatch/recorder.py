"""The recorder: results and bad rows become lines of the results log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.batch.planner import BadTask
from worker.batch.record import BAD_ROW, SCHEMA, ErrorRecord, Record, SourceRecord, Status, TargetRecord, timestamp
from worker.batch.task import Shard, Task, target_digest
from worker.dispatch.clock import ServiceClock
from worker.dispatch.decider import Result
from worker.oss.verdict import Failure


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes the lines of one run; `append` never waits. `newest` tells when the newest line for a target was written.

    That is in milliseconds since 1970, 0 where there is none, by the target's digest.
    """

    append: Callable[[Record], None]
    clock: ServiceClock
    job: str
    run: str
    shard: Shard
    newest: Callable[[bytes], int] = lambda _: 0

    def record(self, result: Result) -> None:
        """Record the result of a task."""
        task = result.task
        self.append(
            Record(
                schema=SCHEMA,
                task=result.id.hex() if result.id is not None else None,
                status=result.status,
                job=self.job,
                run=self.run,
                shard=str(self.shard),
                pipeline=task.pipeline,
                source=SourceRecord(task.source.bucket, task.source.key, result.etag, result.source_size),
                process=task.process,
                target=TargetRecord(task.target.bucket, task.target.key, result.target_size),
                attempts=result.attempts,
                tries=result.tries,
                request_id=result.request_id,
                duration_ms=round(result.duration_s * 1000, 1),
                at=timestamp(self._after_all_others(task)),
                error=_error(result.error) if result.error else None,
                touched=result.touched,
            )
        )

    def _after_all_others(self, task: Task) -> datetime:
        """The newest line is what holds: one of a clock that went ahead must not outlast what is done now."""
        at = self.clock.stamp()
        newest_ms = self.newest(target_digest(task.target))
        if newest_ms < at.timestamp() * 1000:
            return at
        return datetime.fromtimestamp((newest_ms + 1) / 1000, UTC)

    def record_bad(self, bad: BadTask) -> None:
        """Record a row that no task can be made of."""
        self.append(
            Record(
                schema=SCHEMA,
                task=None,
                status=Status.FAILED,
                job=self.job,
                run=self.run,
                shard=str(self.shard),
                pipeline=bad.pipeline,
                source=SourceRecord(bad.source.bucket, bad.source.key),
                process="",
                target=None,
                attempts=0,
                tries={},
                request_id="",
                duration_ms=0.0,
                at=timestamp(self.clock.stamp()),
                error=ErrorRecord(BAD_ROW, 0, "", bad_row_message(bad), permanent=True),
                touched=False,
            )
        )


def bad_row_message(bad: BadTask) -> str:
    """What the line of a bad row says: its place and the reason."""
    return f"{bad.source.place}: {bad.source.reason}"


def _error(failure: Failure) -> ErrorRecord:
    return ErrorRecord(failure.code, failure.http, failure.ec, _sendable(failure.message), permanent=failure.permanent)


def _sendable(text: str) -> str:
    # What was not UTF-8 in a file is held as lone surrogates, which JSON cannot hold.
    return text.encode(errors="backslashreplace").decode()
