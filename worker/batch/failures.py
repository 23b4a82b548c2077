"""Failures that a page lists: a few of every class before many of one."""

from collections import Counter

from worker.batch.extremes import Greatest
from worker.batch.record import Record

MOST = 2000


class Failures:
    """At most so many failed lines; where there are more, as many of each class as of any other, as far as they go."""

    def __init__(self, most: int = MOST) -> None:
        self._met: Counter[str] = Counter()
        self._kept: Greatest[Record] = Greatest(most)

    def offer(self, code: str, line: Record) -> None:
        """Take in a failure of a class."""
        self._met[code] += 1
        self._kept.offer(-self._met[code], line)

    @property
    def lines(self) -> list[Record]:
        """What is kept, in the order of time."""
        return sorted(self._kept.items, key=lambda line: (line.at, line.source.bucket, line.source.key))
