"""The service's clock: this machine's, corrected by what the service's answers say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

# The Date of an answer is whole seconds and was written some time ago: a smaller difference says nothing.
_NOTICEABLE = timedelta(seconds=2)
_EARLIEST, _LATEST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class ServiceClock:
    """Time by the service's clock, in UTC.

    `wall` is this machine's clock, `monotonic` counts seconds, `sleep` waits for some: injected, so that every rule
    about time can be proved without waiting for it.
    """

    def __init__(
        self, wall: Callable[[], datetime], monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self.sleep = sleep
        self._offset = timedelta()
        self._last: datetime | None = None

    @property
    def offset(self) -> timedelta:
        """How far the service is ahead of this machine; zero where they agree within 2 s."""
        return self._offset

    def correct(self, date: datetime | None) -> None:
        """Learn from the Date of an answer that has just come, unless nobody's clock can be that wrong."""
        if date is not None and _EARLIEST < date < _LATEST:
            offset = date - self._wall()
            if abs(offset - self._offset) > _NOTICEABLE:
                self._offset = offset if abs(offset) > _NOTICEABLE else timedelta()

    def now(self) -> datetime:
        """The moment to sign with."""
        return self._wall() + self._offset

    def stamp(self) -> datetime:
        """The moment to write into a record: it never goes back, whatever the clocks do."""
        now = self.now()
        self._last = now if self._last is None else max(now, self._last)
        return self._last
