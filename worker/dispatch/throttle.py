"""The throttle: requests per second and source bytes per second, granted one at a time, control before work."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum

from asyncio_throttle.throttler import Throttler

_BYTES_PER_MB = 1_000_000
# What image processing reads at most, and that by ticket only: a larger source is refused unread.
_MOST_BYTES = 200.0 * _BYTES_PER_MB
# A window of 1/20 s keeps the worst second at 1.05 R + 1; below 20/s the window holds one grant.
_WINDOWS_PER_SECOND = 20
# Above this rate, waking at the exact moment costs more than looking every millisecond.
_EXACT_BELOW = 1000
_SHORTEST_SLEEP_S = 0.001
# asyncio-throttle frees a grant when it is *older* than the period: waking at the very moment would be too early.
_MARGIN_S = 0.0005


class Lane(StrEnum):
    """Who asks: the results log, listings and HEAD go before the work that depends on them."""

    CONTROL = "control"
    WORK = "work"


class Throttle:
    """Grants requests at most at `requests_per_second`, and source bytes at most at `source_mb_per_second`.

    A grant that was not used in time is not made up for later by a burst. `monotonic` is a clock in seconds, `sleep`
    waits for some.
    """

    def __init__(
        self,
        requests_per_second: float,
        source_mb_per_second: float,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        limit = max(1, int(requests_per_second // _WINDOWS_PER_SECOND))
        self._throttler = Throttler(rate_limit=limit, period=limit / requests_per_second)
        self._exact = requests_per_second < _EXACT_BELOW
        self.requests_per_second = requests_per_second
        self._limit = limit
        self._grants: deque[float] = deque(maxlen=limit)
        self._bytes_per_s = source_mb_per_second * _BYTES_PER_MB
        self._bytes_free_at = 0.0
        self._sizes_total, self._sizes_count = 0.0, 0
        self._monotonic = monotonic
        self._sleep = sleep
        # One waiter at a time stands before asyncio-throttle: each of its waiters polls.
        self._gate = asyncio.Lock()
        self._work = asyncio.Lock()
        self._waiting = 0
        self._control_waiting = 0
        self._no_control = asyncio.Event()
        self._no_control.set()

    @property
    def is_holding(self) -> bool:
        """Whether the next picture has to wait for the bytes of those before it."""
        return self._bytes_free_at > self._monotonic()

    async def acquired(self, lane: Lane, source_bytes: int | None = 0) -> bool:
        """Take a grant if there is one and nobody waits for it; never waits itself. False: nothing was taken."""
        now = self._monotonic()
        if self._waiting or (lane is Lane.WORK and self._bytes_free_at > now):
            return False
        if len(self._grants) == self._limit and now - self._grants[0] <= self._throttler.period:
            return False
        if lane is Lane.WORK:
            self._take_bytes(self._size(source_bytes), now)
        # Our own grants are younger than those that asyncio-throttle knows of: where they are free, it does not sleep.
        await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no annotation here
        self._grants.append(self._monotonic())
        return True

    async def acquire(self, lane: Lane, source_bytes: int | None = 0) -> None:
        """Wait for a grant. `source_bytes` of unknown size (None) count as the mean of those known so far."""
        self._waiting += 1
        try:
            if lane is Lane.CONTROL:
                await self._acquire_control()
            else:
                await self._acquire_work(source_bytes)
        finally:
            self._waiting -= 1

    async def _acquire_work(self, source_bytes: int | None) -> None:
        async with self._work:
            await self._wait_for_bytes(source_bytes)
            while True:
                await self._no_control.wait()
                async with self._gate:
                    if self._control_waiting:
                        continue
                    await self._grant()
                    return

    async def _acquire_control(self) -> None:
        self._control_waiting += 1
        self._no_control.clear()
        try:
            async with self._gate:
                await self._grant()
        finally:
            self._control_waiting -= 1
            if not self._control_waiting:
                self._no_control.set()

    async def _grant(self) -> None:
        self._throttler.retry_interval = self._until_free_s()
        await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no annotation here
        self._grants.append(self._monotonic())

    def _until_free_s(self) -> float:
        if not self._exact or len(self._grants) < self._limit:
            return _SHORTEST_SLEEP_S
        period: float = self._throttler.period
        remaining = self._grants[0] + period - self._monotonic()
        return max(_SHORTEST_SLEEP_S, remaining + _MARGIN_S)

    async def _wait_for_bytes(self, source_bytes: int | None) -> None:
        size = self._size(source_bytes)
        now = self._monotonic()
        if self._bytes_free_at > now:
            await self._sleep(self._bytes_free_at - now)
        self._take_bytes(size, self._monotonic())

    def _size(self, source_bytes: int | None) -> float:
        if source_bytes is None:
            return self._sizes_total / self._sizes_count if self._sizes_count else 0.0
        size = min(float(source_bytes), _MOST_BYTES)
        self._sizes_total += size
        self._sizes_count += 1
        return size

    def _take_bytes(self, size: float, now: float) -> None:
        self._bytes_free_at = max(now, self._bytes_free_at) + size / self._bytes_per_s
