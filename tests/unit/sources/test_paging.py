"""Rows read in a thread of their own: in order, as they are asked for, and keeping nobody from ending."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from worker.sources.paging import paged


async def test_all_rows_come_in_order_over_many_pages() -> None:
    assert [row async for row in paged(iter(range(2500)))] == list(range(2500))
    nothing: list[int] = []
    assert [row async for row in paged(iter(nothing))] == nothing


async def test_what_reading_raises_is_raised_where_the_rows_are_wanted() -> None:
    def rows() -> Iterator[int]:
        yield 1
        message = "the disk has gone"
        raise OSError(message)

    with pytest.raises(OSError, match="the disk has gone"):
        async for _ in paged(rows()):
            pass


async def test_no_more_is_read_than_the_page_that_is_wanted() -> None:
    read: list[int] = []

    def rows() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    stream = paged(rows())
    assert await anext(stream) == 0
    await stream.aclose()
    assert len(read) <= 1000


async def test_a_pipe_that_says_nothing_holds_up_nobody() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb") as other_end:
        stream = paged(iter(pipe))
        waiting = asyncio.ensure_future(anext(stream))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "rows")
        other_end.write(b"late\n")
