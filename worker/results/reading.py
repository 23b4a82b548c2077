"""Reading the results log of a job: its segments one after the other, some pieces ahead."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from worker.batch.segment import in_order, is_segment
from worker.results.lines import NOTHING, BadLine, Covered, SegmentLines, Take, refuse
from worker.results.store import Store, Stored

PIECE_BYTES = 4 << 20
_AHEAD = 4


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
    take_of: Callable[[str], Take],
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
    *,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Covered]:
    """Read segments; returns how much of each was read. See `steps`; `enough` may end it after any piece."""
    covered: dict[str, Covered] = {}
    async with aclosing(steps(store, spans, take_of, warn, set_aside)) as read:
        async for name, done in read:
            covered[name] = done
            if enough():
                break
    return covered


async def steps(
    store: Store,
    spans: Iterable[Span],
    take_of: Callable[[str], Take],
    warn: Callable[[str], None],
    set_aside: Callable[[BadLine], None] = refuse,
) -> AsyncGenerator[tuple[str, Covered], None]:
    """Read segments, a piece each step; tells how much of which is read. `take_of` makes what takes the lines of one.

    What follows the last valid line of a segment is the end of a write that was cut off: left out, with a warning.

    Raises:
        ResultsError: A bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
        GoneError: A segment is not there any more.
        StoreError: One cannot be read.
    """
    known = {span.file.name: span.known for span in spans}
    lines: SegmentLines | None = None
    async with aclosing(pieces(store, [(span.file, span.known.bytes) for span in spans])) as content:
        async for file, piece in content:
            if lines is None:
                lines = SegmentLines(store.path(file.name), known[file.name], take_of(file.name), set_aside)
            # In this thread: each other one has a heap of its own, and tables that wander between them leave holes.
            lines.feed(piece)
            covered = lines.covered
            if not piece:
                if warning := lines.end():
                    warn(warning)
                lines = None
            yield file.name, covered
