"""Writing the results log of one process into a directory: appended, synced in groups, counted only once durable."""

import asyncio
import os
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from worker.batch.record import Record, encode
from worker.errors import ResultsError

_GROUP_LINES = 1000
_GROUP_S = 0.2
_BACKLOG_LINES = 2 * _GROUP_LINES
_PAUSE_S = 1.0


class DirectoryLog:
    """The segments `{directory}/{stem}.{seq}.jsonl` of one process, which nobody else writes to.

    `append` never waits; `ready` holds back who would append while 2,000 lines are not durable; `on_durable` is told of
    each record once it is on the disk. A disk that refuses is tried again for `patience_s`, in a new segment each time,
    for what a failed write or sync left in the old one is unknown.
    """

    def __init__(
        self,
        directory: Path,
        stem: str,
        patience_s: float,
        on_durable: Callable[[Record], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._directory = directory
        self._stem = stem
        self._patience_s = patience_s
        self._on_durable = on_durable
        self._monotonic = monotonic
        self._sleep = sleep
        self._pending: deque[Record] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._closing = False
        self._segment: _Segment | None = None
        self._seq = 0
        self._path = directory / f"{stem}.0.jsonl"

    @property
    def path(self) -> Path:
        """The segment that is written now, or will be first."""
        return self._path

    @property
    def pending(self) -> int:
        """How many lines are not durable yet."""
        return len(self._pending)

    def append(self, record: Record) -> None:
        """Hand over a record; it counts once it is durable."""
        self._pending.append(record)
        self._arrived.set()
        if len(self._pending) >= _GROUP_LINES:
            self._full.set()
        if len(self._pending) >= _BACKLOG_LINES:
            self._drained.clear()

    async def ready(self) -> None:
        """Wait until the log is not behind."""
        await self._drained.wait()

    def close(self) -> None:
        """Let `write` end once everything handed over is durable."""
        self._closing = True
        self._arrived.set()
        self._full.set()

    async def write(self) -> None:
        """Make records durable as they come, until closed.

        Raises:
            ResultsError: The disk has refused for longer than `patience_s`, or the log was deleted.
        """
        try:
            while not (self._closing and not self._pending):
                await self._arrived.wait()
                await self._gather()
                self._arrived.clear()
                self._full.clear()
                while self._pending:
                    await self._commit()
                if self._closing:
                    self._arrived.set()
            if self._segment is not None:
                self._segment.check()
        finally:
            if self._segment is not None:
                self._segment.close()

    async def _gather(self) -> None:
        # A sync costs the same for one line as for a thousand: let a group gather, but not for long.
        if not self._full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_GROUP_S):
                    await self._full.wait()

    async def _commit(self) -> None:
        """Make the next group durable. While the disk refuses, nothing new is begun, and groups shrink to what fits."""
        lines = min(_GROUP_LINES, len(self._pending))
        deadline: float | None = None
        while True:
            group = list(islice(self._pending, lines))
            try:
                await asyncio.to_thread(self._write_durably, b"".join(map(encode, group)))
                break
            except OSError as error:
                self._drained.clear()
                self._begin_next_segment()
                deadline = deadline or self._monotonic() + self._patience_s
                if self._monotonic() >= deadline:
                    message = f"results cannot be written: {self._path}: {error.strerror or error}"
                    raise ResultsError(message) from error
            if lines > 1:
                lines //= 2
            else:
                await self._sleep(_PAUSE_S)
        for record in group:
            self._pending.popleft()
            self._on_durable(record)
        if len(self._pending) < _BACKLOG_LINES:
            self._drained.set()

    def _write_durably(self, data: bytes) -> None:
        if self._segment is None:
            self._segment = _Segment(self._path)
        self._segment.append(data)

    def _begin_next_segment(self) -> None:
        if self._segment is not None:
            self._segment.abandon()
            self._segment = None
        self._seq += 1
        self._path = self._directory / f"{self._stem}.{self._seq}.jsonl"


class _Segment:
    """One file, new, that is only appended to."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._durable = 0
        try:
            # The names of a new file and of its directories are in the directories above it.
            for directory in (path.parent, path.parent.parent, path.parent.parent.parent):
                sync_directory(directory)
        except OSError:
            self.abandon()
            raise

    def append(self, data: bytes) -> None:
        """Write and sync.

        Raises:
            OSError: It is unknown what of `data` is in the file; `abandon` takes it out again.
            ResultsError: The file was deleted, and with it lines that were told as done.
        """
        self.check()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)
        self._durable += len(data)

    def check(self) -> None:
        """Raise ResultsError if somebody has deleted the file: what is written into it then reaches nobody."""
        if not os.fstat(self._file).st_nlink:
            message = f"results were deleted while they were written: {self._path}; what it held will be done again"
            raise ResultsError(message)

    def abandon(self) -> None:
        """Cut the file back to what is durable, as far as the disk lets us, and close it."""
        # Where it does not: the reader ignores a torn tail, and whole lines that stay are true, only repeated.
        with suppress(OSError):
            os.ftruncate(self._file, self._durable)
            if not self._durable:
                self._path.unlink()
        with suppress(OSError):  # some network file systems tell of a full disk only now
            self.close()

    def close(self) -> None:
        os.close(self._file)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that readers see all of it or nothing.

    Raises:
        ResultsError: The disk refuses.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        message = f"results cannot be written: {path}: {error.strerror or error}"
        raise ResultsError(message) from error


def ensure_writable(directory: Path) -> None:
    """Make the directory of a run and write into it: told before the first request, not after the first result.

    Raises:
        ResultsError: It cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"\n")
    except OSError as error:
        message = f"results cannot be written: {directory}: {error.strerror or error}"
        raise ResultsError(message) from error


def unwritable_reason(directory: Path) -> str | None:
    """Why a directory could not be made and written into, or None; nothing stays of the question."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(b"\n")
    except OSError as error:
        return error.strerror or str(error)
    return None


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
