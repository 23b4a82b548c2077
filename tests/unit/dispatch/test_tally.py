"""What a run has counted: the counts add up, and whether the service refuses us altogether."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import error, record
from worker.batch.record import Record, SourceRecord, Status, TargetRecord
from worker.dispatch.tally import Tally


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
    tally = Tally(20, planned, already_saved, failed_before, repeated_bad_rows)
    for status in lines:
        tally.count(record(status=status))
    assert tally.not_attempted == left
    assert tally.planned == tally.saved + already_saved + tally.skipped + tally.failed + tally.not_attempted
    assert tally.failed == lines.count(Status.FAILED) + failed_before + repeated_bad_rows


def test_bytes_are_those_of_saved_tasks() -> None:
    tally = Tally(20)
    target = TargetRecord("renditions", "a", 70)
    tally.count(record(target=target, attempts=3, tries={"InternalError": 2}))
    tally.count(record(source=SourceRecord("photos", "b"), tries={"InternalError": 1, "Timeout": 1}))
    tally.count(record(status=Status.SKIPPED, target=target))
    tally.count(record(status=Status.FAILED, error=error("ImageDamage")))
    assert (tally.source_bytes, tally.target_bytes, tally.attempts) == (1000, 70, 6)
    assert tally.tries == {"InternalError": 3, "Timeout": 1}


def test_the_first_error_is_kept() -> None:
    tally = Tally(20)
    for code in ("ImageDamage", "NoSuchKey"):
        tally.count(failed(code))
    assert tally.first_error is not None
    assert tally.first_error.code == "ImageDamage"


def test_bad_credentials_are_told_by_one_answer() -> None:
    tally = Tally(20)
    assert not tally.access_denied(ended=True)
    tally.count(failed("SignatureDoesNotMatch"))
    assert tally.access_denied(ended=False)


def test_missing_permission_is_told_by_as_many_answers_as_the_canary_has_or_by_all() -> None:
    tally = Tally(3)
    for number in range(3):
        assert not tally.access_denied(ended=False)
        assert tally.access_denied(ended=True) is (number > 0)
        tally.count(failed("AccessDenied"))
    assert tally.access_denied(ended=False)


def test_without_a_canary_missing_permission_is_a_failure_as_others() -> None:
    tally = Tally(0)
    tally.count(failed("AccessDenied"))
    assert not tally.access_denied(ended=True)


def test_one_other_outcome_says_that_we_are_not_refused() -> None:
    for other in (record(), record(status=Status.SKIPPED), failed("ImageDamage")):
        tally = Tally(1)
        tally.count(other)
        for _ in range(5):
            tally.count(failed("AccessDenied"))
        assert not tally.access_denied(ended=True)
