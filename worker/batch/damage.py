"""Damage: targets that `verify` has found missing or altered since the newest run began, and nobody has saved since."""

from collections import Counter
from dataclasses import dataclass, field

from worker.batch.digests import DigestMap
from worker.batch.record import Brief, Status, milliseconds
from worker.batch.standing import RunStanding
from worker.batch.task import target_digest

_FOUND = (Status.MISSING, Status.ALTERED)
_MENDED = len(_FOUND)


@dataclass(slots=True)
class Damage:
    """What `verify` has found of the targets of a run, for 43 to 60 bytes each; a later run has planned them anew.

    The lines of verifications come first, then, where they may be newer, those of the run.
    """

    run: RunStanding
    first_at: str = ""
    _lines: DigestMap = field(default_factory=DigestMap)
    _counts: Counter[int] = field(default_factory=Counter)

    @property
    def counts(self) -> dict[str, int]:
        """How many targets are missing, and how many altered."""
        return {str(status): self._counts[number] for number, status in enumerate(_FOUND)}

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def find(self, line: Brief) -> None:
        """Take in a line of a verification."""
        if line.target is None or line.status not in _FOUND:
            return
        digest = target_digest(line.target)
        if line.at >= self.run.since(digest):
            self.first_at = min(self.first_at or line.at, line.at)
            self._put(digest, milliseconds(line.at), _FOUND.index(Status(line.status)))

    def mend(self, line: Brief) -> None:
        """Take in a line of the run: what it has saved, or failed to save, is not any more as it was found."""
        if line.target is None or line.status == "skipped" or not line.touched:
            return
        digest = target_digest(line.target)
        if self._lines.get(digest) is not None:
            self._put(digest, milliseconds(line.at), _MENDED)

    def _put(self, digest: bytes, at: int, found: int) -> None:
        known = self._lines.get(digest)
        if known is not None:
            if at < known[0]:
                return
            self._counts[known[1]] -= 1
        self._counts[found] += 1
        self._lines.put(digest, at, found)
