"""Comparison: in what a run has done worse than another."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt

from worker.batch.digests import DigestSet
from worker.batch.figures import Figures
from worker.batch.record import Record, Status
from worker.batch.task import target_digest

# What differs by less is told by the figures, and is no regression: two runs of the same work differ by some.
SLOWER = 0.8
LONGER = 1.25
MOST_TARGETS = 100


class Kind(StrEnum):
    """In what a run did worse."""

    THROUGHPUT = "throughput"
    P95 = "p95"
    ERRORS = "errors"
    TARGETS = "targets"


@dataclass(frozen=True, slots=True)
class Regression:
    """Something that got worse: `name` is the class of errors, where it is one. Units are in `what`."""

    kind: Kind
    name: str
    before: float
    now: float
    what: str


def regressions(now: Figures, before: Figures, lost: int) -> list[Regression]:
    """What got worse; `lost` counts targets that were saved before and have failed now."""
    # What was lost comes before what took longer.
    found = [
        Regression(Kind.ERRORS, code, then, count, "tasks that failed with this code")
        for code, then, count in _classes(now, before)
    ]
    if lost:
        found.append(Regression(Kind.TARGETS, "", 0, lost, "targets that were saved then and have failed now"))
    if now.per_second and before.per_second and now.per_second < SLOWER * before.per_second:
        found.append(Regression(Kind.THROUGHPUT, "", before.per_second, now.per_second, "tasks in a second"))
    slow, quick = now.percentiles["p95"], before.percentiles["p95"]
    if slow and quick and slow > LONGER * quick:
        found.append(Regression(Kind.P95, "", quick, slow, "ms that 95 % of the tasks do not exceed"))
    return found


def _classes(now: Figures, before: Figures) -> list[tuple[str, int, int]]:
    """The classes that are new, or more frequent by three times the root of what was to be expected."""
    done = _done(now) / max(1, _done(before))
    found = []
    for one in now.classes:
        then = before.errors[one.code].count if one.code in before.errors else 0
        expected = then * done
        if not then or one.count > expected + 3 * sqrt(expected):
            found.append((one.code, then, one.count))
    return found


def _done(figures: Figures) -> int:
    return figures.lines[Status.SAVED] + figures.lines[Status.FAILED]


@dataclass(slots=True)
class Lost:
    """Targets that failed in one run, and were saved in another: 32 bytes for each that failed."""

    count: int = 0
    lines: list[Record] = field(default_factory=list)
    _failed: DigestSet = field(default_factory=DigestSet)
    _found: DigestSet = field(default_factory=DigestSet)

    def note_failed(self, line: Record) -> None:
        """Take in a failure of the run."""
        if line.target is not None:
            self._failed.add(target_digest(line.target))

    def note_before(self, line: Record) -> None:
        """Take in a line of the other one, after all failures."""
        if line.status is Status.SAVED and line.target is not None:
            digest = target_digest(line.target)
            if digest in self._failed and self._found.add(digest):
                self.count += 1
                if len(self.lines) < MOST_TARGETS:
                    self.lines.append(line)
