"""The verifier: whether a recorded target is still there as it was recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from msgspec.structs import replace

from worker.batch.record import Record, Status, milliseconds, stamped
from worker.dispatch.clock import ServiceClock
from worker.dispatch.decider import Head, judge_head
from worker.dispatch.sender import Sender
from worker.oss.answer import parse_http_date
from worker.oss.names import ObjectRef
from worker.oss.request import head_object
from worker.oss.verdict import Failure

# Last-Modified is whole seconds; a line is written some time after its target.
_GRAIN = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the target of a saved line: `saved` is intact, a Failure says that nobody knows."""

    line: Record
    found: Status | Failure


class Verifier:
    """Looks at targets, one HEAD each; safe to use from many coroutines."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def look(self, line: Record) -> Seen:
        """Compare the target of a saved line with it.

        Raises:
            Cut: The command was stopped before anybody had an answer.
        """
        assert line.target is not None
        target = ObjectRef(line.target.bucket, line.target.key)
        verdict = (await self._sender.call(head_object(target), judge_head)).verdict
        if isinstance(verdict, Failure):
            is_gone = verdict.http == HTTPStatus.NOT_FOUND and verdict.code == "NoSuchKey" and verdict.request_id
            return Seen(line, Status.MISSING if is_gone else verdict)
        return Seen(line, Status.ALTERED if is_altered(line, verdict) else Status.SAVED)


def is_altered(line: Record, head: Head) -> bool:
    """Whether an object is another one than its saved line tells of; where either has no size, the time must tell."""
    size = line.target.size if line.target else None
    if size is not None and head.size is not None and head.size != size:
        return True
    modified = parse_http_date(head.modified)
    return modified is not None and modified > _moment(line) + _GRAIN


@dataclass(frozen=True, slots=True)
class Correction:
    """Writes the lines of one verification: that a target is not there as recorded, for the next run to mend."""

    append: Callable[[Callable[[], Record]], None]
    clock: ServiceClock
    run: str

    def record(self, line: Record, found: Status) -> None:
        """Record that the target of a saved line is missing or altered."""
        # Newer than what it corrects, though that was written by a clock that went ahead.
        at_ms = max(self.clock.stamp(), milliseconds(line.at) + 1)
        made = replace(line, status=found, run=self.run, shard="0/1", attempts=0, tries={})
        corrected = replace(made, request_id="", duration_ms=0.0, at=stamped(at_ms))
        self.append(lambda: corrected)


def _moment(line: Record) -> datetime:
    return datetime.fromtimestamp(milliseconds(line.at) / 1000, UTC)
