"""Stopping: waits that a stop cuts short, so that a drain only waits for what is on its way."""

import asyncio
from enum import StrEnum
from types import TracebackType

from worker.errors import WorkerError


class Cut(Exception):  # noqa: N818 - not an error: the task goes back to where it was, not attempted
    """The run is stopping and this task was not on its way."""


class Reason(StrEnum):
    """Why a run stops before its end; the first reason stands."""

    SIGNAL = "signal"
    DURATION = "max-duration"
    SOURCES = "sources"
    RESULTS = "results"
    ACCESS = "access"
    OUTAGE = "outage"
    FAILURES = "failures"
    STALL = "stall"
    PEER = "peer"  # another process of the run has a reason of its own


class Stop:
    """The run's one switch: once thrown, no new request begins."""

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self.error: WorkerError | None = None
        self._waiting: set[asyncio.Task[object]] = set()
        self._event = asyncio.Event()
        self._hurry = asyncio.Event()
        self._signalled = False

    def throw(self, reason: Reason, error: WorkerError | None = None) -> None:
        """Stop: cut every wait short, and refuse new ones. A second signal is a hurry.

        `error` is what the command ends with, where the reason alone does not say it; the first one stands.
        """
        if reason is Reason.SIGNAL:
            if self._signalled:
                self.hurry()
            self._signalled = True
        if self.reason is None:
            self.reason, self.error = reason, error
            self._event.set()
            # Who throws the switch is not waiting, even where it is inside a wait: it leaves by the check at its end.
            for task in self._waiting - {asyncio.current_task()}:
                task.cancel()

    def hurry(self) -> None:
        """Do not wait for what is on its way either."""
        self._hurry.set()

    @property
    def hurries(self) -> bool:
        """Whether what is on its way shall not be waited for."""
        return self._hurry.is_set()

    async def wait(self) -> None:
        """Return when the switch is thrown."""
        await self._event.wait()

    async def wait_for_hurry(self) -> None:
        """Return when what is on its way shall not be waited for."""
        await self._hurry.wait()

    def cuts(self) -> "_Cuts":
        """Around a wait that a stop may cut short; not to be nested within one task.

        Raises:
            Cut: The run is stopping.
        """
        return _Cuts(self, self._waiting)


class _Cuts:
    """A class, for a generator in its place costs three times as much, and every task passes two."""

    __slots__ = ("_stop", "_task", "_waiting")

    def __init__(self, stop: Stop, waiting: set[asyncio.Task[object]]) -> None:
        self._stop = stop
        self._waiting = waiting

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - asyncio runs coroutines in tasks only
            message = "no task is running"
            raise RuntimeError(message)
        if self._stop.reason is not None:
            raise Cut
        self._task: asyncio.Task[object] = task
        self._waiting.add(task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.discard(self._task)
        if self._stop.reason is None:
            return
        # Ours if a stop is on and nobody else has asked for this task's end as well: the scheduler cancels, too.
        if error is None or (isinstance(error, asyncio.CancelledError) and self._task.uncancel() == 0):
            raise Cut from None
