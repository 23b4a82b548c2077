"""Reading rows in a thread of their own, a page at a time, so that a slow file or pipe holds up nobody else."""

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
_PAGE = 1000


async def paged(rows: Iterator[T]) -> AsyncGenerator[T, None]:
    """The rows, in order. What reading raises is raised here.

    The thread is a daemon: one that waits for standard input cannot be called back, and keeps nobody from ending.
    """
    loop = asyncio.get_running_loop()
    asked: queue.SimpleQueue[asyncio.Future[list[T]] | None] = queue.SimpleQueue()

    def read() -> None:
        while (answer := asked.get()) is not None:
            try:
                page = list(islice(rows, _PAGE))
            except Exception as error:  # noqa: BLE001 - handed to who waits
                _hand_over(loop, answer, error)
            else:
                _hand_over(loop, answer, page)

    threading.Thread(target=read, name="rows", daemon=True).start()
    try:
        while True:
            answer: asyncio.Future[list[T]] = loop.create_future()
            asked.put(answer)
            page = await answer
            if not page:
                return
            for row in page:
                yield row
    finally:
        asked.put(None)


async def in_thread(read: Callable[[], T]) -> T:
    """What a single reading gives, in a thread as above."""
    return await anext(paged(read() for _ in range(1)))


def _hand_over(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[list[T]]", found: list[T] | Exception) -> None:
    def settle() -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    with suppress(RuntimeError):  # the loop is closed: the program has ended meanwhile
        loop.call_soon_threadsafe(settle)
