"""Files that are not yet what they will be: written under a passing name, then renamed to where they belong."""

import fcntl
import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path


class Draft:
    """A new file in a folder of drafts. It is locked for as long as somebody writes it, and a kill drops the lock."""

    def __init__(self, folder: Path) -> None:
        while True:
            self._path = folder / secrets.token_hex(16)
            self._file = self._path.open("xb")
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file.fileno()).st_nlink:
                return
            self._file.close()  # cleaned up by another process, in the instant before it was locked

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._file.write(chunk)

    def status(self) -> os.stat_result:
        """What `stat` says of it. A rename changes neither size, time nor inode."""
        self._file.flush()
        return os.fstat(self._file.fileno())

    def publish(self, path: Path) -> None:
        """Make it the file at a path, in one step."""
        self._file.flush()
        self._path.replace(path)  # still locked
        self._file.close()

    def discard(self) -> None:
        """Leave nothing behind; does nothing after `publish`."""
        if not self._file.closed:
            self._path.unlink(missing_ok=True)
            self._file.close()


def drop_abandoned(folder: Path, prefix: str = "") -> None:
    """Remove the drafts of processes that were killed; those under way are locked and stay.

    With a prefix: folders whose names begin so; without: files.
    """
    with suppress(OSError):  # there is no such folder, or it is not ours to clean
        for path in folder.iterdir():
            if path.name.startswith(prefix):
                with suppress(OSError):
                    _drop_if_abandoned(path, stat.S_IFDIR if prefix else stat.S_IFREG)


def _drop_if_abandoned(path: Path, kind: int) -> None:
    if stat.S_IFMT(path.lstat().st_mode) != kind:
        return
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if kind == stat.S_IFDIR:
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)
