"""The supervision of processes that do not even begin, or of which nobody can tell what they have done."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.fakes import refused
from tests.unit.results.objects import Objects
from worker.batch.task import Shard
from worker.crew.messages import Start
from worker.crew.supervision import Crew
from worker.dispatch.outcome import Outcome
from worker.dispatch.stopping import Reason, Stop
from worker.errors import Exit
from worker.execution import Order
from worker.settings import Settings


def log(message: str, level: int = 0, **fields: object) -> None:
    pass


async def outcomes(stop: Stop, objects: Objects) -> list[Outcome]:
    starts = [
        Start(
            order=Order(job="copies", run="run-1", proc="", shard=Shard(0, 1), existing="replace"),
            settings=Settings(endpoint="http://127.0.0.1:9", results_patience_s=1),
            served=None,
            part=Shard(number, 2),
            parallelism=2,
            spool=Path("spool"),
            predecessors=(),
        )
        for number in range(2)
    ]
    return await Crew(starts, objects.store(), stop, log).work()


async def test_processes_that_do_not_start_end_the_run_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    stop = Stop()
    for outcome in await outcomes(stop, Objects()):
        (trouble,) = outcome.troubles
        assert (trouble.exit_code, outcome.complete) == (Exit.UNEXPECTED, False)
        assert "does not start: No such file" in trouble.message
    assert stop.reason is Reason.PEER


async def test_where_the_lines_of_the_dead_cannot_be_read_all_outcomes_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    found = await outcomes(Stop(), Objects(trouble=lambda _: refused(503, "ServiceUnavailable")))
    assert len(found) == 2
    for outcome in found:
        assert not outcome.complete
        assert Exit.RESULTS in [trouble.exit_code for trouble in outcome.troubles]
    messages = [trouble.message for outcome in found for trouble in outcome.troubles]
    assert any("ended with exit 1, again and again" in message for message in messages)
