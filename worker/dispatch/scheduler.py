"""The scheduler: `concurrency` consumers over one stream of tasks, of which a feeder keeps some at hand."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Generic, Protocol, TypeVar

from worker.dispatch.stopping import Cut, Stop

T = TypeVar("T")
R = TypeVar("R")


class Backlog(Protocol):
    """What has been done and is not recorded yet, as the results log knows it."""

    @property
    def is_behind(self) -> bool:
        """Whether there is too much of it."""

    async def ready(self) -> None:
        """Wait until there is not."""


class Scheduler(Generic[T, R]):
    """Keeps at most `concurrency` tasks alive, each from its arrival to its recorded result.

    No task is taken while there is too much of a `backlog`. `record` is called in the same step of
    the event loop in which a result becomes known: nothing can come between. `closed`: no more was to be taken.

    As many tasks as consumers are at hand at most. Where each consumer asked the stream itself they would queue for it,
    and a queue that has formed once stays, with a round of the event loop for each of its steps.
    """

    def __init__(
        self,
        perform: Callable[[T], Awaitable[R]],
        record: Callable[[T, R], None],
        backlog: Backlog,
        stop: Stop,
    ) -> None:
        self._perform = perform
        self._record = record
        self._backlog = backlog
        self._stop = stop
        self._at_hand: deque[T] = deque()
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._ended = False
        self.closed = False

    @property
    def complete(self) -> bool:
        """Whether the stream has ended, and every task was taken."""
        return self._ended and not self._at_hand

    def close(self) -> None:
        """Take no more tasks; those that were taken are finished."""
        self.closed = True
        self._arrived.set()

    async def run(self, tasks: AsyncIterator[T], concurrency: int, grace_s: float) -> None:
        """Work until the stream ends, or until a stop is thrown and what was on its way has come back.

        After a stop, tasks still on their way `grace_s` later are cut off.
        """
        feeder = asyncio.create_task(self._feed(tasks, concurrency), name="feeder")
        consumers = [asyncio.create_task(self._consume(), name=f"consumer {number}") for number in range(concurrency)]
        overseer = asyncio.create_task(self._oversee(consumers, grace_s), name="overseer")
        try:
            feeder.add_done_callback(partial(_end_with, consumers))
            await asyncio.wait(consumers, return_when=asyncio.FIRST_EXCEPTION)
            for ended in (feeder, *consumers):
                if _failed(ended):
                    ended.result()
        finally:
            for each in (overseer, feeder, *consumers):
                each.cancel()
            await asyncio.gather(overseer, feeder, *consumers, return_exceptions=True)

    async def _oversee(self, consumers: list[asyncio.Task[None]], grace_s: float) -> None:
        await self._stop.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._stop.wait_for_hurry()
        for consumer in consumers:
            consumer.cancel()

    async def _feed(self, tasks: AsyncIterator[T], at_most: int) -> None:
        with suppress(Cut), self._stop.cuts():
            while not self.closed:
                async for task in tasks:
                    self._at_hand.append(task)
                    self._arrived.set()
                    if len(self._at_hand) >= at_most:
                        break
                else:
                    self._ended = True
                    self._arrived.set()
                    return
                self._wanted.clear()
                await self._wanted.wait()

    async def _consume(self) -> None:
        while True:
            if self._backlog.is_behind or not self._at_hand or self._stop.reason:
                try:
                    with self._stop.cuts():
                        await self._wait_for_more()
                except Cut:
                    return
            if self.closed or not self._at_hand:
                return
            task = self._at_hand.popleft()
            if not self._at_hand:
                self._wanted.set()
            try:
                result = await self._perform(task)
            except Cut:
                return
            self._record(task, result)

    async def _wait_for_more(self) -> None:
        await self._backlog.ready()
        while not (self._at_hand or self._ended or self.closed):
            self._arrived.clear()
            await self._arrived.wait()


def _end_with(consumers: Sequence[asyncio.Task[None]], feeder: asyncio.Task[None]) -> None:
    """Nobody waits for tasks that cannot come any more."""
    if _failed(feeder):
        for consumer in consumers:
            consumer.cancel()


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
