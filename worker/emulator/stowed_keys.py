"""The keys of a bucket that are no paths, in order. Each is in a file of its own, which is read only once."""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from worker.emulator.folder_listing import Directories
from worker.emulator.layout import stowed_name

_SUFFIX = b".key"


class StowedKeys:
    """Sorted keys by folder. The name of such a file is made of its key: one that holds another is not the store's."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._lock = threading.Lock()
        self._read: dict[Path, dict[bytes, bytes]] = {}  # key by name, of all that are or were there
        self._sorted: dict[Path, tuple[Sequence[bytes], Sequence[bytes]]] = {}  # names, and the keys they stand for

    def since(self, folder: Path, start: bytes) -> Iterator[bytes]:
        """Keys that are not less than `start`, in order."""
        keys = self._keys(folder)
        return (keys[index] for index in range(bisect_left(keys, start), len(keys)))

    def _keys(self, folder: Path) -> Sequence[bytes]:
        names = self._directories.names(folder)
        with self._lock:
            known_names, keys = self._sorted.get(folder, ((), ()))
            # The same list while nothing changes, which spares a look at every name.
            if names is not known_names and names != known_names:
                keys = self._sort(folder, names)
            self._sorted[folder] = names, keys
            return keys

    def _sort(self, folder: Path, names: Sequence[bytes]) -> Sequence[bytes]:
        there, read = set(names), self._read.get(folder, {})
        found: dict[bytes, bytes] = {}
        for name in names:
            if name.endswith(_SUFFIX) and name.removesuffix(_SUFFIX) in there:
                if name in read:
                    found[name] = read[name]
                else:
                    with suppress(OSError, UnicodeDecodeError):  # it has gone since, or a person wrote it
                        key = (folder / name.decode()).read_bytes().decode()
                        if name == stowed_name(key).encode() + _SUFFIX:
                            found[name] = key.encode()
        self._read[folder] = found
        return sorted(found.values())
