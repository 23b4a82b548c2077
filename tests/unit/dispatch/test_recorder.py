"""Results and bad rows as lines that can be read again."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.fakes import EPOCH, TASK, loop_clock
from tests.fakes import in_virtual_time as virtually
from worker.batch.planner import BadTask, bad_source
from worker.batch.record import Record, Status, decode, encode, milliseconds, timestamp
from worker.batch.task import Shard
from worker.dispatch.decider import Result
from worker.dispatch.recorder import Recorder, bad_row_message
from worker.oss.verdict import failure

RESULT = Result(
    TASK,
    TASK.id("E1"),
    Status.SAVED,
    "E1",
    1000,
    target_size=42,
    attempts=2,
    tries={"Timeout": 1},
    request_id="R1",
    duration_s=0.0417,
    touched=True,
)


def recorded(*results: Result | BadTask, newest_ms: int = 0) -> list[Record]:
    async def main() -> list[Record]:
        lines: list[Callable[[], Record]] = []
        recorder = Recorder(lines.append, loop_clock(), "copies", "run-1", str(Shard(1, 4)), lambda _: newest_ms)
        for result in results:
            if isinstance(result, Result):
                recorder.record(result)
            else:
                recorder.record_bad(result)
        return [line() for line in lines]

    lines = virtually(main())
    assert [decode(encode(line)) for line in lines] == lines
    return lines


def test_a_saved_task_is_a_line_with_all_that_is_known() -> None:
    (line,) = recorded(RESULT)
    assert (line.task, line.status, line.shard, line.run, line.job) == (
        TASK.id("E1").hex(),
        Status.SAVED,
        "1/4",
        "run-1",
        "copies",
    )
    assert (line.source.key, line.source.etag, line.source.size) == ("a.jpg", "E1", 1000)
    assert line.target is not None
    assert (line.target.key, line.target.size, line.duration_ms) == ("small/a.jpg", 42, 41.7)
    assert (line.attempts, line.tries, line.at, line.error) == (2, {"Timeout": 1}, timestamp(EPOCH), None)


@pytest.mark.parametrize(("ahead_ms", "written_ms"), [(-1, 0), (0, 1), (3_600_000, 3_600_001)])
def test_a_line_is_newer_than_all_others_of_its_target_whatever_clock_wrote_them(
    ahead_ms: int, written_ms: int
) -> None:
    now_ms = milliseconds(timestamp(EPOCH))
    (line,) = recorded(RESULT, newest_ms=now_ms + ahead_ms)
    assert milliseconds(line.at) == now_ms + written_ms


def test_a_failed_task_says_why_and_whether_its_target_was_touched() -> None:
    why = failure("TargetExists", "it \udcff is there")
    line, other = recorded(
        replace(RESULT, status=Status.FAILED, error=why, touched=False), replace(RESULT, id=None, error=why)
    )
    assert line.error is not None
    assert (line.error.code, line.error.permanent, line.touched) == ("TargetExists", True, False)
    assert line.error.message == "it \\udcff is there"
    assert other.task is None


def test_a_bad_row_has_its_place_and_neither_task_nor_target() -> None:
    bad = BadTask("small", bad_source("photos", "a\udcff.jpg", "keys.txt:7", "an object key is UTF-8 text"))
    (line,) = recorded(bad)
    assert (line.task, line.target, line.status, line.touched) == (None, None, Status.FAILED, False)
    assert line.source.key == "a\\udcff.jpg"
    assert line.error is not None
    assert line.error.message == bad_row_message(bad) == "keys.txt:7: an object key is UTF-8 text"
