"""Columns: what happened to a run over time, in at most so many columns of equal width."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from worker.batch.histogram import Histogram
from worker.batch.limits import Limits
from worker.batch.record import Record, Status, milliseconds
from worker.oss.codes import throttles

WIDTH_MS = 10_000
MOST = 200


@dataclass(slots=True)
class Column:
    """What ended within one width: tasks by outcome, attempts that were throttled, and how long tasks took in ms.

    `limits` are those that were in force, the narrowest of each; None where nobody has said.
    """

    saved: int = 0
    failed: int = 0
    throttled: int = 0
    durations: Histogram = field(default_factory=Histogram)
    limits: Limits | None = None

    def take(self, line: Record) -> None:
        """Take in a line of this time."""
        if line.status is Status.SAVED:
            self.saved += 1
        elif line.status is Status.FAILED:
            self.failed += 1
        if line.attempts:
            self.durations.add(line.duration_ms)
        if line.tries:
            self.throttled += sum(count for code, count in line.tries.items() if throttles(code))

    def narrow(self, limits: Limits) -> None:
        """These limits were in force for some of the time."""
        self.limits = limits if self.limits is None else self.limits.narrowest(limits)

    def merge(self, other: "Column") -> None:
        """Take in that of another time."""
        if other.limits is not None:
            self.narrow(other.limits)
        self._count(other)

    def add(self, other: "Column") -> None:
        """Take in that of another process, whose limits are a share as ours are."""
        if other.limits is not None:
            self.limits = other.limits if self.limits is None else self.limits + other.limits
        self._count(other)

    def _count(self, other: "Column") -> None:
        self.saved += other.saved
        self.failed += other.failed
        self.throttled += other.throttled
        self.durations.merge(other.durations)


class Columns:
    """Columns of 10 s, or of twice, four times, ... that, as it takes; in whatever order their moments come.

    `by_number` has those in which something happened, counted in widths since 1970.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.width_ms = WIDTH_MS
        self.by_number: dict[int, Column] = {}

    def at(self, moment_ms: int) -> Column:
        """The column of a moment, in milliseconds since 1970."""
        number = moment_ms // self.width_ms
        column = self.by_number.get(number)
        if column is None:
            self.by_number[number] = Column()
            while _span(self.by_number) > self._most:
                self.halve()
            column = self.by_number[moment_ms // self.width_ms]
        return column

    def take(self, line: Record) -> None:
        """Take in a line."""
        self.at(milliseconds(line.at)).take(line)

    def add(self, other: "Columns") -> None:
        """Take in those of another process, which become as wide as ours are then."""
        while other.width_ms < self.width_ms:
            other.halve()
        while self.width_ms < other.width_ms:
            self.halve()
        while _span(self.by_number.keys() | other.by_number.keys()) > self._most:
            self.halve()
            other.halve()
        for number, column in other.by_number.items():
            self.by_number.setdefault(number, Column()).add(column)

    def __iter__(self) -> Iterator[tuple[int, Column]]:
        """When each begins, in milliseconds since 1970, and what it holds: those in which nothing happened, too."""
        for number in range(min(self.by_number), max(self.by_number) + 1) if self.by_number else ():
            yield number * self.width_ms, self.by_number.get(number) or Column()

    @property
    def end_ms(self) -> int:
        """When the last one ends."""
        return (max(self.by_number, default=-1) + 1) * self.width_ms

    def halve(self) -> None:
        """Make them half as many, each twice as wide."""
        merged: dict[int, Column] = {}
        for number, column in self.by_number.items():
            known = merged.setdefault(number // 2, column)
            if known is not column:
                known.merge(column)
        self.width_ms *= 2
        self.by_number = merged


def _span(numbers: Collection[int]) -> int:
    """How many columns there are from the first to the last."""
    return max(numbers) - min(numbers) + 1 if numbers else 0
