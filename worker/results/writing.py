"""Writing the results log of one process: in groups, in the order of their coming, counted only once durable."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

from worker.batch.record import Record, encode
from worker.results.appending import Appender
from worker.results.patience import Patience
from worker.results.store import StoreError


class ResultsLog:
    """The lines of one process on their way to its segments, which nobody else writes to.

    `append` never waits; `ready` holds back who would append while two groups are not durable, or the store refuses;
    `on_durable` is told of each record once it is durable.
    """

    def __init__(self, appender: Appender, patience: Patience, on_durable: Callable[[Record], None]) -> None:
        self._appender = appender
        self._patience = patience
        self._on_durable = on_durable
        self._backlog = 2 * appender.group_lines
        self._pending: deque[Callable[[], Record]] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._closing = False

    @property
    def pending(self) -> int:
        """How many lines are not durable yet."""
        return len(self._pending)

    def append(self, record: Callable[[], Record]) -> None:
        """Hand over what makes a record, always the same; it counts once it is durable."""
        self._pending.append(record)
        self._arrived.set()
        if len(self._pending) >= self._appender.group_lines:
            self._full.set()
        if len(self._pending) >= self._backlog:
            self._drained.clear()

    @property
    def is_behind(self) -> bool:
        """Whether two groups are not durable, or the store refuses."""
        return not self._drained.is_set()

    async def ready(self) -> None:
        """Wait until the log is not behind."""
        await self._drained.wait()

    def close(self) -> None:
        """Let `write` end once everything handed over is durable."""
        self._closing = True
        self._arrived.set()
        self._full.set()

    async def write(self) -> None:
        """Make records durable as they come, until closed.

        Raises:
            ResultsError: The store has refused for longer than the patience, or lines that were durable are lost.
        """
        try:
            while not (self._closing and not self._pending):
                await self._arrived.wait()
                await self._gather()
                self._arrived.clear()
                self._full.clear()
                if self._pending:
                    await self._commit()
                if self._closing or self._pending:
                    self._arrived.set()
                if self._closing or len(self._pending) >= self._appender.group_lines:
                    self._full.set()
        finally:
            self._appender.close()

    async def _gather(self) -> None:
        # A group costs the same whatever it holds: let it gather, but not for long.
        if not self._full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._appender.group_s):
                    await self._full.wait()

    async def _commit(self) -> None:
        """Make the next group durable. While the store refuses, nothing new is begun."""
        lines = min(self._appender.group_lines, len(self._pending))
        trial = self._patience.begin()
        refused = False
        while True:
            # Made here, a group at once, lines cost half of what they do one by one between requests.
            group = [record() for record in islice(self._pending, lines)]
            try:
                await self._appender.append(b"".join(map(encode, group)))
                break
            except StoreError as error:
                self._drained.clear()
                refused = True
                trial.bear(error)
            if self._appender.shrinks and lines > 1:
                lines //= 2
            else:
                await trial.pause()
        for record in group:
            self._pending.popleft()
            self._on_durable(record)
        # Where only a smaller group did fit, the rest has to fit, too, before anything new is begun.
        if len(self._pending) < self._backlog and not (refused and self._pending):
            self._drained.set()
