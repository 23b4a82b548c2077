"""The throttle: requests per second, source bytes per second and work in flight; control goes before work."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

from asyncio_throttle.throttler import Throttler

from worker.dispatch.adaptive import Limits
from worker.oss.verdict import Failure

_BYTES_PER_MB = 1_000_000
# What image processing reads at most, and that by ticket only: a larger source is refused unread.
_MOST_BYTES = 200.0 * _BYTES_PER_MB
# A window of 1/20 s keeps the worst second at 1.05 R + 1; below 20/s the window holds one grant.
_WINDOWS_PER_SECOND = 20
_SHORTEST_SLEEP_S = 0.001
# A rate that has given way recovers meanwhile.
_LOOK_AGAIN_S = 1.0
# asyncio-throttle frees a grant when it is *older* than the period: waking at the very moment would be too early.
_MARGIN_S = 0.0005


class Lane(StrEnum):
    """Who asks: the results log, listings and HEAD go before the work that depends on them."""

    CONTROL = "control"
    WORK = "work"


class Throttle:
    """Grants requests one at a time within limits: all of them so many a second, work also so many bytes and in flight.

    A grant that was not used in time is not made up for later by a burst, nor is one that a limit held back which had
    given way. `monotonic` is a clock in seconds, `sleep` waits for some.
    """

    def __init__(
        self, limits: Limits, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._slots = limits.in_flight
        self._requests = limits.requests
        self._megabytes = limits.megabytes
        self._limits = limits
        self.requests_per_second = limits.requests.most
        self._at_once = _at_once(self.requests_per_second)
        self._period = self._at_once / self.requests_per_second
        self._throttler = Throttler(rate_limit=self._at_once, period=self._period)
        self._grants: deque[float] = deque(maxlen=self._at_once)
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
        # Who waits for a slot, the first first; how many have one and wait for their grant.
        self._line: deque[asyncio.Future[None]] = deque()
        self._standing = 0

    @property
    def is_holding(self) -> bool:
        """Whether the next picture has to wait for the bytes of those before it."""
        return self._bytes_free_at > self._monotonic()

    async def acquired(self, lane: Lane, source_bytes: int | None = 0) -> bool:
        """Take a grant if there is one and nobody waits for it; never waits itself. False: nothing was taken."""
        now = self._monotonic()
        if self._waiting or self._until_free_s(now) >= 0:
            return False
        if lane is Lane.WORK:
            # Who was called has a slot, though it has not gone on yet.
            if self._line or self._standing or self._bytes_free_at > now or not self._slots.take():
                return False
            self._take_bytes(self._size(source_bytes), now)
        await self._grant_at_once()
        return True

    async def acquire(self, lane: Lane, source_bytes: int | None = 0) -> None:
        """Wait for a grant, to be released. `source_bytes` of unknown size (None) count as the mean of those known."""
        if lane is Lane.CONTROL:
            self._waiting += 1
            try:
                await self._acquire_control()
            finally:
                self._waiting -= 1
            return
        await self._stand()
        try:
            await self._acquire_work(self._size(source_bytes))
        finally:
            self._standing -= 1
            self._call_next()

    def hear(self, lane: Lane, failure: Failure | None, sent_at_s: float) -> bool:
        """Take in what became of a request, and release it: the limits go by that; see `Limits.hear`."""
        slot = lane is Lane.WORK
        gave_way = self._limits.hear(failure, sent_at_s, self._monotonic(), slot=slot)
        self.release(lane)
        return gave_way

    def release(self, lane: Lane) -> None:
        """What was granted is not in flight any more, or never was; nothing is known of it."""
        if lane is Lane.WORK:
            self._slots.in_flight -= 1
            self._call_next()

    async def _stand(self) -> None:
        """Wait for a slot: whoever stands for a grant has one, so that no more do than may be in flight."""
        if not self._line and self._slots.in_flight + self._standing < self._slots.limit:
            self._standing += 1
            return
        called = asyncio.get_running_loop().create_future()
        self._line.append(called)
        try:
            await called
        except BaseException:
            if called.cancelled():
                with suppress(ValueError):  # left out already by whoever was called in its place
                    self._line.remove(called)
            else:  # called, and cut off in the same step
                self._standing -= 1
                self._call_next()
            raise

    def _call_next(self) -> None:
        """Call as many as there are slots for, all in this step: one a step would leave slots empty."""
        while self._line and self._slots.in_flight + self._standing < self._slots.limit:
            called = self._line.popleft()
            if not called.done():
                self._standing += 1
                called.set_result(None)

    async def _acquire_work(self, size: float) -> None:
        now = self._monotonic()
        if not self._waiting and self._until_free_s(now) < 0 and self._bytes_free_at <= now:
            await self._grant_at_once()
        else:
            self._waiting += 1
            try:
                async with self._work:
                    if (wait_s := self._bytes_free_at - self._monotonic()) > 0:
                        await self._sleep(wait_s)
                    await self._after_control()
            finally:
                self._waiting -= 1
        # By the time of the grant: bytes that another limit held back are not made up for, either.
        self._take_bytes(size, self._grants[-1])
        self._slots.in_flight += 1
        if self._line:
            self._slots.is_full()

    async def _grant_at_once(self) -> None:
        # Our own grants are younger than those that asyncio-throttle knows of: where they are free, it does not sleep.
        await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the library has no annotation here
        self._grants.append(self._monotonic())

    async def _after_control(self) -> None:
        while True:
            await self._no_control.wait()
            async with self._gate:
                if not self._control_waiting:
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
        # Sleeps end a little early at times: where asyncio-throttle slept, it would then sleep as long again.
        while (wait_s := self._until_free_s(self._monotonic())) >= 0:
            wait_s = max(_SHORTEST_SLEEP_S, wait_s + _MARGIN_S)
            await self._sleep(min(_LOOK_AGAIN_S, wait_s) if self._requests.gave_way else wait_s)
        await self._grant_at_once()

    def _until_free_s(self, now: float) -> float:
        """How long it is until the next grant is free; less than 0 where it is."""
        count, period = self._at_once, self._period
        if self._requests.gave_way:
            rate = self._requests.at(now)
            count = _at_once(rate)
            period = count / rate
        if len(self._grants) < count:
            return -1.0
        return period - (now - self._grants[-count])  # as asyncio-throttle reckons, to the last bit

    def _size(self, source_bytes: int | None) -> float:
        if source_bytes is None:
            return self._sizes_total / self._sizes_count if self._sizes_count else 0.0
        size = min(float(source_bytes), _MOST_BYTES)
        self._sizes_total += size
        self._sizes_count += 1
        return size

    def _take_bytes(self, size: float, now: float) -> None:
        rate = self._megabytes.at(now) * _BYTES_PER_MB
        self._bytes_free_at = max(now, self._bytes_free_at) + size / rate


def _at_once(rate: float) -> int:
    """How many grants a window holds, which is as long as they may take."""
    return max(1, int(rate // _WINDOWS_PER_SECOND))
