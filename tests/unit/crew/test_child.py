"""A child process that is told to stop, or whose parent is killed: how it ends."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from tests.e2e.desk import KEYS, until
from tests.fakes import numbered
from tests.stand_in import StandIn
from worker.batch.planner import PlannedTask
from worker.batch.task import Shard, target_digest
from worker.crew.messages import Halt, Start, packed
from worker.dispatch.stopping import Reason
from worker.execution import Order
from worker.settings import Settings, Shutdown
from worker.sources.spool import Spool


def start_of(directory: Path, url: str, grace_s: float) -> Start:
    """One task to do."""
    spool = Spool.create(directory / "spool")
    spool.add(PlannedTask(numbered(1), target_digest(numbered(1).target)))
    spool.write()
    spool.written()
    spool.close()
    return Start(
        order=Order(job="copies", run="run-1", proc="aaaaaaaa", shard=Shard(0, 1), existing="replace"),
        settings=Settings(endpoint=url, results=str(directory / "results"), shutdown=Shutdown(grace_s=grace_s)),
        served=None,
        part=Shard(0, 1),
        parallelism=1,
        spool=directory / "spool",
        predecessors=(),
    )


async def begun(start: Start) -> Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker.crew",
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        env={**os.environ, **KEYS},
    )
    assert child.stdin is not None
    child.stdin.write(packed(start))
    return child


async def said_at_its_end(child: Process) -> str:
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.close()
    async with asyncio.timeout(60):
        said = (await child.stderr.read()).decode()
        assert await child.wait() == 0, said
    return said


async def test_where_the_parent_is_killed_while_it_drains_what_is_on_its_way_is_recorded(tmp_path: Path) -> None:
    async with StandIn({"photos": {"1.jpg": "E1"}, "renditions": {}}, delay_s=2) as server:
        child = await begun(start_of(tmp_path, server.url, grace_s=60))
        await until(lambda: server.posts)
        assert child.stdin is not None
        child.stdin.write(packed(Halt(Reason.SIGNAL)))
        assert not await said_at_its_end(child)
    (segment,) = (tmp_path / "results").glob("copies/run-1/*.jsonl")
    assert b'"saved"' in segment.read_bytes()


async def test_a_hurry_ends_the_drain_whatever_the_reason_of_the_stop(tmp_path: Path) -> None:
    async with StandIn({"photos": {"1.jpg": "E1"}, "renditions": {}}, delay_s=300) as server:
        child = await begun(start_of(tmp_path, server.url, grace_s=300))
        await until(lambda: server.posts)
        assert child.stdin is not None
        child.stdin.write(packed(Halt(Reason.DURATION)) + packed(Halt(Reason.DURATION, hurries=True)))
        assert not await said_at_its_end(child)
    assert not list((tmp_path / "results").glob("copies/run-1/*.jsonl"))
