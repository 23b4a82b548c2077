"""How retries go: how often, how long, and how many at most in a second."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long one request is tried; times in seconds. `waits` False: who asks has its own patience."""

    max_attempts: int
    base_delay_s: float
    max_delay_s: float
    task_deadline_s: float
    waits: bool = True

    @property
    def impatient(self) -> "RetryPolicy":
        """This policy with one attempt, and one more after a correction of clock or credentials."""
        return replace(self, max_attempts=1, waits=False)


class RetryBudget:
    """Spreads retries: they take at most half of `requests_per_second`. They wait for that, and never fail of it."""

    def __init__(self, requests_per_second: float) -> None:
        self._gap_s = 2.0 / requests_per_second
        self._free_at_s = -math.inf

    def wait_s(self, now_s: float) -> float:
        """How long the next retry has to wait from now; it is taken as made."""
        # What was not used in a second is lost: unused seconds make no burst.
        self._free_at_s = max(self._free_at_s, now_s - 1.0) + self._gap_s
        return max(0.0, self._free_at_s - now_s)
