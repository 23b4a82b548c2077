"""What killed processes have recorded is counted, and is not waited for without end."""

import asyncio

import pytest

from tests.fakes import in_virtual_time, now_s, numbered, record
from tests.unit.results.objects import Objects
from worker.batch.planner import PlannedTask
from worker.batch.record import Status, encode
from worker.batch.task import target_digest
from worker.crew.recorded import Recorded
from worker.dispatch.stopping import Reason, Stop
from worker.errors import ResultsError

STEM = "run-1/0-of-1.aaaaaaaa"


def a_log() -> Objects:
    """Two processes: one has saved a target and skipped another, one has saved a third."""
    mine = encode(record(numbered(1))) + encode(record(numbered(2), Status.SKIPPED, attempts=0))
    other = encode(record(numbered(3)))
    contents = {f"logs/copies/{STEM}.0.jsonl": mine, "logs/copies/run-1/0-of-1.bbbbbbbb.0.jsonl": other}
    return Objects(contents)


def test_the_lines_of_the_killed_are_counted_and_their_tasks_known() -> None:
    async def main() -> None:
        recorded, stop = Recorded(), Stop()
        await recorded.read(a_log().store(), (STEM,))
        stop.throw(Reason.PEER)
        outcome = recorded.outcome(stop)
        assert (outcome.tally.planned, outcome.tally.saved, outcome.tally.skipped, outcome.sent) == (2, 1, 1, 1)
        planned = [PlannedTask(numbered(number), target_digest(numbered(number).target)) for number in (1, 2, 3)]
        assert [one in recorded for one in planned] == [True, True, False]

    in_virtual_time(main())


def test_a_store_that_does_not_answer_is_waited_for_as_long_as_the_patience_lasts() -> None:
    async def main() -> None:
        objects = a_log()
        objects.meanwhile[2] = lambda: asyncio.sleep(1e6)
        with pytest.raises(ResultsError, match="nothing has come for 7 s"):
            await Recorded().read(objects.store(), (STEM,), 7)
        assert now_s() == 7

    in_virtual_time(main())


def test_a_store_that_is_slow_but_answers_is_read_to_its_end() -> None:
    async def main() -> None:
        objects, recorded = a_log(), Recorded()
        for number in range(2, 9):
            objects.contents[f"logs/copies/{STEM}.{number}.jsonl"] = encode(record(numbered(number + 10)))
        asked = 20
        objects.meanwhile.update({number: lambda: asyncio.sleep(5) for number in range(asked)})
        await recorded.read(objects.store(), (STEM,), 31)
        assert recorded.tally.saved == 8
        assert now_s() > 31

    in_virtual_time(main())
