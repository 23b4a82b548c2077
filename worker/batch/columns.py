"""Columns: what happened to a run over time, in at most so many columns of equal width."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.batch.histogram import Histogram

WIDTH_MS = 10_000
MOST = 200


@dataclass(slots=True)
class Column:
    """What ended within one width: tasks by outcome, attempts that were throttled, and how long tasks took in ms."""

    saved: int = 0
    failed: int = 0
    throttled: int = 0
    durations: Histogram = field(default_factory=Histogram)

    def merge(self, other: "Column") -> None:
        """Take in another one."""
        self.saved += other.saved
        self.failed += other.failed
        self.throttled += other.throttled
        self.durations.merge(other.durations)


class Columns:
    """Columns of 10 s, or of twice, four times, ... that, as it takes; in whatever order their moments come."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.width_ms = WIDTH_MS
        self._columns: dict[int, Column] = {}

    def at(self, moment_ms: int) -> Column:
        """The column of a moment, in milliseconds since 1970."""
        number = moment_ms // self.width_ms
        column = self._columns.get(number)
        if column is None:
            self._columns[number] = Column()
            while max(self._columns) - min(self._columns) >= self._most:
                self._halve()
            column = self._columns[moment_ms // self.width_ms]
        return column

    def __iter__(self) -> Iterator[tuple[int, Column]]:
        """When each begins, in milliseconds since 1970, and what it holds: those in which nothing happened, too."""
        for number in range(min(self._columns), max(self._columns) + 1) if self._columns else ():
            yield number * self.width_ms, self._columns.get(number) or Column()

    @property
    def end_ms(self) -> int:
        """When the last one ends."""
        return (max(self._columns, default=-1) + 1) * self.width_ms

    def _halve(self) -> None:
        merged: dict[int, Column] = {}
        for number, column in self._columns.items():
            known = merged.setdefault(number // 2, column)
            if known is not column:
                known.merge(column)
        self.width_ms *= 2
        self._columns = merged
