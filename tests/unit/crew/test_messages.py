"""What processes of a run tell each other arrives whole, or not at all."""

import asyncio
import logging
from pathlib import Path

import pytest

from worker.batch.task import Shard
from worker.crew.messages import Counted, Ended, Gave, Halt, Message, Said, Start, packed, received
from worker.dispatch.outcome import Outcome, Trouble
from worker.dispatch.stopping import Reason
from worker.dispatch.tally import Tally
from worker.errors import Exit
from worker.execution import Order
from worker.oss.signing import Credentials
from worker.settings import Settings
from worker.snapshot import Flow
from worker.timeline import Event

SECRET = "made-up-secret-77aa"
START = Start(
    order=Order(job="copies", run="r", proc="p", shard=Shard(0, 1), existing="replace"),
    settings=Settings(endpoint="local"),
    served=("http://127.0.0.1:1", Credentials("id", SECRET)),
    part=Shard(1, 2),
    parallelism=2,
    spool=Path("spool"),
    predecessors=("r/0-of-1.q",),
)
MESSAGES: list[Message] = [
    START,
    Halt(Reason.SIGNAL),
    Halt(Reason.DURATION, hurries=True),
    Said(logging.WARNING, "attempt failed", {"key": "a\udc80.jpg"}),
    Counted(Tally(planned=3), Flow(sent=7, held=("26 of 37 in flight",), event=Event("now", "CpuLimitExceeded"))),
    Ended(Outcome(tally=Tally(), complete=False, stopped=Reason.PEER, troubles=[Trouble(Exit.RESULTS, "disk full")])),
    Gave(Exit.REFUSED, "no"),
]


async def test_messages_arrive_as_they_were_sent_however_they_are_cut() -> None:
    for size in (1, 7, 4096):
        reader, frames = asyncio.StreamReader(), b"".join(map(packed, MESSAGES))
        for start in range(0, len(frames), size):
            reader.feed_data(frames[start : start + size])
        reader.feed_eof()
        assert [await received(reader) for _ in MESSAGES] == MESSAGES
        assert await received(reader) is None


@pytest.mark.parametrize("cut", [1, 3, 4, 5, -1])
async def test_half_a_message_is_none(cut: int) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(packed(START)[:cut])
    reader.feed_eof()
    assert await received(reader) is None


def test_no_repr_tells_the_keys() -> None:
    assert SECRET not in repr(START)
