"""Which targets a retry is about."""

import msgspec
import pytest

from tests.fakes import TASK, error, numbered, record, tell
from worker.batch.failed import FailedTargets
from worker.batch.ledger import Ledger
from worker.batch.planner import BadSource, BadTask, PlannedTask
from worker.batch.record import ErrorRecord, Record, SourceRecord, Status, decode_brief, encode, milliseconds
from worker.batch.task import Shard, Task, target_digest

WHOLE = Shard(0, 1)
BAD = BadTask("small", BadSource("photos", "/a", "keys.txt:1", "no key"))


def planned(task: Task) -> PlannedTask:
    return PlannedTask(task, target_digest(task.target))


def targets(lines: list[Record], *codes: str, shard: Shard = WHOLE, pruned: bool = False) -> FailedTargets:
    ledger = Ledger(shard)
    for line in lines:
        tell(ledger, line)
    found = FailedTargets(ledger, shard, codes)
    for line in [] if pruned else lines:
        found.add(decode_brief(encode(line)))
    return found


def failed(task: Task = TASK, at_s: int = 0) -> Record:
    return record(task, Status.FAILED, at_s, error=error())


def test_only_what_has_failed_last_is_wanted() -> None:
    other = numbered(2)
    found = targets([failed(), record(TASK, Status.SAVED, 5), record(other, Status.SAVED, 0), failed(other, 5)])
    assert not found.wants(planned(TASK), "")
    assert found.wants(planned(other), "")
    assert not found.wants(planned(numbered(3)), "")
    late = targets([failed(at_s=5), failed(at_s=1)])
    assert late.wants(planned(TASK), "")


def test_a_code_chooses_and_what_was_pruned_is_counted_once() -> None:
    code = error().code
    assert targets([failed()], code).wants(planned(TASK), "")
    assert not targets([failed()], "Other").wants(planned(TASK), "")
    assert targets([failed()], pruned=True).wants(planned(TASK), "")
    lost = targets([failed()], code, pruned=True)
    assert [lost.wants(planned(TASK), "") for _ in range(2)] == [False, False]
    assert lost.unknown == 1


def test_other_shards_are_left_out() -> None:
    shards = [targets([failed()], shard=Shard(index, 2)) for index in range(2)]
    assert sorted(shard.wants(planned(TASK), "") for shard in shards) == [False, True]


def test_a_bad_row_is_wanted_where_it_is_known() -> None:
    assert not targets([]).wants(BAD, "keys.txt:1: no key")
    assert not targets([], "Timeout").wants(BAD, "keys.txt:1: no key")


def bad_row() -> Record:
    said = ErrorRecord("BadRow", 0, "", "keys.txt:1: no key", permanent=True)
    source = SourceRecord("photos", "/a")
    return msgspec.structs.replace(
        record(status=Status.FAILED), task=None, target=None, source=source, error=said, touched=False
    )


@pytest.mark.parametrize(("codes", "expected"), [((), True), (("BadRow", "Other"), True), (("Timeout",), False)])
def test_a_bad_row_is_wanted_by_its_code(codes: tuple[str, ...], expected: bool) -> None:
    found = targets([bad_row()], *codes)
    assert found.wants(BAD, "keys.txt:1: no key") is expected
    assert not found.wants(BAD, "keys.txt:2: no key")


def test_of_failures_without_an_id_the_newest_counts_and_of_one_moment_the_last() -> None:
    lines = [
        msgspec.structs.replace(failed(at_s=at_s), task=None, error=error(code))
        for at_s, code in ((5, "A"), (5, "B"), (1, "C"))
    ]
    assert [code for code in "ABC" if targets(lines, code).wants(planned(TASK), "")] == ["B"]
    # One that is saved later has failed no more.
    assert not targets([*lines, record(TASK, at_s=6)]).wants(planned(TASK), "")


def test_what_was_pruned_is_no_riddle_where_nobody_asks_for_codes() -> None:
    found = targets([failed()], pruned=True)
    assert found.wants(planned(TASK), "")
    assert found.unknown == 0


def test_the_ledger_says_by_which_line_a_target_is_saved() -> None:
    ledger = Ledger(WHOLE)
    digest, task = target_digest(TASK.target), TASK.id(TASK.etag or "")
    assert (ledger.saved, ledger.rests_on(digest, task, 0)) == (0, False)
    first, second = record(), record(at_s=5)
    for line in (first, second):
        tell(ledger, line)
    assert ledger.saved == 1
    assert not ledger.rests_on(digest, task, milliseconds(first.at))
    assert ledger.rests_on(digest, task, milliseconds(second.at))
