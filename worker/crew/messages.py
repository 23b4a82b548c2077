"""What a run and its child processes tell each other, as frames on the pipes between them.

Pickled, for both ends are this very program, and nobody else can write into the pipes, or read them: keys of the local
OSS go through them, too.
"""

import pickle
from asyncio import IncompleteReadError, StreamReader
from dataclasses import dataclass, field
from pathlib import Path

from worker.batch.task import Shard
from worker.connection import Served
from worker.dispatch.outcome import Outcome
from worker.dispatch.stopping import Reason
from worker.dispatch.tally import Tally
from worker.errors import Exit
from worker.execution import Order
from worker.settings import Settings
from worker.snapshot import Flow

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """To the child, first of all: the tasks in a spool are its own, those of `part`, a part of the order's shard.

    `parallelism` processes share the limits. `predecessors` did some of them before they were killed: what they wrote
    begins with these.
    """

    order: Order
    settings: Settings
    served: Served | None = field(repr=False)
    part: Shard
    parallelism: int
    spool: Path
    predecessors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Halt:
    """To the child: stop, for this reason. `hurries`: what is on its way shall not be waited for either."""

    reason: Reason
    hurries: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """From the child: a line of the log."""

    level: int
    message: str
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Counted:
    """From the child, now and then: what it has done so far, without its columns, and what it sends."""

    tally: Tally
    flow: Flow


@dataclass(frozen=True, slots=True)
class Ended:
    """From the child, last of all."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Gave:
    """From the child, last of all: it ended before its first task."""

    exit_code: Exit
    message: str


Message = Start | Halt | Said | Counted | Ended | Gave


def packed(message: Message) -> bytes:
    """The frame of a message."""
    data = pickle.dumps(message)
    return len(data).to_bytes(_LENGTH_BYTES) + data


async def received(reader: StreamReader) -> Message | None:
    """The next message; None where the other end has closed, be it in the middle of one."""
    try:
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH_BYTES)))
    except IncompleteReadError:
        return None
    message: Message = pickle.loads(data)  # noqa: S301 - the other end is this program, see above
    return message
