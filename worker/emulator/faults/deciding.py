"""The decision which faults a request meets. It knows no clock and no network: both are given."""

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from worker.emulator.faults.rules import Fault, Rule

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as far as faults depend on it. `draws`: it processes a picture, of `source_bytes`."""

    operation: str
    bucket: str
    key: str
    draws: bool = False
    source_bytes: int = 0
    has_token: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request. `rule` is the fault that takes the place of its answer, or spoils it.

    `drawing` are the CPU limits that count this request until it is ended.
    """

    delay_s: float = 0.0
    skew_s: float = 0.0
    rule: Rule | None = None
    drawing: tuple[int, ...] = ()


class Faults:
    """The rules of one server and what they remember. The same seed and requests meet the same faults.

    All rules that strike a request add to its delay and skew; the first other one decides what becomes of it.
    """

    def __init__(self, rules: Iterable[Rule] = (), seed: int = 0) -> None:
        self._rules: list[Rule] = []
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._counts: Counter[tuple[int, str, str]] = Counter()
        self._windows: list[_Window] = []
        self._drawing: Counter[int] = Counter()
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        """Add a rule; it counts requests from here on."""
        # The window first: a request in another thread must not find a rule without one.
        self._windows.append(_Window(rule.limit if rule.fault is Fault.QPS_LIMIT else rule.limit * _MEGABYTE))
        self._rules.append(rule)

    @property
    def measure_sources(self) -> bool:
        """Whether any rule depends on `source_bytes`."""
        return any(rule.fault is Fault.SOURCE_LIMIT for rule in self._rules)

    def begin(self, seen: Seen, now: float) -> Decision:
        """What happens to a request that comes in now; `now` in seconds of a clock that never goes back."""
        delay_s, skew_s, chosen = 0.0, 0.0, None
        drawing: list[int] = []
        for index, rule in enumerate(self._rules):
            if not rule.concerns(seen.operation, seen.bucket, seen.key) or not self._strikes(index, rule, seen):
                continue
            if rule.fault is Fault.LATENCY:
                delay_s += rule.seconds + rule.jitter * self._random.random()
            elif rule.fault is Fault.CLOCK_SKEW:
                skew_s += rule.seconds
            elif chosen is None and self._decides(index, rule, seen, now, drawing):
                chosen = rule
        if chosen is not None and chosen.fault in _REFUSING:
            drawing.clear()  # it is refused before it is counted
        self._drawing.update(drawing)
        return Decision(delay_s, skew_s, chosen, tuple(drawing))

    def end(self, decision: Decision) -> None:
        """The request is over, however it ended."""
        self._drawing.subtract(decision.drawing)

    def _strikes(self, index: int, rule: Rule, seen: Seen) -> bool:
        where = (index, seen.bucket, seen.key) if rule.when.per_key else (index, "", "")
        self._counts[where] += 1
        # Drawn for every request, struck or not, so that one rule's schedule does not shift another's chances.
        return rule.when.strikes(self._counts[where], self._random.random())

    def _decides(self, index: int, rule: Rule, seen: Seen, now: float, drawing: list[int]) -> bool:
        match rule.fault:
            case Fault.QPS_LIMIT:
                return not self._windows[index].take(1, now)
            case Fault.SOURCE_LIMIT:
                return seen.draws and not self._windows[index].take(seen.source_bytes, now)
            case Fault.CPU_LIMIT:
                if not seen.draws:
                    return False
                if self._drawing[index] >= rule.limit:
                    return True
                drawing.append(index)
                return False
            case Fault.EXPIRED_TOKEN:
                return seen.has_token
            case Fault.WRONG_JSON | Fault.WRONG_TARGET | Fault.EMPTY_ANSWER:
                return seen.operation not in _BODILESS
            case _:
                return True


# Their answers are all headers: another body would only falsify the size of the object.
_BODILESS = frozenset({"HeadObject", "GetObjectMeta"})
_REFUSING = frozenset({Fault.QPS_LIMIT, Fault.SOURCE_LIMIT, Fault.CPU_LIMIT, Fault.EXPIRED_TOKEN})


class _Window:
    """What was let through in the last second, or in the time that one takes where the rate is below one a second."""

    def __init__(self, rate: float) -> None:
        self._limit = max(rate, 1.0)
        self._length_s = max(1.0, 1.0 / rate) if rate else 0.0
        self._taken: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def take(self, amount: float, now: float) -> bool:
        """Whether there is room. Something that is larger than the limit passes if it comes alone."""
        while self._taken and self._taken[0][0] <= now - self._length_s:
            self._sum -= self._taken.popleft()[1]
        if self._taken and self._sum + amount > self._limit:
            return False
        self._taken.append((now, amount))
        self._sum += amount
        return True
