"""Walking a folder in the order of a listing, without reading more directories than the page needs."""

import os
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from worker.emulator.layout import is_plain

_REMEMBERED = 32
# A directory that changed within the resolution of its own time stamp could change again unnoticed.
_SETTLED_NS = 2_000_000_000


class Directories:
    """Sorted names of directories, remembered until the directory changes.

    Names of folders end with `/`, so that their order among files is the order of the keys: `a-b` comes before `a/b`.
    Links, and names that no key is written as, are left out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remembered: OrderedDict[Path, tuple[tuple[int, int], list[bytes]]] = OrderedDict()

    def names(self, path: Path) -> list[bytes]:
        """The sorted names in a directory; none where it does not exist (any more)."""
        try:
            status = path.lstat()
            stamp = (status.st_ino, status.st_mtime_ns)
            with self._lock:
                if path in self._remembered and self._remembered[path][0] == stamp:
                    self._remembered.move_to_end(path)
                    return self._remembered[path][1]
            names = _read(path)
        except OSError:
            return []
        if time.time_ns() - status.st_mtime_ns > _SETTLED_NS:
            with self._lock:
                self._remembered[path] = stamp, names
                if len(self._remembered) > _REMEMBERED:
                    self._remembered.popitem(last=False)
        return names


def _read(path: Path) -> list[bytes]:
    names = []
    with os.scandir(path) as entries:
        for entry in entries:
            if not is_plain(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                names.append(entry.name.encode() + b"/")
            elif entry.is_file(follow_symlinks=False):
                names.append(entry.name.encode())
    return sorted(names)


def walk(directories: Directories, folder: Path, prefix: bytes, start: bytes) -> Iterator[bytes]:
    """Keys of the files below a folder that begin with `prefix` and are not less than `start`, in byte order."""
    start = max(start, prefix)
    pending = [_following(directories.names(folder), b"", start)]
    while pending:
        key = next(pending[-1], None)
        if key is None:
            pending.pop()
        elif not key.startswith(prefix) and not prefix.startswith(key):
            return  # beyond the prefix, and so is all that follows
        elif key.endswith(b"/"):
            pending.append(_following(directories.names(folder / key.decode()), key, start))
        else:
            yield key


def _following(names: list[bytes], base: bytes, start: bytes) -> Iterator[bytes]:
    """The names in the directory `base` as keys, without those that lie wholly before `start`."""
    begin = 0
    if start.startswith(base):
        rest = start[len(base) :]
        begin = bisect_right(names, rest)
        # The one before may be `rest` itself, or the folder that holds it: no other name lies between the two.
        if begin and (
            names[begin - 1] == rest or (names[begin - 1].endswith(b"/") and rest.startswith(names[begin - 1]))
        ):
            begin -= 1
    return (base + names[index] for index in range(begin, len(names)))
