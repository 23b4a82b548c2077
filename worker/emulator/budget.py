"""The memory that pictures are worked on in: who needs some waits for it in turn, so that many never take too much."""

import io
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from worker.emulator import allocator

T = TypeVar("T")

# Of a gigabyte, the rest is for Python, libvips, the connections of many clients, and what a memory store keeps.
WORKING_MEMORY = 576 << 20  # bytes


class TooMuchMemoryError(Exception):
    """Work that needs more than there is, even alone."""


class _ShortageError(Exception):
    """There is not enough at the moment for work that has begun."""


class Budget:
    """Bytes of memory, lent in the order in which they were asked for."""

    def __init__(self, total: int = WORKING_MEMORY) -> None:
        self.total = total
        self._free = total
        self._change = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def free(self) -> int:
        """What nobody holds."""
        return self._free

    @property
    def waiting(self) -> int:
        """How much work waits."""
        return len(self._waiting)

    def run(self, size: int, work: Callable[["Lease"], T]) -> T:
        """Do work that holds about `size` bytes; what it holds beyond is lent where it is free.

        Where it is not, the work is begun anew with all the memory to itself: those who wait with half of what they
        need in hand could wait for each other. What the work still holds in the end is for its result, which is to
        release it.

        Raises:
            TooMuchMemoryError: It needs more than there is.
        """
        with suppress(_ShortageError):
            return self._attempt(min(size, self.total), work)
        return self._attempt(self.total, work)

    def _attempt(self, size: int, work: Callable[["Lease"], T]) -> T:
        lease = self._wait(size)
        try:
            return work(lease)
        except BaseException as error:
            _let_go(error)
            lease.release()
            raise

    def _wait(self, size: int) -> "Lease":
        turn = object()
        with self._change:
            self._waiting.append(turn)
            self._change.wait_for(lambda: self._waiting[0] is turn and self._free >= size)
            self._waiting.popleft()
            self._free -= size
            self._change.notify_all()  # for the next there may be enough, too
        return Lease(self, size)

    def _take(self, size: int) -> bool:
        with self._change:
            if size > self._free:
                return False
            self._free -= size
            return True

    def _give(self, size: int) -> None:
        with self._change:
            self._free += size
            self._change.notify_all()


def _let_go(error: BaseException | None) -> None:
    """Forget what the functions that an error came through held: it outlives them, and pictures would with it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Lease:
    """What one piece of work has been lent, and how much of it is in use."""

    def __init__(self, budget: Budget, size: int) -> None:
        self._budget = budget
        self._lent = size
        self._used = 0

    def hold(self, size: int) -> None:
        """Count bytes that are about to be held.

        Raises:
            Exception: They are not free. `Budget.run`, which this must come through to, knows what to do.
        """
        self._used += size
        missing = self._used - self._lent
        if missing <= 0:
            return
        if self._used > self._budget.total:
            raise TooMuchMemoryError
        if not self._budget._take(missing):  # noqa: SLF001 - a lease is a part of its budget
            raise _ShortageError
        self._lent = self._used

    def keep(self, size: int) -> None:
        """Give back all but `size` bytes, which stay held."""
        used, rest = self._used, min(size, self._lent)
        allocator.freed(used - rest)  # before others count on it
        self._budget._give(self._lent - rest)  # noqa: SLF001 - likewise
        self._lent = self._used = rest

    def release(self) -> None:
        """Give back everything."""
        self.keep(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class HeldBytes(io.BytesIO):
    """Bytes as a file whose memory is given back when it is closed, or forgotten."""

    def __init__(self, body: bytes, lease: Lease) -> None:
        super().__init__(body)
        self._lease = lease
        lease.keep(len(body))

    def close(self) -> None:
        """Close, and give the memory back."""
        super().close()
        self._lease.release()


SHARED = Budget()  # memory is the process's, however many servers it has
