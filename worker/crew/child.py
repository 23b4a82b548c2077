"""What a child process does: the tasks of its spool, less those that its predecessors have recorded in this run."""

import asyncio
import logging
import os
from asyncio import StreamReader
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from worker.connection import connect
from worker.crew.messages import Counted, Ended, Gave, Halt, Message, Said, Start, received
from worker.crew.recorded import Recorded
from worker.dispatch.outcome import Outcome
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.errors import WorkerError
from worker.execution import Execution
from worker.planning import read_ledger
from worker.snapshot import Flow
from worker.sources.enumeration import Planned
from worker.sources.spool import Spool
from worker.storage import open_store
from worker.tending import watched_planning

_COUNT_EVERY_S = 0.2
Send = Callable[[Message], None]


async def work(reader: StreamReader, send: Send) -> None:
    """Do what the first message says, and hear what comes after it; tell of the end in the last message."""
    start = await received(reader)
    if not isinstance(start, Start):
        return  # the parent was killed before it said anything
    stop = Stop()
    hearing = asyncio.create_task(_hear(reader, stop), name="hear")
    try:
        send(Ended(await _done(start, stop, send)))
    except WorkerError as error:
        send(Gave(error.exit_code, str(error)))
    finally:
        hearing.cancel()


async def _hear(reader: StreamReader, stop: Stop) -> None:
    while isinstance(message := await received(reader), Halt):
        _stop_once(stop, message.reason)
        if message.hurries:
            stop.hurry()
    # The parent was killed: nobody would count what is done from now on, but what is on its way is recorded.
    _stop_once(stop, Reason.SIGNAL)


def _stop_once(stop: Stop, reason: Reason) -> None:
    """Stop, unless that is known: of two signals the second would be a hurry."""
    if stop.reason is None:
        stop.throw(reason)


async def _done(start: Start, stop: Stop, send: Send) -> Outcome:
    def log(message: str, level: int = logging.INFO, **fields: object) -> None:
        send(Said(level, message, fields))

    settings, order, before = start.settings, start.order, Recorded()
    async with connect(
        settings, os.environ, stop, start.parallelism, log, order.sites, served=start.served
    ) as connection:
        store = open_store(settings, order.job, connection)
        try:
            async with watched_planning(connection, settings.shutdown.stall_s):
                # To their end, for what is told of the run counts them, though it is stopped meanwhile.
                recorded = open_store(settings, order.job, connection, even_if_stopping=True)
                await before.read(recorded, start.predecessors)
                ledger = await read_ledger(store, start.part, stop, lambda text: log(text, logging.WARNING))
            if order.limit is not None:
                order = replace(order, limit=max(0, order.limit - before.sent))
            execution = Execution(order, settings, connection, store, ledger, log)
            execution.tally.add(before.tally)
            outcome = await _executed(execution, start, before, connection.flow, send)
            outcome = replace(outcome, sent=before.sent + outcome.sent)
        except Cut:
            outcome = before.outcome(stop)
        return replace(outcome, requests=connection.requests, events=connection.events.all)


async def _executed(
    execution: Execution, start: Start, before: Recorded, flow: Callable[[], Flow], send: Send
) -> Outcome:
    counting = asyncio.create_task(_count(execution, flow, send), name="count")
    spool = Spool(start.spool)
    try:
        await execution.work(_left(spool, before, execution), lambda: 0)
    finally:
        counting.cancel()
        spool.close()
    return execution.outcome()


async def _count(execution: Execution, flow: Callable[[], Flow], send: Send) -> None:
    while True:
        await asyncio.sleep(_COUNT_EVERY_S)
        send(Counted(execution.tally.counts, flow()))


async def _left(spool: Spool, before: Recorded, execution: Execution) -> AsyncGenerator[Planned, None]:
    async with aclosing(spool.tasks()) as tasks:
        async for planned in tasks:
            if planned in before:
                execution.tally.planned += 1
            else:
                yield planned
