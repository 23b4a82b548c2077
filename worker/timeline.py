"""The timeline: what happened to a run as a whole, and when."""

from collections import deque
from dataclasses import dataclass

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, `at` a time in ISO 8601."""

    at: str
    event: str


class Timeline:
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
    def events(self) -> list[Event]:
        """What is kept, in its order, and how many are not."""
        between = [Event(self._left_out_at, f"{self._left_out} events left out")] if self._left_out else []
        return [*self._first, *between, *self._latest]
