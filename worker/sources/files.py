"""Files: what entries name, brought to where it can be read. Objects are fetched to a directory in `$TMPDIR`."""

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.batch.entry import STANDARD_INPUT, FileSource, InventorySource, object_of
from worker.batch.inventory import Inventory, InventoryFile
from worker.oss.names import ObjectRef
from worker.sources.asking import Ask
from worker.sources.fetching import fetch
from worker.sources.inventory import local_file
from worker.sources.opening import File


class Files:
    """Use as a context manager: what was fetched is gone at its end.

    An object that an entry names is fetched once, so that who looks at its header and who reads its rows see the same.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._directory: tempfile.TemporaryDirectory[str] | None = None  # most jobs need none
        self._fetched: dict[str, File] = {}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._directory is not None:
            self._directory.cleanup()

    async def file_of(self, entry: FileSource) -> File:
        """The file that an entry names.

        Raises:
            UsageError: There is no such object.
            WorkerError: It cannot be read.
        """
        source = object_of(entry.path)
        if source is None:
            return local(entry)
        if entry.path not in self._fetched:
            self._fetched[entry.path] = await self._fetch(entry, source)
        return self._fetched[entry.path]

    async def part_of(self, entry: InventorySource, inventory: Inventory, part: InventoryFile) -> File:
        """A file of an inventory: beside a local manifest.json, else in the inventory's destination bucket.

        Raises:
            UsageError: It is not there.
            WorkerError: It cannot be read.
        """
        if is_here(entry):
            return local_file(entry, part)
        return await self._fetch(entry, ObjectRef(inventory.destination_bucket, part.key))

    def done_with(self, file: File) -> None:
        """A file of an inventory was read: what was fetched of it takes no more room."""
        if file.path != file.name:
            Path(file.path).unlink()

    async def _fetch(self, entry: FileSource, source: ObjectRef) -> File:
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="oss-saveas-")
        self._count += 1
        path = Path(self._directory.name) / str(self._count)
        with path.open("wb") as file:
            # A task of its own: its waits are cut by a stop, and so may be the one that the caller is in.
            await asyncio.create_task(fetch(self._ask, entry.place, source, file), name=f"fetch {source}")
        return File(entry.place, str(source), str(path))


def local(entry: FileSource) -> File:
    """The local file, or standard input, that an entry names."""
    return File(entry.place, entry.path, entry.path)


def is_here(entry: FileSource) -> bool:
    """Whether an entry names a local file, which can be looked at before anything is sent."""
    return entry.path != STANDARD_INPUT and object_of(entry.path) is None
