"""A store: where the results of one job are, as files below one place. One interface for directories and buckets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class StoreError(Exception):
    """The store refuses for now; trying again may help. The message is for people."""


class GoneError(StoreError):
    """A file that was listed is not there any more."""


class TakenError(Exception):
    """The name of a new file belongs to another one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file: its name below the job's place, its size in bytes, when it was last written, what marks its content."""

    name: str
    size: int
    modified: datetime
    mark: str = ""


class Store(Protocol):
    """The files of one job, never changed; only the process that writes a segment may append to it."""

    def path(self, name: str) -> str:
        """The full name of a file, for people."""

    async def files(self, below: str = "") -> list[Stored]:
        """The files of all runs, or those of one directory (with its last slash); none where nothing was written yet.

        Raises:
            StoreError: They cannot be listed.
        """

    async def read(self, file: Stored, first: int, count: int) -> bytes:
        """`count` bytes of a file from `first` on: less only where it is shorter by now than it was.

        Raises:
            GoneError: It is not there any more.
            StoreError: It cannot be read.
        """

    async def create(self, name: str, content: bytes) -> None:
        """Write a new file, durably, so that readers see all of it or nothing. Once more with the same content is none.

        Raises:
            TakenError: There is another one of that name.
            StoreError: It cannot be written.
        """

    async def delete(self, name: str) -> None:
        """Delete a file; that it is not there is no trouble.

        Raises:
            StoreError: It cannot be deleted.
        """
