"""The outage: while the service is down or declines everything, all requests pause but for a probe now and then."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from worker.dispatch.policy import RetryPolicy
from worker.oss.codes import Remedy
from worker.oss.request import Request
from worker.oss.verdict import Failure

# So many distinct requests that fail in a row, and no answer between, are the service's trouble, not theirs.
MANY = 8


class Outage:
    """Notices an outage by what is heard of each attempt, pauses, probes, and gives up after the deadline of a task.

    `threshold` distinct requests in a row, declined or without a connection, begin the pause; any other answer ends it.
    Probes go one by one, each another request, after the policy's delays. `tell` hears of the pause and of its end;
    `give_up` is called with the reason once it has lasted for longer than a task may take. `place` says where a
    request has failed.
    """

    def __init__(
        self,
        threshold: int,
        policy: RetryPolicy,
        monotonic: Callable[[], float],
        tell: Callable[[str], None],
        give_up: Callable[[str], None],
        place: Callable[[Request, Failure], str] = lambda _request, _failure: "",
    ) -> None:
        self._threshold = threshold
        self._policy = policy
        self._monotonic = monotonic
        self._tell = tell
        self._give_up = give_up
        self._place = place
        self._failing: set[tuple[object, ...]] = set()
        self._since_s: float | None = None
        self._paused_s = 0.0
        self._delay_s = policy.base_delay_s
        self._probe_at_s = 0.0
        self._reason = ""
        self._over = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def paused(self) -> bool:
        """Whether requests wait for the service to come back."""
        return self._since_s is not None

    def running_s(self) -> float:
        """A clock in seconds that stands still while paused: what deadlines of requests go by."""
        now = self._monotonic()
        return (now if self._since_s is None else self._since_s) - self._paused_s

    def hear(self, request: Request, failure: Failure | None) -> None:
        """Take in what became of an attempt."""
        if failure is not None and failure.remedy is Remedy.WAIT:
            if not self.paused:
                # Not the request itself, which may hold a picture.
                self._failing.add((request.method, request.bucket, request.key, request.query, request.body))
                if len(self._failing) >= self._threshold:
                    self._begin(request, failure)
        elif failure is None or failure.http:
            if self._failing:
                self._failing.clear()
            if self.paused:
                self._end()
        # A connection that broke, or an answer that did not come in time, says nothing of the service as a whole.

    async def passed(self) -> bool:
        """Wait until a request may be sent: False where there is no outage (any more), True where it is a probe."""
        while self._since_s is not None:
            async with self._turn:
                if await self._may_probe():
                    return True
        return False

    def _begin(self, request: Request, failure: Failure) -> None:
        self._since_s = self._monotonic()
        self._delay_s = self._policy.base_delay_s
        self._probe_at_s = self._since_s + self._delay_s
        self._reason = f"{self._place(request, failure)}{failure.code}: {failure.message}"
        self._over.clear()
        count = len(self._failing)
        self._tell(f"paused: the last {count} requests failed alike; probing until it is over; {self._reason}")

    def _end(self) -> None:
        assert self._since_s is not None
        lasted_s = self._monotonic() - self._since_s
        self._paused_s += lasted_s
        self._since_s = None
        self._over.set()
        self._tell(f"going on after a pause of {lasted_s:.1f} s")

    async def _may_probe(self) -> bool:
        """Wait for the next probe's time; False if there is no outage any more."""
        if self._since_s is None:
            return False
        since_s = self._since_s
        until_s = min(self._probe_at_s, since_s + self._policy.task_deadline_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(until_s - self._monotonic()):
                await self._over.wait()
        if not self.paused:
            return False
        now_s = self._monotonic()
        if now_s - since_s >= self._policy.task_deadline_s:
            self._give_up(f"paused for {now_s - since_s:.0f} s, and still {self._reason}")
        self._delay_s = min(2 * self._delay_s, self._policy.max_delay_s)
        # Whatever becomes of this probe, the next is another request's, later.
        self._probe_at_s = now_s + self._delay_s
        return True
