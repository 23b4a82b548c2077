"""Reading the results log of a job: its segments one after the other, some pieces ahead."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from worker.batch.segment import in_order, is_segment
from worker.results.lines import NOTHING, BadLine, Block, Covered, Cutter, SegmentLines, Take, refuse
from worker.results.store import Store, Stored

PIECE_BYTES = 4 << 20
_AHEAD = 4
_MADE_AHEAD = 3
# Who takes in what is made apart has time to make every third block himself.
_OWN_SHARE = 3
T = TypeVar("T")
# Makes somewhere else what is to be made of whole lines of the segment with this name; None where it cannot.
MadeApart = Callable[[str, bytes], Coroutine[None, None, T | None]]


@dataclass(frozen=True, slots=True)
class Span:
    """A segment, and how much of it is known from elsewhere."""

    file: Stored
    known: Covered = NOTHING


async def segments(store: Store) -> list[Stored]:
    """The segments of a job, in the order of run, process and number."""
    return sorted((file for file in await store.files() if is_segment(file.name)), key=lambda file: in_order(file.name))


async def pieces(store: Store, parts: Iterable[tuple[Stored, int]]) -> AsyncGenerator[tuple[Stored, bytes], None]:
    """The content of files, each from an offset on, in pieces; some are read ahead. An empty piece ends a file.

    Raises:
        GoneError: A file is not there any more.
        StoreError: It cannot be read.
    """

    async def read(file: Stored, first: int) -> tuple[Stored, bytes]:
        return file, await store.read(file, first, PIECE_BYTES) if first < file.size else b""

    wanted = ((file, first) for file, begin in parts for first in [*range(begin, file.size, PIECE_BYTES), file.size])
    ahead: deque[asyncio.Task[tuple[Stored, bytes]]] = deque()
    try:
        for file, first in wanted:
            ahead.append(asyncio.create_task(read(file, first), name=f"read {file.name}"))
            if len(ahead) > _AHEAD:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def read_spans(
    store: Store,
    spans: Iterable[Span],
    take_of: Callable[[str], Take[T]],
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
    *,
    apart: MadeApart[T] | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Covered]:
    """Read segments; returns how much of each was read. See `steps`; `enough` may end it after any piece."""
    covered: dict[str, Covered] = {}
    async with aclosing(steps(store, spans, take_of, warn, set_aside, apart)) as read:
        async for name, done in read:
            covered[name] = done
            if enough():
                break
    return covered


async def steps(
    store: Store,
    spans: Iterable[Span],
    take_of: Callable[[str], Take[T]],
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
    apart: MadeApart[T] | None = None,
) -> AsyncGenerator[tuple[str, Covered], None]:
    """Read segments, a piece each step; tells how much of which is read. `take_of` makes what takes the lines of one.

    What follows the last valid line of a segment is the end of a write that was cut off: left out, with a warning.
    With `apart` what is made of lines is made there, as far as it can be.

    Raises:
        ResultsError: A bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
        GoneError: A segment is not there any more.
        StoreError: One cannot be read.
    """
    known = {span.file.name: span.known for span in spans}
    lines: SegmentLines[T] | None = None
    async with aclosing(_blocks(store, spans)) as blocks, aclosing(_made(blocks, apart)) as content:
        async for cut, made in content:
            name = cut.file.name
            if lines is None:
                lines = SegmentLines(store.path(name), known[name], take_of(name), set_aside)
            # In this thread: each other one has a heap of its own, and tables that wander between them leave holes.
            if not cut.is_last:
                lines.feed(cut.block, made)
            covered = lines.covered
            if cut.is_last:
                if warning := lines.end(cut.block):
                    warn(warning)
                lines = None
            yield name, covered


@dataclass(frozen=True, slots=True)
class _Cut:
    """A block of a segment; the last is what has no end."""

    file: Stored
    block: Block
    is_last: bool


async def _blocks(store: Store, spans: Iterable[Span]) -> AsyncGenerator[_Cut, None]:
    cutter = Cutter()
    async with aclosing(pieces(store, [(span.file, span.known.bytes) for span in spans])) as content:
        async for file, piece in content:
            if piece:
                yield _Cut(file, cutter.cut(piece), is_last=False)
            else:
                yield _Cut(file, cutter.end(), is_last=True)
                cutter = Cutter()


async def _made(
    blocks: AsyncGenerator[_Cut, None], apart: MadeApart[T] | None
) -> AsyncGenerator[tuple[_Cut, T | None], None]:
    """Blocks in their order, most of them with what was made of it apart, where the next ones are begun meanwhile."""
    ahead: deque[tuple[_Cut, asyncio.Task[T | None] | None]] = deque()
    due = 0
    try:
        async for cut in blocks:
            making = None
            if apart is not None and not cut.is_last:
                due += 1
                if due % _OWN_SHARE:
                    making = asyncio.create_task(apart(cut.file.name, cut.block.content))
            ahead.append((cut, making))
            if len(ahead) > _MADE_AHEAD:
                yield await _ready(*ahead.popleft())
        while ahead:
            yield await _ready(*ahead.popleft())
    finally:
        made = [making for _, making in ahead if making is not None]
        for making in made:
            making.cancel()
        await asyncio.gather(*made, return_exceptions=True)


async def _ready(cut: _Cut, making: asyncio.Task[T | None] | None) -> tuple[_Cut, T | None]:
    await asyncio.sleep(0)  # what is to be made apart is handed over before we make something ourselves
    return cut, None if making is None else await making
