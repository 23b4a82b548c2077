"""Adaptive limits: of requests in flight, requests and bytes per second. They give way to the service, and recover.

Additive increase, multiplicative decrease, as TCP does (RFC 5681, 3.1), on throttling answers and timeouts only: what
else goes wrong says nothing of too many requests.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.batch.limits import Limits as Share
from worker.oss.codes import Excess
from worker.oss.verdict import Failure

_DECREASE = 0.7
_FIRST = 8
# What was too much last time is not tried again at once, so that most of the time is spent at what is possible: for so
# long, and for so many windows or as many as it takes to come back, whichever is more.
_PATIENCE_S = 10.0
_PATIENT_WINDOWS = 12
# Answers take times that vary, and so does what is in flight at the service: where requests have to cross a network, to
# never be declined would leave a third of the service idle. So many are no crowd: this part of the answers, and of a
# window at once. Below eight in flight that is none.
_TOLERATED = 0.02
_TOLERATED_AT_ONCE = 1 / 8
_RECOVERY_PER_S = 0.02  # of the whole rate
_LEAST_RATE = 0.05  # of the whole rate

Tell = Callable[[str], None]


@dataclass(slots=True)
class InFlightLimit:
    """How many requests may be in flight: begins low, grows by one for each full window while it binds.

    A window is as many answers as the limit allows at once. `most` is never passed; with `adaptive` False it always
    holds. `tell` hears of each decrease, and of the end of all of them. Who has taken a slot counts `in_flight` down.
    """

    most: int
    adaptive: bool
    tell: Tell
    limit: int = field(init=False)
    in_flight: int = 0
    _answers: int = 0
    _bound: bool = False
    _declined: float = 0.0
    _too_much: float = math.inf
    _decreased_at_s: float = -math.inf

    def __post_init__(self) -> None:
        self.limit = min(_FIRST, self.most) if self.adaptive else self.most

    @property
    def gave_way(self) -> bool:
        """Whether it was decreased, and has not come back yet."""
        return self.limit < self.most and self._decreased_at_s > -math.inf

    def is_full(self) -> bool:
        """Whether all slots are taken, and somebody wants one: then it is known that the limit binds."""
        if self.in_flight < self.limit:
            return False
        self._bound = True
        return True

    def take(self) -> bool:
        """Take a slot for a request, if there is one."""
        if self.is_full():
            return False
        self.in_flight += 1
        return True

    def grow(self, now_s: float) -> None:
        """An answer came that is nothing against more requests; a whole window of them is for one more."""
        self._answers += 1
        if self._declined:
            self._declined = max(0.0, self._declined - _TOLERATED)
        if self._answers < self.limit:
            return
        patient = self.limit + 1 >= self._too_much
        if patient:
            windows = max(_PATIENT_WINDOWS, round(self.limit * (1 - _DECREASE)))
            if self._answers < self.limit * windows or now_s - self._decreased_at_s < _PATIENCE_S:
                return
        if self._bound and self.limit < self.most:
            self.limit += 1
            if patient:  # what was too much is none any more, it seems
                self._too_much = math.inf
            if self.limit == self.most:
                self.tell(f"{self.limit} in flight: all that is allowed")
        self._answers, self._bound = 0, False

    def give_way(self, code: str, sent_at_s: float, now_s: float) -> bool:
        """A request that was sent at `sent_at_s` was one too many. Whether that is met: now, before, or if it lasts."""
        if not self.adaptive:
            return False
        # What was sent before the last decrease tells of the same crowd.
        if sent_at_s < self._decreased_at_s:
            return True
        if self.limit == 1:
            return False
        self._declined += 1
        if self._declined <= self.limit * _TOLERATED_AT_ONCE:
            return True
        # What was in flight was too much, not what might have been.
        before = self.limit if self._bound else min(self.limit, max(1, self.in_flight))
        self.limit = max(1, round(before * _DECREASE))
        self._too_much, self._decreased_at_s = before, now_s
        self._answers, self._bound, self._declined = 0, False, 0.0
        self.tell(f"{code}: {before} -> {self.limit} in flight")
        return True


@dataclass(slots=True)
class RateLimit:
    """So much a second of a `unit`: `most`, less after each answer that says it was too much, and slowly back."""

    most: float
    unit: str
    adaptive: bool
    tell: Tell
    gave_way: bool = False
    _rate: float = 0.0
    _decreased_at_s: float = -math.inf

    def at(self, now_s: float) -> float:
        """How much a second at this moment."""
        if self.gave_way:
            rate = self._rate + (now_s - self._decreased_at_s) * _RECOVERY_PER_S * self.most
            if rate < self.most:
                return rate
            self.gave_way = False
            self.tell(f"{self.most:.3g} {self.unit} per second: all that is allowed")
        return self.most

    def give_way(self, code: str, sent_at_s: float, now_s: float) -> bool:
        """A request that was sent at `sent_at_s` was one too many. Whether that is met, here or before."""
        if not self.adaptive:
            return False
        if sent_at_s < self._decreased_at_s:
            return True
        before, least = self.at(now_s), self.most * _LEAST_RATE
        self._rate, self._decreased_at_s, self.gave_way = max(before * _DECREASE, least), now_s, True
        if before * _DECREASE < least:  # as slow as it can be, and still too fast
            return False
        self.tell(f"{code}: {before:.3g} -> {self._rate:.3g} {self.unit} per second")
        return True


@dataclass(frozen=True, slots=True)
class Limits:
    """The three limits of what is sent."""

    in_flight: InFlightLimit
    requests: RateLimit
    megabytes: RateLimit

    def hear(self, failure: Failure | None, sent_at_s: float, now_s: float, *, slot: bool) -> bool:
        """Take in what became of an attempt; `slot`: it was one of those in flight.

        Returns: Whether a limit has given way to it. If not, and it was declined, fewer requests would not help.
        """
        if failure is None or failure.excess is None:
            if slot and (failure is None or failure.http):
                self.in_flight.grow(now_s)
            return False
        match failure.excess:
            case Excess.AT_ONCE:
                return slot and self.in_flight.give_way(failure.code, sent_at_s, now_s)
            case Excess.REQUESTS:
                return self.requests.give_way(failure.code, sent_at_s, now_s)
            case Excess.BYTES:
                return self.megabytes.give_way(failure.code, sent_at_s, now_s)

    def now(self, now_s: float) -> Share:
        """What they allow at this moment."""
        return Share(self.requests.at(now_s), self.megabytes.at(now_s), self.in_flight.limit)

    @property
    def most(self) -> Share:
        """What they never pass."""
        return Share(self.requests.most, self.megabytes.most, self.in_flight.most)

    def held(self, now_s: float) -> list[str]:
        """Which limits have given way and not come back yet, in words."""
        found = []
        if self.in_flight.gave_way:
            found.append(f"{self.in_flight.limit} of {self.in_flight.most} in flight")
        for each in (self.requests, self.megabytes):
            rate = each.at(now_s)
            if each.gave_way:
                found.append(f"{rate:.3g} of {each.most:.3g} {each.unit} per second")
        return found


def limits_of(
    requests_per_second: float, source_mb_per_second: float, concurrency: int, tell: Tell, *, adaptive: bool
) -> Limits:
    """The limits that the settings name; `tell` hears of each change of them."""
    return Limits(
        InFlightLimit(concurrency, adaptive, tell),
        RateLimit(requests_per_second, "requests", adaptive, tell),
        RateLimit(source_mb_per_second, "MB", adaptive, tell),
    )
