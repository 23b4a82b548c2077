"""The few of many: the greatest by some measure, kept in bounded memory."""

from heapq import heappush, heappushpop
from typing import Generic, TypeVar

T = TypeVar("T")


class Greatest(Generic[T]):
    """The `most` items with the greatest measures; of equals those that came first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._met = 0
        self._heap: list[tuple[float, int, T]] = []

    def offer(self, measure: float, item: T) -> None:
        """Take in an item, if it belongs to the greatest so far."""
        if len(self._heap) < self._most:
            self._met += 1
            heappush(self._heap, (measure, -self._met, item))
        elif self._heap and measure > self._heap[0][0]:
            self._met += 1
            heappushpop(self._heap, (measure, -self._met, item))

    @property
    def items(self) -> list[T]:
        """What was kept, the greatest first."""
        return [item for _, _, item in sorted(self._heap, key=lambda one: one[:2], reverse=True)]
