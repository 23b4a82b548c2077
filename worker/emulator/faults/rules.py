"""Rules of faults: what goes wrong, for which requests, and when. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from worker.emulator.patterns import matches


class Fault(StrEnum):
    """What can go wrong."""

    LATENCY = "latency"
    ANSWER = "answer"
    RESET = "reset"
    HANG = "hang"
    HALF_BODY = "half-body"
    SLOW_BODY = "slow-body"
    WRONG_JSON = "wrong-json"
    WRONG_TARGET = "wrong-target"
    EMPTY_ANSWER = "empty-answer"
    QPS_LIMIT = "qps-limit"
    SOURCE_LIMIT = "source-limit"
    CPU_LIMIT = "cpu-limit"
    CLOCK_SKEW = "clock-skew"
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - a name, no token


@dataclass(frozen=True, slots=True)
class Form:
    """How a fault is written: the parameters it needs and those it may have."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


FORMS: Mapping[Fault, Form] = MappingProxyType(
    {
        Fault.LATENCY: Form(("seconds",), ("jitter",)),
        Fault.ANSWER: Form(("status", "code"), ("message", "ec", "retry_after", "processed")),
        Fault.RESET: Form((), ("processed",)),
        Fault.HANG: Form((), ("processed",)),
        Fault.HALF_BODY: Form(),
        Fault.SLOW_BODY: Form(("seconds",)),
        Fault.WRONG_JSON: Form((), ("processed",)),
        Fault.WRONG_TARGET: Form((), ("processed",)),
        Fault.EMPTY_ANSWER: Form((), ("processed",)),
        Fault.QPS_LIMIT: Form(("limit",)),
        Fault.SOURCE_LIMIT: Form(("limit",)),
        Fault.CPU_LIMIT: Form(("limit",)),
        Fault.CLOCK_SKEW: Form(("seconds",)),
        Fault.EXPIRED_TOKEN: Form(),
    }
)
# These answers say that the work is done; unless a rule says otherwise, it is.
DONE = frozenset({Fault.WRONG_JSON, Fault.WRONG_TARGET, Fault.EMPTY_ANSWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which of the requests that a rule is for it strikes; all conditions have to hold. Requests count from 1.

    With `per_key` the requests for each object are counted apart, so that `nth={1}` strikes each first attempt.
    """

    probability: float = 1.0
    nth: frozenset[int] = frozenset()
    every: int = 1
    first: int = 1
    last: int | None = None
    per_key: bool = False

    def strikes(self, count: int, chance: float) -> bool:
        """Whether it strikes the request of this count; `chance` is a random number from 0 up to 1."""
        return (
            (not self.nth or count in self.nth)
            and count % self.every == 0
            and self.first <= count
            and (self.last is None or count <= self.last)
            and chance < self.probability
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault. `operations`, `bucket` and `key` are patterns with `*` and `?`.

    `seconds` and `jitter` belong to latency, slow-body and clock-skew; `limit` is in requests per second, megabytes per
    second, or pictures at once. `processed`: the operation is carried out before its answer goes wrong.
    """

    fault: Fault
    operations: tuple[str, ...] = ("*",)
    bucket: str = "*"
    key: str = "*"
    when: Schedule = field(default_factory=Schedule)
    seconds: float = 0.0
    jitter: float = 0.0
    status: int = 500
    code: str = "InternalError"
    message: str = "Injected by a rule of the faults file."
    ec: str = ""
    retry_after: str = ""
    limit: float = 0.0
    processed: bool = False

    def concerns(self, operation: str, bucket: str, key: str) -> bool:
        """Whether the rule is for such requests."""
        return (
            any(matches(pattern, operation) for pattern in self.operations)
            and matches(self.bucket, bucket)
            and matches(self.key, key)
        )
