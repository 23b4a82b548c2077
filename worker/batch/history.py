"""The history of a job: what its lines say of saved targets beyond what a run needs to know, for forecasts."""

import hashlib

from worker.batch.digests import DigestMap
from worker.batch.record import Record, Status, milliseconds
from worker.batch.task import Shard, Task, target_digest
from worker.oss.names import ObjectRef

_HALF = 32


class History:
    """How the saved targets of a shard came about, as far as their lines are still there.

    Kept of the newest saved line of each target are its time, and 32 bits each of the digests of its source and its
    process: enough to tell, for a count, which of the two has changed. Whether that is the line on which a target rests
    the ledger knows. `add` is called in the order of run, segment and line.
    """

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._lines = DigestMap()
        self._seconds = 0.0
        self._timed = 0

    @property
    def mean_seconds(self) -> float | None:
        """How long a saved task took on average, None where none was saved."""
        return self._seconds / self._timed if self._timed else None

    def add(self, record: Record) -> None:
        """Take in one line."""
        if record.target is None or record.status is not Status.SAVED:
            return
        digest = target_digest(record.target)
        if not self._shard.holds(digest):
            return
        self._seconds += record.duration_ms / 1000
        self._timed += 1
        at, known = milliseconds(record.at), self._lines.get(digest)
        if known is None or at >= known[0]:
            source = ObjectRef(record.source.bucket, record.source.key)
            self._lines.put(digest, max(0, at), _made(source, record.source.etag, record.process))

    def has_other_recipe(self, target: bytes, saved_ms: int, task: Task, etag: str) -> bool | None:
        """Whether a target, saved at that time, was made by another recipe than that of a task, which it is not.

        Where process and source are the same, it is the revision that has changed. None: its line was pruned.
        """
        known = self._lines.get(target)
        if known is None or known[0] != saved_ms:
            return None
        made, now = known[1], _made(task.source, etag, task.process)
        return made == now or made >> _HALF != now >> _HALF


def _made(source: ObjectRef, etag: str, process: str) -> int:
    return _bits(process) << _HALF | _bits(f"{source.bucket}\0{source.key}\0{etag}")


def _bits(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: _HALF // 8])
