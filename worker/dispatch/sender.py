"""The sender: one request to its verdict. Each attempt waits for the throttle, is signed anew, sent and judged."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

import msgspec
from tenacity import AsyncRetrying, retry_if_result

from worker.dispatch.clock import ServiceClock
from worker.dispatch.outage import Outage
from worker.dispatch.policy import RetryBudget, RetryPolicy
from worker.dispatch.stopping import Reason, Stop
from worker.dispatch.throttle import Lane, Throttle
from worker.oss.answer import Answer
from worker.oss.codes import CREDENTIAL_CODES, NO_KEY, Remedy
from worker.oss.request import Request
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, Unconfirmed

T = TypeVar("T")
Sign = Callable[[Request, Credentials, datetime], Request]
Send = Callable[[Request], Awaitable[Answer | Failure]]
Tell = Callable[[Request, Failure, int], None]


class Keys(Protocol):
    """The one key of a run, whatever renews it."""

    def at_hand(self) -> Credentials | None:
        """The key to sign with now, where nothing has to be waited for or begun to have it."""

    async def get(self) -> Credentials | Failure:
        """The key to sign with now, or why there is none: that is an outage, and no fault of a request."""

    def holds(self, key: Credentials) -> bool:
        """Whether a key is the one in use."""

    async def renew(self, refused: Credentials) -> bool | Failure:
        """Look for another key than one that the service refuses; whether there is one, or why nobody knows."""


class Urgency(Enum):
    """What a request waits for, before each of its attempts."""

    USUAL = auto()  # a stop cuts the waiting short, and a pause is waited for
    FINISHING = auto()  # belongs to work that was begun: a stop cuts it short only where nobody answers
    COMPLETING = auto()  # belongs to a request that was answered: it waits for no pause either


@dataclass(frozen=True, slots=True)
class Signer:
    """With which key requests are signed, and in which way."""

    keys: Keys
    sign: Sign


class Outcome(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """What became of a request: its verdict, and what it took to get there."""

    verdict: T | Failure
    attempts: int
    tries: dict[str, int]
    touched: bool
    duration_s: float


class Attempts(msgspec.Struct, gc=False):
    """What has been tried for one request, or for several that make one task, and the decision whether to try again.

    `sent_s` is when the first attempt was granted: waiting for the throttle is nobody's fault. `began_s` is the same
    moment, and `now_s` another, by a clock that stands still while the run is paused. An attempt that found no key sent
    nothing, and is none of those `made`.
    """

    policy: RetryPolicy
    sent_s: float | None = None
    began_s: float = 0.0
    made: int = 0
    counted: int = 0
    uncounted: int = 0
    touched: bool = False
    tries: dict[str, int] = {}
    granted_once: set[Remedy] = set()

    def begin(self, monotonic_s: float, now_s: float) -> None:
        """An attempt was granted: the first, or another one."""
        if self.sent_s is None:
            self.sent_s, self.began_s = monotonic_s, now_s

    def lasted_s(self, monotonic_s: float) -> float:
        """How long it has been since the first attempt."""
        return 0.0 if self.sent_s is None else monotonic_s - self.sent_s

    def call_for_another(self, failure: Failure, now_s: float) -> bool:
        """Take in a failure, and decide."""
        if failure.code != NO_KEY:
            self.tries[failure.code] = self.tries.get(failure.code, 0) + 1
            self.touched = self.touched or not failure.declined
        # Sooner than the service asks is of no use, later than the deadline of none either.
        if now_s + failure.retry_after_s - self.began_s >= self.policy.task_deadline_s:
            return False
        match failure.remedy:
            case Remedy.NONE:
                return False
            case Remedy.WAIT:
                self.uncounted += 1
                return self.policy.waits
            case (Remedy.CLOCK | Remedy.REFRESH | Remedy.FREE) as remedy if remedy not in self.granted_once:
                self.granted_once.add(remedy)
                return True
            case Remedy.CLOCK | Remedy.REFRESH:
                return False
            case Remedy.RETRY | Remedy.FREE:
                self.counted += 1
                return self.counted < self.policy.max_attempts

    def delay_s(self, failure: Failure, fraction: float, budget_s: float, now_s: float) -> float:
        """How long to wait before the next attempt: full jitter over a doubling bound, or as service and budget ask."""
        failed = self.counted + self.uncounted
        if not failed:  # nothing but what is granted once
            return 0.0
        exponent = min(failed, 64) - 1  # 2.0**63 is far over any bound
        bound = min(self.policy.max_delay_s, self.policy.base_delay_s * 2.0**exponent)
        wanted = max(bound * fraction, failure.retry_after_s, budget_s)
        return max(0.0, min(wanted, self.began_s + self.policy.task_deadline_s - now_s))


class Sender:
    """Sends requests of all kinds, on two lanes of one throttle, and none but probes while there is an outage.

    `rng` makes the jitter; `tell` hears of every attempt that failed and will be made again, and how many were made.
    """

    def __init__(  # noqa: PLR0913 - all that an attempt needs is handed in, so that every rule is proved without a network
        self,
        send: Send,
        signer: Signer,
        *,
        throttle: Throttle,
        policy: RetryPolicy,
        outage: Outage,
        clock: ServiceClock,
        stop: Stop,
        rng: random.Random,
        tell: Tell,
    ) -> None:
        self._send = send
        self._keys = signer.keys
        self._sign = signer.sign
        self._throttle = throttle
        self._policy = policy
        self._budget = RetryBudget(throttle.requests_per_second)
        self._outage = outage
        self._clock = clock
        self._stop = stop
        self._rng = rng
        self._tell = tell
        self._date: datetime | None = None

    def attempts(self, *, patient: bool = True) -> Attempts:
        """None yet. `patient` False: who asks decides when to try again."""
        return Attempts(self._policy if patient else self._policy.impatient)

    async def call(
        self,
        request: Request,
        judge: Callable[[Answer], T | Failure],
        lane: Lane = Lane.CONTROL,
        source_bytes: int | None = 0,
        *,
        confirm: Callable[[Unconfirmed], Awaitable[T | Failure]] | None = None,
        urgency: Urgency = Urgency.USUAL,
        attempts: Attempts | None = None,
    ) -> Outcome[T]:
        """Send until the verdict stands: a success, a permanent failure, or no patience left.

        `confirm` looks at what an answer without a body leaves open, as part of the attempt. `attempts` are those that
        the same task has had before: they count as if they were of this request, and the outcome tells of all.

        Raises:
            Cut: The run was stopped while this request waited for its turn.
        """
        tried = attempts or self.attempts()

        async def attempt() -> T | Failure:
            key: Credentials | Failure | None = None
            granted_s: float | None = None
            try:
                # Mostly there is nothing to wait for, and so nothing that a stop could cut short.
                at_once = not (self._stop.reason or self._outage.paused)
                if at_once and await self._throttle.acquired(lane, source_bytes):
                    granted_s = self._clock.monotonic()
                    key = self._keys.at_hand()
                else:
                    with self._cuts(urgency):
                        await self._wait_for_turn(lane, source_bytes, urgency)
                        granted_s = self._clock.monotonic()
                tried.begin(granted_s, self._outage.running_s())
                if key is None:
                    with self._cuts(urgency):
                        key = await self._keys.get()
                if isinstance(key, Failure):
                    verdict: T | Failure = key
                else:
                    verdict = await self._attempt(request, judge, key, tried)
                failure = verdict if isinstance(verdict, Failure) else None
            except BaseException:
                if granted_s is not None:
                    self._throttle.release(lane)
                raise
            gave_way = self._throttle.hear(lane, failure, granted_s)
            if isinstance(key, Credentials) and failure is not None and failure.code in CREDENTIAL_CODES:
                with self._cuts(urgency):
                    verdict = failure = await self._with_another_key(failure, key)
            if not gave_way:  # as long as fewer requests may help, none need to pause
                self._outage.hear(request, failure)
            return await confirm(verdict) if confirm and isinstance(verdict, Unconfirmed) else verdict

        # tenacity costs more than all the rest of an attempt: it is entered only where the first one has failed.
        verdict = await attempt()
        if isinstance(verdict, Failure) and self._wants_another(request, verdict, tried):
            verdict = await self._again(attempt, request, verdict, tried, urgency)
        duration_s = tried.lasted_s(self._clock.monotonic())
        return Outcome(verdict, tried.made, tried.tries, tried.touched, duration_s)

    async def _again(
        self,
        attempt: Callable[[], Awaitable[T | Failure]],
        request: Request,
        failure: Failure,
        attempts: Attempts,
        urgency: Urgency,
    ) -> T | Failure:
        """Attempt after attempt, the first one having failed."""

        def wants_another(verdict: object) -> bool:
            return isinstance(verdict, Failure) and self._wants_another(request, verdict, attempts)

        def wait_s(verdict: object) -> float:
            if not isinstance(verdict, Failure):
                return 0.0
            budget_s = self._budget.wait_s(self._clock.monotonic())
            return attempts.delay_s(verdict, self._rng.random(), budget_s, self._outage.running_s())

        async def sleep(seconds: float) -> None:
            with self._cuts(urgency):
                await self._clock.sleep(seconds)

        await sleep(wait_s(failure))
        retrying = AsyncRetrying(
            sleep=sleep,
            wait=lambda state: wait_s(state.outcome and state.outcome.result()),
            retry=retry_if_result(wants_another),
        )
        return await retrying(attempt)

    def _cuts(self, urgency: Urgency) -> AbstractContextManager[None]:
        # What was begun is not finished where nobody answers: a stop would wait for that in vain.
        is_vain = urgency is Urgency.FINISHING and (self._outage.paused or self._stop.reason is Reason.OUTAGE)
        return self._stop.cuts() if urgency is Urgency.USUAL or is_vain else nullcontext()

    async def _wait_for_turn(self, lane: Lane, source_bytes: int | None, urgency: Urgency) -> None:
        probes = urgency is Urgency.COMPLETING or await self._outage.passed()
        await self._throttle.acquire(lane, source_bytes)
        while self._outage.paused and not probes:
            # It began while this request waited for its grant, which will be too old when it is over.
            self._throttle.release(lane)
            probes = await self._outage.passed()
            await self._throttle.acquire(lane, source_bytes)

    async def _attempt(
        self, request: Request, judge: Callable[[Answer], T | Failure], key: Credentials, attempts: Attempts
    ) -> T | Failure:
        attempts.made += 1
        # Signed after the wait: a signature ages, and a retry may have corrected the clock.
        answer = await self._send(self._sign(request, key, self._clock.second()))
        if isinstance(answer, Failure):
            return answer
        # Those of a second tell the same, in one object. Without a name it is the answer of something in between.
        if (date := answer.date) is not self._date and answer.request_id:
            self._clock.correct(date)
            self._date = date
        return judge(answer)

    async def _with_another_key(self, refusal: Failure, key: Credentials) -> Failure:
        """What a refusal of the key calls for: another one, where there is one."""
        if not self._keys.holds(key):  # renewed while the request was on its way: says nothing about the new one
            return replace(refusal, remedy=Remedy.RETRY)
        renewed = await self._keys.renew(key)
        if isinstance(renewed, Failure):
            return renewed
        return replace(refusal, remedy=Remedy.REFRESH) if renewed else refusal

    def _wants_another(self, request: Request, failure: Failure, attempts: Attempts) -> bool:
        if not attempts.call_for_another(failure, self._outage.running_s()):
            return False
        self._tell(request, failure, attempts.made)
        return True
