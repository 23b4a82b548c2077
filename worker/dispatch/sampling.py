"""Sampling: which of many events are told, so that a flood of one kind drowns no other."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from worker.batch.figures import OTHERS

_MOST = 5
_WINDOW_S = 60.0
_MOST_KINDS = 100


@dataclass(slots=True)
class _Kind:
    begun_s: float = -math.inf
    told: int = 0
    left_out: int = 0


class Sampling:
    """Of each kind so many are told in a minute; how many were left out is known with the next one that is told."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kinds: dict[str, _Kind] = {}

    def take(self, name: str) -> int | None:
        """One more of a kind: how many were left out before it, or None where it is left out itself."""
        kind = self._kinds.get(name)
        if kind is None:
            # Names may come from outside: those beyond so many are one kind.
            kind = self._kinds.setdefault(name if len(self._kinds) < _MOST_KINDS else OTHERS, _Kind())
        now_s = self._monotonic()
        if now_s - kind.begun_s >= _WINDOW_S:
            kind.begun_s, kind.told = now_s, 0
        if kind.told >= _MOST:
            kind.left_out += 1
            return None
        kind.told += 1
        left_out, kind.left_out = kind.left_out, 0
        return left_out

    def rest(self) -> Iterator[tuple[str, int]]:
        """How many were left out of each kind since one was told."""
        for name, kind in self._kinds.items():
            if kind.left_out:
                yield name, kind.left_out
                kind.left_out = 0
