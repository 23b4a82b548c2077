"""What a run has counted: the counts add up."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import error, record
from worker.batch.record import Record, SourceRecord, Status, TargetRecord
from worker.dispatch.tally import Tally
from worker.snapshot import PipelineCounts


def failed(code: str) -> Record:
    return record(status=Status.FAILED, error=error(code))


@given(
    lines=st.lists(st.sampled_from([Status.SAVED, Status.FAILED, Status.SKIPPED])),
    already_saved=st.integers(0, 9),
    failed_before=st.integers(0, 9),
    repeated_bad_rows=st.integers(0, 9),
    left=st.integers(0, 9),
)
def test_what_was_planned_is_the_sum_of_all_outcomes(
    lines: list[Status], already_saved: int, failed_before: int, repeated_bad_rows: int, left: int
) -> None:
    planned = len(lines) + already_saved + failed_before + repeated_bad_rows + left
    tally = Tally(planned, already_saved, failed_before, repeated_bad_rows)
    for status in lines:
        tally.count(record(status=status))
    assert tally.not_attempted == left
    assert tally.planned == tally.saved + already_saved + tally.skipped + tally.failed + tally.not_attempted
    assert tally.failed == lines.count(Status.FAILED) + failed_before + repeated_bad_rows


def test_bytes_are_those_of_saved_tasks() -> None:
    tally = Tally()
    target = TargetRecord("renditions", "a", 70)
    tally.count(record(target=target, attempts=3, tries={"InternalError": 2}))
    tally.count(record(source=SourceRecord("photos", "b"), tries={"InternalError": 1, "Timeout": 1}))
    tally.count(record(status=Status.SKIPPED, target=target))
    tally.count(record(status=Status.FAILED, error=error("ImageDamage")))
    assert (tally.source_bytes, tally.target_bytes, tally.attempts) == (1000, 70, 6)
    assert tally.tries == {"InternalError": 3, "Timeout": 1}


records = st.lists(
    st.sampled_from(
        [record(target=TargetRecord("renditions", "a", 70)), record(status=Status.SKIPPED), failed("NoSuchKey")]
    )
)


@given(records, records)
def test_the_tally_of_two_processes_is_that_of_one_which_did_it_all(first: list[Record], second: list[Record]) -> None:
    one, other, all_of_it = Tally(7, 1, 2, 1), Tally(5, 2, 1, 0), Tally(12, 3, 3, 1)
    for tally, found in ((one, first), (other, second), (all_of_it, [*first, *second])):
        for each in found:
            tally.count(each)
    one.add(other)
    assert one == all_of_it


def test_the_first_error_is_kept() -> None:
    tally = Tally()
    for code in ("ImageDamage", "NoSuchKey"):
        tally.count(failed(code))
    assert tally.first_error is not None
    assert tally.first_error.code == "ImageDamage"


def test_outcomes_are_counted_by_pipeline_whether_of_this_run_or_before() -> None:
    tally = Tally()
    for line in (record(), record(status=Status.SKIPPED), failed("NoSuchKey"), record(pipeline="big")):
        tally.count(line)
    tally.pass_over("small", saved=True)
    tally.pass_over("small", saved=False)
    tally.repeat_bad_row("big")
    assert tally.pipelines == {
        "small": PipelineCounts(saved=1, already_saved=1, skipped=1, failed=2),
        "big": PipelineCounts(saved=1, failed=1),
    }
    assert (tally.already_saved, tally.failed_before, tally.repeated_bad_rows, tally.done) == (1, 1, 1, 7)


def test_the_most_frequent_failures_come_first_and_no_service_fills_the_memory_with_names() -> None:
    tally = Tally()
    for code in ("NoSuchKey", "ImageDamage", "ImageDamage", *(f"Odd{number}" for number in range(200))):
        tally.count(failed(code))
    first, second, *others = [(code, found.count) for code, found in tally.most_failures]
    assert (first, second) == (("(others)", 102), ("ImageDamage", 2))
    assert len(others) == 99
    assert tally.counts == tally
    assert not list(tally.counts.columns)
