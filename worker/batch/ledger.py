"""The ledger: what the results log says about each target, by the one rule of the newest line."""

from typing import NamedTuple

from worker.batch.digests import DigestSet
from worker.batch.record import BAD_ROW, Record, Status, milliseconds
from worker.batch.task import Shard, target_digest, text_digest
from worker.oss.names import ObjectRef


class _Entry(NamedTuple):
    """Of one target: the newest line that counts, and the newest line of all; times in milliseconds since 1970."""

    counted_at: int
    saved: bytes | None  # the task that the newest counting line says is saved
    last_at: int
    failed_for_good: bytes | None  # the task that the newest line says has failed for good


_NOTHING = _Entry(-1, None, -1, None)


class Ledger:
    """The state of every target of a shard, read from the lines of a job's log.

    The rule: a task is done if and only if the newest line for its target, leaving out `skipped` and those `failed`
    whose every attempt was declined by an answer, is `saved` and carries its task id. Newest is the greatest time;
    lines of the same time are told apart by their order, so `add` is called in the order of run, segment and line.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._entries: dict[bytes, _Entry] = {}
        self._bad_rows = DigestSet()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, record: Record) -> None:
        """Take in one line."""
        at = milliseconds(record.at)
        if record.error is not None and record.error.code == BAD_ROW:
            self._bad_rows.add(_bad_row(record.pipeline, record.source.key, record.error.message))
        if record.target is None or record.task is None:
            return
        digest = target_digest(ObjectRef(record.target.bucket, record.target.key))
        if self._shard.holds(digest):
            self._entries[digest] = _newer(self._entries.get(digest, _NOTHING), record, at)

    def is_done(self, target: bytes, task: bytes) -> bool:
        """Whether this task (its id) is what the target (its digest) holds."""
        return self._entries.get(target, _NOTHING).saved == task

    def failed_for_good(self, target: bytes, task: bytes) -> bool:
        """Whether the newest line for the target is a permanent failure of this very task."""
        return self._entries.get(target, _NOTHING).failed_for_good == task

    def knows(self, target: bytes) -> bool:
        """Whether this job may have written the target before."""
        return self._entries.get(target, _NOTHING).counted_at >= 0

    def holds_bad_row(self, pipeline: str, key: str, message: str) -> bool:
        """Whether a line says of this row that it is bad: key, place and what is wrong make it the same row."""
        return _bad_row(pipeline, key, message) in self._bad_rows


def _newer(entry: _Entry, record: Record, at: int) -> _Entry:
    task = bytes.fromhex(record.task or "")
    if at >= entry.last_at:
        permanent = record.error is not None and record.error.permanent
        entry = entry._replace(last_at=at, failed_for_good=task if permanent else None)
    if at >= entry.counted_at and record.counts:
        entry = entry._replace(counted_at=at, saved=task if record.status is Status.SAVED else None)
    return entry


def _bad_row(pipeline: str, key: str, message: str) -> bytes:
    return text_digest(f"{pipeline} {key!r} {message}")
