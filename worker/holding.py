"""Holding: a picture between the request that read it and the one that writes it; a large one lies on the disk."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO

# So much of a picture is held in memory: of a thousand renditions hardly one is larger.
IN_MEMORY = 512 << 10
_PIECE = 256 << 10


class HoldingError(Exception):
    """The directory of temporary files has no room, or cannot be written."""


class Held:
    """The bytes of one picture: in memory, or where they are many in a file without a name, which ends with them.

    Reading and writing a file happens in threads: a disk that is busy holds up nobody else, but for `close` of what was
    cut off meanwhile, which waits for its thread.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    @property
    def md5(self) -> bytes:
        """The MD5 of all bytes so far."""
        return self._digest.digest()

    async def add(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            HoldingError: There is no room for them.
        """
        self.size += len(chunk)
        self._digest.update(chunk)
        self._memory += chunk
        if len(self._memory) >= (IN_MEMORY if self._file is None else _PIECE):
            await self._move()

    async def _move(self) -> None:
        """Bring what is in memory to the disk."""
        try:
            if self._file is None:
                self._file = await asyncio.to_thread(tempfile.TemporaryFile)
            await asyncio.to_thread(_write, self._file, self._memory)
        except OSError as error:
            place = tempfile.gettempdir()
            message = f"a picture of {self.size:,} bytes or more cannot be held in {place}: {error.strerror or error}"
            raise HoldingError(message) from error
        self._memory = bytearray()

    async def end(self) -> None:
        """All bytes were added. Raises as `add` does."""
        if self._file is not None:
            await self._move()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All bytes from the beginning, piece by piece; one reading at a time."""
        if self._file is None:
            yield bytes(self._memory)
            return
        await asyncio.to_thread(self._file.seek, 0)
        while piece := await asyncio.to_thread(self._file.read, _PIECE):
            yield piece

    def close(self) -> None:
        """Nothing is held any more."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


def _write(file: BinaryIO, data: bytearray) -> None:
    file.write(data)
    file.flush()  # now, so that a full disk is told here
