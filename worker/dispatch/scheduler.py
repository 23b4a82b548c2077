"""The scheduler: `concurrency` consumers over one stream of tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from worker.dispatch.stopping import Cut, Stop

T = TypeVar("T")
R = TypeVar("R")


class Scheduler(Generic[T, R]):
    """Keeps at most `concurrency` tasks alive, each from its arrival to its recorded result.

    `ready` is waited for before a task is taken (the results log may be behind). `record` is called in the same step of
    the event loop in which a result becomes known: nothing can come between. `complete`: the stream has ended;
    `closed`: no more was to be taken from it.
    """

    def __init__(
        self,
        perform: Callable[[T], Awaitable[R]],
        record: Callable[[R], None],
        ready: Callable[[], Awaitable[None]],
        stop: Stop,
    ) -> None:
        self._perform = perform
        self._record = record
        self._ready = ready
        self._stop = stop
        self._turn = asyncio.Lock()
        self.closed = False
        self.complete = False

    def close(self) -> None:
        """Take no more tasks; those that were taken are finished."""
        self.closed = True

    async def run(self, tasks: AsyncIterator[T], concurrency: int, grace_s: float) -> None:
        """Work until the stream ends, or until a stop is thrown and what was on its way has come back.

        After a stop, tasks still on their way `grace_s` later are cut off. `complete` tells whether the stream ended.
        """
        consumers = [
            asyncio.create_task(self._consume(tasks), name=f"consumer {number}") for number in range(concurrency)
        ]
        overseer = asyncio.create_task(self._oversee(consumers, grace_s), name="overseer")
        try:
            await asyncio.wait(consumers, return_when=asyncio.FIRST_EXCEPTION)
            for consumer in consumers:
                if consumer.done() and not consumer.cancelled():
                    consumer.result()
        finally:
            overseer.cancel()
            for consumer in consumers:
                consumer.cancel()
            await asyncio.gather(overseer, *consumers, return_exceptions=True)

    async def _oversee(self, consumers: list[asyncio.Task[None]], grace_s: float) -> None:
        await self._stop.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._stop.wait_for_hurry()
        for consumer in consumers:
            consumer.cancel()

    async def _consume(self, tasks: AsyncIterator[T]) -> None:
        while True:
            try:
                task = await self._next(tasks)
            except Cut:
                return
            if task is None:
                return
            try:
                result = await self._perform(task)
            except Cut:
                return
            self._record(result)

    async def _next(self, tasks: AsyncIterator[T]) -> T | None:
        with self._stop.cuts():
            await self._ready()
            async with self._turn:
                if self.closed or self.complete:
                    return None
                task = await anext(tasks, None)
                self.complete = task is None
                return task
