"""Patience with a store that refuses: trying again for a while before it ends the run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from worker.errors import ResultsError
from worker.results.store import StoreError

T = TypeVar("T")
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store may refuse. `monotonic` counts seconds, `sleep` waits for some.

    `pardoned` says whether nobody else reaches the service either and the run waits for it: no reason to end it here.
    """

    seconds: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    pardoned: Callable[[], bool] = lambda: False

    def begin(self) -> "Trial":
        """Begin to try."""
        return Trial(self, self.monotonic() + self.seconds)

    async def over(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds.

        Raises:
            ResultsError: It has been refused for too long.
        """
        trial = self.begin()
        while True:
            try:
                return await attempt()
            except StoreError as error:
                trial.bear(error)
                await trial.pause()


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that is tried again and again."""

    patience: Patience
    deadline_s: float

    def bear(self, error: StoreError) -> None:
        """Take in a refusal; raises ResultsError when there is no patience left."""
        if self.patience.monotonic() >= self.deadline_s and not self.patience.pardoned():
            message = f"results cannot be written: {error}"
            raise ResultsError(message) from error

    async def pause(self) -> None:
        """Wait before the next attempt."""
        await self.patience.sleep(_PAUSE_S)
