"""Failed targets: those a retry is about, because the newest line for them is a failure."""

from collections.abc import Collection

from worker.batch.digests import DigestMap, DigestSet
from worker.batch.ledger import Ledger
from worker.batch.planner import BadTask, PlannedTask
from worker.batch.record import BAD_ROW, Brief, milliseconds
from worker.batch.task import Shard, target_digest


class FailedTargets:
    """The targets of a shard whose newest line is a failure, of certain codes where some are given.

    The ledger says which line of a target is the newest. What it does not hold of a failure is taken from the lines,
    for 43 to 60 bytes each: the code, and failures of tasks without an id, for their source could not be looked at.
    `unknown` counts targets that were asked for and have failed with a code that no line tells any more.
    """

    def __init__(self, ledger: Ledger, shard: Shard, codes: Collection[str]) -> None:
        self._ledger = ledger
        self._shard = shard
        self._codes = codes
        self._lines = DigestMap()
        self._lost = DigestSet()
        self.unknown = 0

    def add(self, line: Brief) -> None:
        """Take in a line, after the ledger has; in the order of run, segment and line.

        Raises:
            ValueError: Its time is none.
        """
        if line.status != "failed" or line.target is None or line.error is None:
            return
        digest = target_digest(line.target)
        if not self._shard.holds(digest):
            return
        at, known = max(0, milliseconds(line.at)), self._lines.get(digest)
        if at >= self._ledger.newest_ms(digest) and (known is None or at >= known[0]):
            self._lines.put(digest, at, not self._codes or line.error.code in self._codes)

    def wants(self, planned: PlannedTask | BadTask, message: str) -> bool:
        """Whether a task is to be planned; `message` is what the line of a bad row says."""
        if isinstance(planned, BadTask):
            is_wanted = not self._codes or BAD_ROW in self._codes
            return is_wanted and self._ledger.holds_bad_row(planned.pipeline, planned.source.key, message)
        found = self._lines.get(planned.digest)
        if found is not None:
            return bool(found[1])
        if not self._ledger.has_failed(planned.digest):
            return False
        # Its line was pruned: a checkpoint keeps that it failed, not how.
        self.unknown += bool(self._codes) and self._lost.add(planned.digest)
        return not self._codes
