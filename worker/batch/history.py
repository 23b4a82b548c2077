"""The history of a job: what its log says of each target beyond what a run needs to know, for forecasts."""

import hashlib

from worker.batch.digests import DigestMap
from worker.batch.record import Record, Status, milliseconds
from worker.batch.task import Shard, Task, target_digest
from worker.oss.names import ObjectRef

_NOT_SAVED = 0
_HALF = 32


class History:
    """How the targets of a shard came about, by the newest line that counts (the rule of the ledger).

    Kept of each line are its time, and 32 bits each of the digests of its source and its process: enough to tell, for a
    count, which of the two has changed. `add` is called in the order of run, segment and line.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._lines = DigestMap()
        self._seconds = 0.0
        self._timed = 0
        self.saved = 0

    @property
    def mean_seconds(self) -> float | None:
        """How long a saved task took on average, None where none was saved. `saved` counts targets that are there."""
        return self._seconds / self._timed if self._timed else None

    def add(self, record: Record) -> None:
        """Take in one line."""
        if record.target is None or not record.counts:
            return
        digest = target_digest(ObjectRef(record.target.bucket, record.target.key))
        if not self._shard.holds(digest):
            return
        is_saved = record.status is Status.SAVED
        if is_saved:
            self._seconds += record.duration_ms / 1000
            self._timed += 1
        at, known = milliseconds(record.at), self._lines.get(digest)
        if known is not None and at < known[0]:
            return
        source = record.source
        made = _made(ObjectRef(source.bucket, source.key), source.etag, record.process) if is_saved else _NOT_SAVED
        self.saved += is_saved - (known is not None and known[1] != _NOT_SAVED)
        self._lines.put(digest, at, made)

    def knows(self, target: bytes) -> bool:
        """Whether this job may have written the target before."""
        return self._lines.get(target) is not None

    def holds(self, target: bytes) -> bool:
        """Whether the target is there, as far as the log knows."""
        return (self._lines.get(target) or (0, _NOT_SAVED))[1] != _NOT_SAVED

    def has_other_recipe(self, target: bytes, task: Task, etag: str) -> bool:
        """Whether a target that is there was made by another recipe than that of a task, which it is not.

        Where process and source are the same, it is the revision that has changed.
        """
        made = (self._lines.get(target) or (0, _NOT_SAVED))[1]
        now = _made(task.source, etag, task.process)
        return made == now or made >> _HALF != now >> _HALF


def _made(source: ObjectRef, etag: str, process: str) -> int:
    # One of 2**64 is taken for no saved line: what is to be counted is then counted as done again.
    return _bits(process) << _HALF | _bits(f"{source.bucket}\0{source.key}\0{etag}")


def _bits(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: _HALF // 8])
