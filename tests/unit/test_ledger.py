"""The rule of the newest line."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.fakes import tell
from worker.batch.fact import SIZE, reranked
from worker.batch.ledger import Ledger
from worker.batch.record import BAD_ROW, ErrorRecord, Record, SourceRecord, Status, TargetRecord
from worker.batch.task import Shard, target_digest
from worker.oss.names import ObjectRef

ALL = Shard(0, 1)
A, B = "a" * 32, "b" * 32
TARGETS = [ObjectRef("renditions", f"{number}.jpg") for number in range(3)]
SAVED, FAILED, SKIPPED, MISSING, ALTERED = Status


@dataclass(frozen=True)
class Line:
    """What the ledger looks at."""

    status: Status
    task: str = A
    at: int = 0  # seconds
    target: int = 0
    permanent: bool = False
    touched: bool = True

    def record(self) -> Record:
        target = TARGETS[self.target]
        return Record(
            schema=1,
            task=self.task,
            status=self.status,
            job="j",
            run="r",
            shard="0/1",
            pipeline="p",
            source=SourceRecord("photos", "a.jpg"),
            process="image/rotate,90",
            target=TargetRecord(target.bucket, target.key),
            attempts=1,
            tries={},
            request_id="",
            duration_ms=1.0,
            at=f"2026-11-22T23:{self.at // 60:02}:{self.at % 60:02}.000Z",
            error=ErrorRecord("Any", 400, "", "", self.permanent) if self.status is FAILED else None,
            touched=self.touched,
        )


def ledger_of(*lines: Line, shard: Shard = ALL) -> Ledger:
    ledger = Ledger(shard)
    for line in lines:
        tell(ledger, line.record())
    return ledger


def done(ledger: Ledger, task: str, target: int = 0) -> bool:
    return ledger.is_done(target_digest(TARGETS[target]), bytes.fromhex(task))


def refused(ledger: Ledger, task: str, target: int = 0) -> bool:
    return ledger.failed_for_good(target_digest(TARGETS[target]), bytes.fromhex(task))


def test_an_empty_log_knows_nothing() -> None:
    ledger = Ledger(ALL)
    assert not done(ledger, A)
    assert not refused(ledger, A)
    assert not ledger.knows(target_digest(TARGETS[0]))
    assert len(ledger) == 0


def test_a_saved_task_is_done_and_no_other_of_its_target_is() -> None:
    ledger = ledger_of(Line(SAVED, A))
    assert done(ledger, A)
    assert not done(ledger, B)
    assert not done(ledger, A, target=1)
    assert ledger.knows(target_digest(TARGETS[0]))
    assert len(ledger) == 1


def test_what_was_found_missing_or_altered_is_lost_until_it_is_written_again() -> None:
    found = [Line(SAVED, A), Line(MISSING, A, at=1), Line(SAVED, A, target=1), Line(ALTERED, A, at=1, target=1)]
    ledger = ledger_of(*found, Line(SKIPPED, A, at=2))  # a line that is left out stands beside what was found
    assert (ledger.saved, ledger.lost) == (0, 2)
    ledger = ledger_of(*found, Line(SAVED, A, at=2), Line(FAILED, A, at=2, target=1))
    assert (ledger.saved, ledger.lost) == (1, 0)


def test_recipe_a_then_b_then_a_again_is_work_each_time() -> None:
    a, b = Line(SAVED, A, at=0), Line(SAVED, B, at=1)
    assert not done(ledger_of(a), B)
    assert not done(ledger_of(a, b), A)
    assert done(ledger_of(a, b), B)
    again = ledger_of(a, b, Line(SAVED, A, at=2))
    assert done(again, A)
    assert not done(again, B)


@pytest.mark.parametrize(
    ("newer", "still_done"),
    [
        (Line(SKIPPED, A, at=1), True),
        (Line(SKIPPED, B, at=1), True),
        (Line(FAILED, B, at=1, touched=False), True),
        (Line(FAILED, A, at=1, touched=False, permanent=True), True),
        (Line(FAILED, B, at=1), False),  # it may have been saved all the same
        (Line(FAILED, A, at=1, permanent=True), False),
        (Line(MISSING, A, at=1), False),
        (Line(ALTERED, A, at=1), False),
        (Line(SAVED, B, at=1), False),
    ],
)
def test_what_may_have_changed_the_target_undoes_a_task_and_nothing_else_does(newer: Line, still_done: bool) -> None:
    older = Line(SAVED, A, at=0)
    assert done(ledger_of(older, newer), A) is still_done
    # The order of reading is not the order of time.
    assert done(ledger_of(newer, older), A) is still_done


@pytest.mark.parametrize("status", [MISSING, ALTERED])
def test_a_target_that_is_gone_or_altered_is_still_known(status: Status) -> None:
    assert ledger_of(Line(status)).knows(target_digest(TARGETS[0]))


@pytest.mark.parametrize("line", [Line(SKIPPED), Line(FAILED, touched=False)])
def test_a_target_that_was_never_written_is_not_known(line: Line) -> None:
    ledger = ledger_of(line)
    assert not ledger.knows(target_digest(TARGETS[0]))
    assert not done(ledger, A)


def test_of_lines_of_one_time_the_later_one_is_newer() -> None:
    assert done(ledger_of(Line(SAVED, A), Line(SAVED, B)), B)
    assert done(ledger_of(Line(SAVED, B), Line(SAVED, A)), A)
    assert not done(ledger_of(Line(SAVED, A), Line(MISSING, A)), A)
    assert refused(ledger_of(Line(SAVED, A), Line(FAILED, A, permanent=True)), A)
    assert not refused(ledger_of(Line(FAILED, A, permanent=True), Line(SAVED, A)), A)


@pytest.mark.parametrize("touched", [True, False])
def test_a_permanent_failure_counts_for_its_task_while_it_is_the_newest_line(touched: bool) -> None:
    failure = Line(FAILED, A, at=1, permanent=True, touched=touched)
    assert refused(ledger_of(failure), A)
    assert not refused(ledger_of(failure), B)
    assert not refused(ledger_of(failure), A, target=1)
    for newer in (Line(SKIPPED, A, at=2), Line(SAVED, B, at=2), Line(FAILED, A, at=2), Line(MISSING, A, at=2)):
        assert not refused(ledger_of(failure, newer), A)
        assert not refused(ledger_of(newer, failure), A)


def test_done_and_failed_for_good_can_both_hold_where_nothing_was_touched() -> None:
    # A is saved; then B was tried, and declined: the target still holds A.
    ledger = ledger_of(Line(SAVED, A, at=0), Line(FAILED, B, at=1, permanent=True, touched=False))
    assert done(ledger, A)
    assert refused(ledger, B)


def test_a_failure_that_may_be_retried_is_not_for_good() -> None:
    assert not refused(ledger_of(Line(FAILED, A)), A)


@given(st.integers(1, 5))
def test_a_shard_holds_its_own_targets_only(count: int) -> None:
    lines = [Line(SAVED, A, target=number) for number in range(len(TARGETS))]
    ledgers = [ledger_of(*lines, shard=Shard(index, count)) for index in range(count)]
    assert sum(map(len, ledgers)) == len(TARGETS)
    for number, target in enumerate(TARGETS):
        holders = [ledger for ledger in ledgers if ledger.knows(target_digest(target))]
        assert len(holders) == 1
        assert done(holders[0], A, number)


LINES = st.builds(
    Line,
    st.sampled_from(Status),
    st.sampled_from([A, B]),
    st.integers(0, 3),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
)


@examples(300)
@given(st.lists(LINES, max_size=20))
def test_it_agrees_with_sorting_all_lines(lines: list[Line]) -> None:
    ledger = ledger_of(*lines)
    in_time = sorted(lines, key=lambda line: line.at)  # stable: lines of one time stay in their order
    for number in range(len(TARGETS)):
        mine = [line for line in in_time if line.target == number]
        counting = [
            line for line in mine if line.status is not SKIPPED and not (line.status is FAILED and not line.touched)
        ]
        for task in (A, B):
            newest = counting[-1] if counting else None
            assert done(ledger, task, number) is (newest is not None and (newest.status, newest.task) == (SAVED, task))
            last = mine[-1] if mine else None
            for_good = last is not None and last.status is FAILED and last.permanent and last.task == task
            assert refused(ledger, task, number) is for_good
        assert ledger.knows(target_digest(TARGETS[number])) is bool(counting)
    assert len(ledger) == len({line.target for line in lines})


def test_of_many_lines_of_a_target_the_newest_stays_wherever_it_stands() -> None:
    for count in range(1, 50):
        older = [Line(SAVED, B, at=number) for number in range(count)]
        newest = Line(SAVED, A, at=count)
        for lines in ([newest, *older], [*older, newest], [*older[:9], newest, *older[9:]]):
            ledger = ledger_of(*lines)
            assert ledger.facts < 20  # whatever the number of lines
            assert done(ledger, A)
            assert len(ledger) == ledger.facts == 1


def bad_row(run: str, message: str, at: int = 0, pipeline: str = "p") -> Record:
    return Record(
        schema=1,
        task=None,
        status=FAILED,
        job="j",
        run=run,
        shard="0/1",
        pipeline=pipeline,
        source=SourceRecord("photos", ""),
        process="",
        target=None,
        attempts=0,
        tries={},
        request_id="",
        duration_ms=0.0,
        at=f"2026-11-22T23:00:{at:02}.000Z",
        error=ErrorRecord(BAD_ROW, 0, "", message, permanent=True),
        touched=False,
    )


def with_bad_rows(*records: Record) -> Ledger:
    ledger = Ledger(ALL)
    for record in records:
        tell(ledger, record)
    return ledger


def test_a_bad_row_is_held_once_a_line_says_so() -> None:
    ledger = with_bad_rows(bad_row("old", "keys.csv:1", 0), bad_row("new", "keys.csv:2", 1))
    held = [message for message in ("keys.csv:1", "keys.csv:2", "keys.csv:3") if ledger.holds_bad_row("p", "", message)]
    assert held == ["keys.csv:1", "keys.csv:2"]
    assert len(ledger) == 0


def test_bad_rows_are_held_for_each_pipeline() -> None:
    ledger = with_bad_rows(bad_row("r", "keys.csv:1", pipeline="thumb"))
    assert ledger.holds_bad_row("thumb", "", "keys.csv:1")
    assert not ledger.holds_bad_row("hero", "", "keys.csv:1")


def test_of_lines_of_one_time_that_of_the_later_segment_is_newer_whatever_is_read_first() -> None:
    one, other = Line(SAVED, A).record(), Line(SAVED, B).record()
    for first, second in (((one, 1), (other, 2)), ((other, 2), (one, 1))):
        ledger = Ledger(ALL)
        tell(ledger, *first)
        tell(ledger, *second)
        assert done(ledger, B)
        assert not done(ledger, A)


def test_a_time_before_1970_is_as_old_as_can_be() -> None:
    ancient = msgspec.structs.replace(Line(SAVED, B).record(), at="1969-12-31T23:59:59.999Z")
    ledger = ledger_of(Line(SAVED, A))
    tell(ledger, ancient)
    assert done(ledger, A)


@pytest.mark.parametrize("shift", [0, 3, 6])
def test_a_target_whose_digest_stands_within_another_fact_is_not_taken_for_it(shift: int) -> None:
    digest = target_digest(TARGETS[0])
    table, inside = digest[:2], digest[2:12]
    task = (bytes(shift) + inside + bytes(6 - shift)).hex()
    # Another target of the same table, whose task holds the bytes that are looked for.
    number = next(n for n in range(1 << 24) if target_digest(ObjectRef("b", str(n)))[:2] == table)
    other = msgspec.structs.replace(Line(SAVED, task).record(), target=TargetRecord("b", str(number)))
    ledger = Ledger(ALL)
    tell(ledger, other)
    assert not ledger.knows(digest)
    assert ledger.is_done(target_digest(ObjectRef("b", str(number))), bytes.fromhex(task))
    tell(ledger, Line(SAVED, A).record())
    assert done(ledger, A)
    assert len(ledger) == 2


@pytest.mark.parametrize("changes", [{"task": "A" * 32}, {"task": "ab"}, {"task": "zz" * 16}, {"at": "2026-11-22"}])
def test_a_line_whose_task_or_time_is_none_is_refused(changes: dict[str, str]) -> None:
    ledger = Ledger(ALL)
    with pytest.raises(ValueError, match=r"is no |non-hexadecimal"):
        tell(ledger, msgspec.structs.replace(Line(SAVED).record(), **changes))
    assert len(ledger) == 0


def test_a_line_without_a_target_that_is_no_bad_row_says_nothing() -> None:
    ledger = ledger_of()
    tell(ledger, msgspec.structs.replace(Line(FAILED).record(), target=None))
    tell(ledger, msgspec.structs.replace(Line(SAVED).record(), task=None))
    assert ledger.facts == 0


def test_a_ledger_is_its_tables() -> None:
    lines = [Line(SAVED, A, target=number) for number in range(3)] + [Line(SKIPPED, B, at=1)]
    whole = ledger_of(*lines)
    tell(whole, bad_row("r", "keys.csv:1"))
    assert (len(whole), whole.facts) == (3, 5)
    assert all(len(table) % SIZE == 0 for _, table in whole.tables())
    parts = [Ledger(Shard(index, 2)) for index in range(2)]
    for part in parts:
        for number, table in whole.tables():
            part.load(number, table)
        assert part.holds_bad_row("p", "", "keys.csv:1")
    assert sum(map(len, parts)) == 3
    for number, target in enumerate(TARGETS):
        holder = parts[not Shard(0, 2).holds(target_digest(target))]
        assert done(holder, A, number)
    again = Ledger(ALL)
    for number, table in whole.tables():
        again.load(number, table)
    assert list(again.tables()) == list(whole.tables())


def test_facts_move_to_new_ranks_and_stay_what_they_are() -> None:
    ledger = Ledger(ALL)
    tell(ledger, Line(SAVED, A).record(), 1)
    ((number, table),) = ledger.tables()
    moved = Ledger(ALL)
    moved.load(number, reranked(table, [0, 70_000]))
    assert done(moved, A)
    tell(moved, Line(SAVED, B).record(), 69_999)
    assert done(moved, A)
    tell(moved, Line(SAVED, B).record(), 70_000)
    assert done(moved, B)
