"""The failure limit: whether too many of the latest results failed to go on."""

from collections import Counter, deque
from collections.abc import Mapping

from worker.dispatch.decider import Result
from worker.oss.verdict import Failure


class FailureLimit:
    """Looks at the latest `window` results.

    Too many are systemic failures on more than `max_ratio` of the window, or failures with a code of `per_code` on more
    than its ratio. A window that is not full yet counts as if the rest of it were saved.
    """

    def __init__(self, window: int, max_ratio: float, per_code: Mapping[str, float]) -> None:
        self._window = window
        self._most = {code: ratio * window for code, ratio in per_code.items()}
        self._most_systemic = max_ratio * window
        # Only failures that count are kept, by their number: a window of results that are saved costs nothing.
        self._failed: deque[tuple[int, Failure]] = deque()
        self._counts: Counter[str] = Counter()
        self._systemic = 0
        self._heard = 0

    def hear(self, result: Result) -> str | None:
        """Take in a result; the reason to stop if it is one too many."""
        self._heard += 1
        while self._failed and self._failed[0][0] <= self._heard - self._window:
            self._forget(self._failed.popleft()[1])
        error = result.error
        if error is None or not (error.systemic or error.code in self._most):
            return None
        code = error.code
        self._failed.append((self._heard, error))
        self._counts[code] += 1
        self._systemic += error.systemic
        latest = min(self._heard, self._window)
        if code in self._most and self._counts[code] > self._most[code]:
            return f"{self._counts[code]} of the latest {latest} tasks failed with {code}, over failure.per_code"
        if self._systemic > self._most_systemic:
            common = ", ".join(f"{code}: {count}" for code, count in self._counts.most_common(3))
            return f"{self._systemic} of the latest {latest} tasks failed ({common}), over failure.max_ratio"
        return None

    def _forget(self, failure: Failure) -> None:
        self._counts[failure.code] -= 1
        if not self._counts[failure.code]:
            del self._counts[failure.code]
        self._systemic -= failure.systemic
