"""What goes on beside the tasks of a command: their lines become durable, and a watchdog looks for progress."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from worker.batch.columns import Columns
from worker.connection import Connection
from worker.dispatch.stopping import Reason, Stop
from worker.dispatch.watchdog import watch
from worker.errors import StoppedError, WorkerError
from worker.results.writing import ResultsLog

_NOTED_EVERY_S = 1.0


@asynccontextmanager
async def being_written(log: ResultsLog, stop: Stop, trouble: list[WorkerError]) -> AsyncIterator[None]:
    """Within, lines become durable as they come; at the end all are, or `trouble` tells why not."""

    def ended(writer: asyncio.Task[None]) -> None:
        error = None if writer.cancelled() else writer.exception()
        if isinstance(error, WorkerError):
            trouble.append(error)
        if error is not None:
            stop.throw(Reason.RESULTS)

    writer = asyncio.create_task(log.write(), name="results log")
    writer.add_done_callback(ended)
    try:
        yield
    finally:
        log.close()
        await asyncio.wait([writer])
    if (error := writer.exception()) is not None and error not in trouble:
        raise error


@asynccontextmanager
async def watched(connection: Connection, progress: Callable[[], object], stall_s: float) -> AsyncIterator[None]:
    """Within, the command is stopped once nothing has happened for `stall_s`, though nothing holds it back.

    `progress` gives something that changes with whatever happens beside requests.
    """

    def stalled(waits: str) -> None:
        error = StoppedError(f"nothing has happened for {stall_s:g} s; what waits:\n{waits}")
        connection.stop.throw(Reason.STALL, error)

    def happened() -> object:
        if connection.outage.paused or connection.throttle.is_holding:
            return None
        return sum(connection.requests.values()), progress()

    watchdog = asyncio.create_task(watch(happened, stalled, stall_s, time.monotonic, asyncio.sleep), name="watchdog")
    try:
        yield
    finally:
        watchdog.cancel()


@asynccontextmanager
async def limits_noted(connection: Connection, columns: Columns) -> AsyncIterator[None]:
    """Within, the limits are noted down over time."""

    async def note() -> None:
        while True:
            now_s = connection.clock.monotonic()
            columns.at(connection.clock.stamp()).narrow(connection.limits.now(now_s))
            await asyncio.sleep(_NOTED_EVERY_S)

    noting = asyncio.create_task(note(), name="limits")
    try:
        yield
    finally:
        noting.cancel()


def watched_planning(connection: Connection, stall_s: float) -> AbstractAsyncContextManager[None]:
    """As `watched`, while the log or the sources are read: who reads files sends nothing, but computes.

    A tenth of a second of it is far more than it takes to wait.
    """
    return watched(connection, lambda: round(time.process_time(), 1), stall_s)
