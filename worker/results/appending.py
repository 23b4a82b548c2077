"""Appending groups of lines to the segments of one process: synced on a disk, or an object each in a bucket."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from worker.batch.segment import SUFFIX
from worker.errors import ResultsError
from worker.results.directory import DirectoryStore, sync_directory
from worker.results.store import Store, StoreError, TakenError


class Appender(Protocol):
    """Makes groups of lines durable, in the order in which they come.

    A group has at most `group_lines`, and is begun at most `group_s` after its first line. `shrinks`: a group that was
    refused leaves nothing behind, and a smaller one may fit; else the very same group is to be tried again.
    """

    group_lines: int
    group_s: float
    shrinks: bool

    @property
    def path(self) -> str:
        """The segment that is written now, or will be first, for people."""

    async def append(self, lines: bytes) -> None:
        """Make a group durable.

        Raises:
            StoreError: It is not; try again.
            ResultsError: Lines that were durable are lost.
        """

    def close(self) -> None:
        """End the segment; raises ResultsError if lines that were durable are lost."""


class BucketAppender(Appender):
    """Each group is an object of its own."""

    group_lines = 5000
    shrinks = False

    def __init__(self, store: Store, stem: str) -> None:
        self._store = store
        self._stem = stem
        self._seq = 0

    @property
    def group_s(self) -> float:  # type: ignore[override]  # read only, here and there
        """Five seconds; the first group is put soon, so that a bucket that refuses is noticed before much is done."""
        return 5.0 if self._seq else 0.2

    @property
    def path(self) -> str:
        """See `Appender`."""
        return self._store.path(self._name)

    @property
    def _name(self) -> str:
        return f"{self._stem}.{self._seq}{SUFFIX}"

    async def append(self, lines: bytes) -> None:
        """See `Appender`."""
        try:
            await self._store.create(self._name, lines)
        except TakenError as error:
            self._seq += 1
            message = f"{error} exists, and another process has written it"
            raise StoreError(message) from error
        self._seq += 1

    def close(self) -> None:
        """Nothing is open."""


class DirectoryAppender(Appender):
    """Segments that are appended to, a new one after each trouble: what a failed write left in the old is unknown."""

    group_lines = 1000
    group_s = 0.2
    shrinks = True

    def __init__(self, store: DirectoryStore, stem: str) -> None:
        self._store = store
        self._stem = stem
        self._seq = 0
        self._segment: _Segment | None = None

    @property
    def path(self) -> str:
        """See `Appender`."""
        return self._store.path(f"{self._stem}.{self._seq}{SUFFIX}")

    async def append(self, lines: bytes) -> None:
        """See `Appender`."""
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            message = f"{self.path}: {error.strerror or error}"
            if self._segment is not None:
                self._segment.abandon()
                self._segment = None
            self._seq += 1
            raise StoreError(message) from error

    def close(self) -> None:
        """See `Appender`."""
        if self._segment is not None:
            try:
                self._segment.check()
            finally:
                self._segment.close()

    def _append(self, lines: bytes) -> None:
        if self._segment is None:
            self._segment = _Segment(Path(self.path))
        self._segment.append(lines)


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
