"""The service's clock: this machine's, corrected by what the service's answers say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

# The Date of an answer is whole seconds and was written some time ago: a smaller difference says nothing.
_NOTICEABLE_S = 2
_EARLIEST, _LATEST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class ServiceClock:
    """Time by the service's clock, in UTC.

    `wall` is this machine's clock in seconds since 1970, `monotonic` counts seconds, `sleep` waits for some: injected,
    so that every rule about time can be proved without waiting for it.
    """

    def __init__(
        self, wall: Callable[[], float], monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self.sleep = sleep
        self._offset_s = 0.0
        self._second = datetime.fromtimestamp(0, UTC)
        self._second_s = 0
        self._stamp_ms = 0

    @property
    def offset(self) -> timedelta:
        """How far the service is ahead of this machine; zero where they agree within 2 s."""
        return timedelta(seconds=self._offset_s)

    def correct(self, date: datetime | None) -> None:
        """Learn from the Date of an answer that has just come, unless nobody's clock can be that wrong."""
        if date is not None and _EARLIEST < date < _LATEST:
            offset_s = date.timestamp() - self._wall()
            if abs(offset_s - self._offset_s) > _NOTICEABLE_S:
                self._offset_s = offset_s if abs(offset_s) > _NOTICEABLE_S else 0.0

    def now(self) -> datetime:
        """This moment."""
        return datetime.fromtimestamp(self._wall() + self._offset_s, UTC)

    def second(self) -> datetime:
        """The second to sign with; the same object until it is over."""
        second_s = int(self._wall() + self._offset_s)
        if second_s != self._second_s:
            self._second, self._second_s = datetime.fromtimestamp(second_s, UTC), second_s
        return self._second

    def stamp(self) -> int:
        """The moment to write into a record, in milliseconds since 1970: it never goes back, whatever the clocks do."""
        now_ms = int((self._wall() + self._offset_s) * 1000)
        self._stamp_ms = max(self._stamp_ms, now_ms)
        return self._stamp_ms
