"""The timeline: what a run was like over time, and what happened to it as a whole, and when."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from worker.batch.columns import Columns
from worker.batch.figures import PERCENTILES
from worker.batch.record import stamped

_KEPT = 100
_TOLD = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, `at` a time in ISO 8601."""

    at: str
    event: str


class Events:
    """The first events and the latest ones, so many of each; those between are only counted."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._first: list[Event] = []
        self._latest: deque[Event] = deque()
        self._left_out = 0
        self._left_out_at = ""

    def add(self, event: Event) -> None:
        """Something happened, later than all before."""
        if len(self._first) < self._kept:
            self._first.append(event)
            return
        self._latest.append(event)
        if len(self._latest) > self._kept:
            left_out = self._latest.popleft()
            self._left_out_at = self._left_out_at or left_out.at
            self._left_out += 1

    @property
    def last(self) -> Event | None:
        """The latest of all."""
        return self._latest[-1] if self._latest else self._first[-1] if self._first else None

    @property
    def all(self) -> list[Event]:
        """What is kept, in its order, and how many are not."""
        between = [Event(self._left_out_at, f"{self._left_out} events left out")] if self._left_out else []
        return [*self._first, *between, *self._latest]


@dataclass(frozen=True, slots=True)
class Row:
    """What a run was like for some `seconds`: tasks that ended, attempts that were throttled, how long tasks took.

    `durations_ms` are percentiles, None where no task ended; `limits` those in force, the narrowest of each.
    """

    at: str
    seconds: float
    saved: int
    failed: int
    throttled: int
    durations_ms: dict[str, float | None]
    limits: dict[str, float] | None


def rows(columns: Columns) -> Iterator[Row]:
    """A row for each column."""
    for begin_ms, column in columns:
        found = {name: column.durations.percentile(PERCENTILES[name]) for name in _TOLD}
        yield Row(
            at=stamped(begin_ms),
            seconds=columns.width_ms / 1000,
            saved=column.saved,
            failed=column.failed,
            throttled=column.throttled,
            durations_ms={name: None if value is None else round(value, 1) for name, value in found.items()},
            limits=None if column.limits is None else asdict(column.limits),
        )
