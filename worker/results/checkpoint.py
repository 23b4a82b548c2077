"""Checkpoints: what the log says of each target, compactly, and how much of which segment that covers.

A checkpoint is a few parts, `checkpoint/{number}.{token}.{n}.facts`, and an index, `checkpoint/{number}.json`, which
is written last: where there is an index, the checkpoint is complete. A part is a sequence of tables: 2 bytes of number,
4 of length, and the facts (see `worker.batch.fact`). Numbers rise, and each checkpoint is made from the one before it:
what one covers all later ones do.
"""

import hashlib
import re
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from worker.batch.segment import CHECKPOINT, in_order
from worker.errors import Problem, ResultsError, UsageError
from worker.results.lines import Covered
from worker.results.patience import Patience
from worker.results.reading import PIECE_BYTES, pieces
from worker.results.store import GoneError, Store, Stored

SCHEMA = 1
PART_BYTES = 4 << 20
_TABLE = struct.Struct(">HI")
_INDEX = re.compile(rf"{CHECKPOINT}/([0-9]{{8}})\.json", re.ASCII)


class CoveredSegment(msgspec.Struct, frozen=True):
    """How much of a segment a checkpoint covers; its rank is its place in the index."""

    name: str
    bytes: int
    lines: int


class Part(msgspec.Struct, frozen=True):
    """One file of tables; `sha256` in hex."""

    name: str
    bytes: int
    sha256: str


class Index(msgspec.Struct, frozen=True):
    """The index of a checkpoint."""

    schema: int
    number: int
    segments: list[CoveredSegment]
    parts: list[Part]


class _Schema(msgspec.Struct):
    schema: int


_NOTHING = Index(SCHEMA, 0, [], [])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest checkpoint of a job as it was found, and all files of checkpoints; number 0 is none."""

    index: Index
    files: tuple[Stored, ...]

    @property
    def covered(self) -> dict[str, Covered]:
        """How much of which segments is covered."""
        return {segment.name: Covered(segment.bytes, segment.lines) for segment in self.index.segments}

    def ranks(self, names: Sequence[str]) -> list[int]:
        """The new rank of each covered segment among these sorted names; where it is gone, that of the one before."""
        places = {name: place for place, name in enumerate(names)}
        ranks, last = [], 0
        for segment in self.index.segments:
            last = places.get(segment.name, last)
            ranks.append(last)
        return ranks

    async def tables(self, store: Store) -> AsyncGenerator[tuple[int, bytes], None]:
        """The tables with their numbers, in their order.

        Raises:
            GoneError: A part is not there any more.
            StoreError: It cannot be read.
            ResultsError: It is damaged.
        """
        listed = {file.name: file for file in self.files}
        parts = []
        for part in self.index.parts:
            file = listed.get(part.name)
            if file is None:
                raise GoneError(store.path(part.name))
            if file.size != part.bytes:
                raise self._damaged(store, part)
            parts.append((file, 0))
        due = iter(self.index.parts)
        content = b""
        async with aclosing(pieces(store, parts)) as read:
            async for _, piece in read:
                content += piece
                if not piece:
                    part = next(due)
                    if hashlib.sha256(content).hexdigest() != part.sha256:
                        raise self._damaged(store, part)
                    for table in _tables_of(content):
                        yield table
                    content = b""

    def _damaged(self, store: Store, part: Part) -> ResultsError:
        files = f"{CHECKPOINT}/{self.index.number:08}.*"
        mend = f"put good copies of the files {files} there, or take them away: what was pruned is then done again"
        return ResultsError(f"{store.path(part.name)}: error: this checkpoint is damaged\n    mend: {mend}")


async def find_checkpoint(store: Store) -> Checkpoint:
    """The newest checkpoint. To be called after the segments were listed: what is deleted meanwhile is then noticed.

    Raises:
        GoneError: It is not there any more.
        StoreError: It cannot be read.
        ResultsError: Its index is none.
        UsageError: It was written by a later version of this program.
    """
    files = tuple(await store.files(f"{CHECKPOINT}/"))
    indexes = sorted((file for file in files if _INDEX.fullmatch(file.name)), key=lambda file: file.name)
    if not indexes:
        return Checkpoint(_NOTHING, files)
    newest = indexes[-1]
    content = b"".join([await store.read(newest, at, PIECE_BYTES) for at in range(0, newest.size, PIECE_BYTES)])
    return Checkpoint(_index_of(content, store.path(newest.name)), files)


def _index_of(content: bytes, path: str) -> Index:
    try:
        # First of all, for whatever else a later version may write.
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema > SCHEMA:
            problem = f"the checkpoint has schema {schema}, this program reads up to {SCHEMA}"
            raise UsageError(Problem(problem, "read it with the version that wrote it", path))
        return msgspec.json.decode(content, type=Index)
    except msgspec.DecodeError as error:
        message = f"{path}: error: not the index of a checkpoint: {error}"
        raise ResultsError(message) from error


async def write_checkpoint(
    store: Store,
    number: int,
    token: str,
    covered: dict[str, Covered],
    tables: AsyncIterator[tuple[int, bytes]],
    patience: Patience,
) -> Index:
    """Write a checkpoint with this number; `covered` and the ranks in `tables` go by the order of segments.

    Raises:
        TakenError: Somebody else has written one with this number.
        ResultsError: It cannot be written.
    """

    async def write(name: str, content: bytes) -> None:
        await patience.over(lambda: store.create(name, content))

    parts: list[Part] = []
    async for content in _parts(tables):
        part = Part(f"{CHECKPOINT}/{number:08}.{token}.{len(parts):04}.facts", len(content), _sha256(content))
        await write(part.name, content)
        parts.append(part)
    segments = [
        CoveredSegment(name, covered[name].bytes, covered[name].lines) for name in sorted(covered, key=in_order)
    ]
    index = Index(SCHEMA, number, segments, parts)
    await write(f"{CHECKPOINT}/{number:08}.json", msgspec.json.encode(index) + b"\n")
    return index


async def drop_old(store: Store, checkpoint: Checkpoint) -> None:
    """Delete the files of checkpoints older than this one, and of those that never were complete.

    Raises:
        StoreError: They cannot be deleted.
    """
    newest = f"{CHECKPOINT}/{checkpoint.index.number:08}"
    for file in checkpoint.files:
        if file.name < newest:
            await store.delete(file.name)


async def _parts(tables: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[bytes]:
    content = bytearray()
    async for number, table in tables:
        content += _TABLE.pack(number, len(table)) + table
        if len(content) >= PART_BYTES:
            yield bytes(content)
            content.clear()
    if content:
        yield bytes(content)


def _tables_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(content):
        number, size = _TABLE.unpack_from(content, start)
        start += _TABLE.size
        yield number, content[start : start + size]
        start += size


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
