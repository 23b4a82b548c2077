"""The pace of a run: what it does in a second, by how far it was a while ago."""

from collections import deque
from collections.abc import Callable

from worker.snapshot import Snapshot

_BYTES_PER_MB = 1_000_000
# What is shown as a rate, and what the time that is left goes by: that need not be new, it has to be steady.
_RATE_S = 10.0
_STEADY_S = 60.0


class Pace:
    """What is known by the snapshots of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[Snapshot] = deque()

    def see(self, now: Snapshot) -> None:
        """Take in a snapshot, later than all before."""
        self._seen.append(now)
        while len(self._seen) > 2 and self._seen[1].elapsed_s <= now.elapsed_s - _STEADY_S:
            self._seen.popleft()

    @property
    def requests_per_s(self) -> float:
        """Requests of all kinds."""
        return self._per_s(lambda then: then.flow.sent, _RATE_S)

    @property
    def tasks_per_s(self) -> float:
        """Tasks that came to an outcome."""
        return self._per_s(lambda then: then.done, _RATE_S)

    @property
    def source_mb_per_s(self) -> float:
        """Sources of saved tasks, in MB."""
        return self._per_s(lambda then: then.source_bytes, _RATE_S) / _BYTES_PER_MB

    @property
    def left_s(self) -> float | None:
        """How long it will go on if it goes on so; None while nobody knows."""
        now = self._seen[-1]
        per_s = self._per_s(lambda then: then.done, _STEADY_S)
        return (now.total - now.done) / per_s if now.total is not None and per_s else None

    def part_per_s(self, number: int) -> float:
        """Tasks of one process that came to an outcome."""

        def done(then: Snapshot) -> int:
            return then.parts[number].done if number < len(then.parts) else 0

        return self._per_s(done, _RATE_S)

    def _per_s(self, value: Callable[[Snapshot], float], window_s: float) -> float:
        now = self._seen[-1]
        then = next(one for one in self._seen if one is now or one.elapsed_s >= now.elapsed_s - window_s)
        took_s = now.elapsed_s - then.elapsed_s
        # A process that was killed has told of more than it had recorded: no pace goes backwards.
        return max(0.0, value(now) - value(then)) / took_s if took_s else 0.0
