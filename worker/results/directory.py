"""The results of a job in a directory."""

import asyncio
import errno
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from worker.errors import ResultsError
from worker.results.store import GoneError, Store, Stored, StoreError, TakenError

T = TypeVar("T")
# What file systems say that know no hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class DirectoryStore(Store):
    """A store on a disk, or on a shared volume."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str) -> str:
        """The path of a file."""
        return str(self.directory / name)

    async def files(self, below: str = "") -> list[Stored]:
        """See `Store`."""
        return await _in_thread(self.path(below), lambda: self._files(below))

    async def read(self, file: Stored, first: int, count: int) -> bytes:
        """See `Store`."""

        def read() -> bytes:
            with (self.directory / file.name).open("rb", buffering=0) as opened:
                opened.seek(first)
                return _all_of(opened.read, count)

        return await _in_thread(self.path(file.name), read)

    async def create(self, name: str, content: bytes) -> None:
        """See `Store`."""
        path = self.directory / name
        await _in_thread(str(path), lambda: _create(path, content))

    async def delete(self, name: str) -> None:
        """See `Store`."""
        await _in_thread(self.path(name), lambda: (self.directory / name).unlink(missing_ok=True))

    def _files(self, below: str) -> list[Stored]:
        found = []
        for path in self.directory.glob(f"{below}*" if below else "*/*"):
            if path.name.startswith("."):
                continue  # another process is about to write it
            with suppress(FileNotFoundError):
                about = path.stat()
                modified = datetime.fromtimestamp(about.st_mtime, UTC)
                found.append(Stored(str(path.relative_to(self.directory)), about.st_size, modified))
        return found


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


def _all_of(read: Callable[[int], bytes | None], count: int) -> bytes:
    pieces = []
    while count and (piece := read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _create(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _name(beside, path)
    except FileExistsError as error:
        if path.read_bytes() != content:
            raise TakenError(str(path)) from error
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(path.parent)


def _name(beside: Path, path: Path) -> None:
    """Give a file its name, unless another has it."""
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        beside.replace(path)


async def _in_thread(place: str, work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except FileNotFoundError as error:
        message = f"{place}: {error.strerror}"
        raise GoneError(message) from error
    except OSError as error:
        message = f"{place}: {error.strerror or error}"
        raise StoreError(message) from error
