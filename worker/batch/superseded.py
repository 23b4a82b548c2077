"""Which failures of a run are not its last word: a later process of the same run has tried the target again."""

from worker.batch.digests import DigestMap
from worker.batch.record import Brief, Record, milliseconds
from worker.batch.task import target_digest

_FAILED, _SAVED = 0, 1


class Superseded:
    """The newest line of each target that has failed, for 43 to 60 bytes each. All failures are noted first."""

    def __init__(self) -> None:
        self._newest = DigestMap()

    def note_failed(self, line: Brief) -> None:
        """Take in a line, if it is a failure."""
        if line.status == "failed" and line.target is not None:
            digest, at = target_digest(line.target), milliseconds(line.at)
            known = self._newest.get(digest)
            if known is None or at >= known[0]:
                self._newest.put(digest, at, _FAILED)

    def note_saved(self, line: Brief) -> None:
        """Take in a line, if it tells that what has failed is saved."""
        if line.status == "saved" and line.target is not None:
            digest, at = target_digest(line.target), milliseconds(line.at)
            known = self._newest.get(digest)
            if known is not None and at >= known[0]:
                self._newest.put(digest, at, _SAVED)

    def holds(self, failed: Record) -> bool:
        """Whether a failure is not the last word on its target."""
        known = None if failed.target is None else self._newest.get(target_digest(failed.target))
        return known is not None and (known[1] == _SAVED or milliseconds(failed.at) < known[0])
