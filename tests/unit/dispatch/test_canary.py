"""The canary: whether the service refuses us altogether."""

import pytest

from tests.fakes import TASK
from worker.batch.record import Status
from worker.dispatch.canary import Canary
from worker.dispatch.decider import Result
from worker.oss.verdict import failure


def result(code: str = "", status: Status = Status.FAILED) -> Result:
    return Result(TASK, None, status, "", error=failure(code, "a message") if code else None)


SAVED = result(status=Status.SAVED)
SKIPPED = result(status=Status.SKIPPED)


def test_nothing_heard_is_no_refusal() -> None:
    assert not Canary(20).is_refused(ended=True)


def test_bad_credentials_are_told_by_one_answer() -> None:
    canary = Canary(20)
    canary.hear(result("SignatureDoesNotMatch"))
    assert canary.is_refused(ended=False)


def test_missing_permission_is_told_by_as_many_answers_as_the_canary_has_or_by_all() -> None:
    canary = Canary(3)
    for number in range(3):
        assert not canary.is_refused(ended=False)
        assert canary.is_refused(ended=True) is (number > 0)
        canary.hear(result("AccessDenied"))
    assert canary.is_refused(ended=False)


def test_without_a_canary_missing_permission_is_a_failure_as_others() -> None:
    canary = Canary(0)
    canary.hear(result("AccessDenied"))
    assert not canary.is_refused(ended=True)


@pytest.mark.parametrize("code", ["InvalidArgument", "NoSuchStyle", "NoSuchBucket", "CpuLimitExceeded", "AccessDenied"])
def test_the_first_results_that_all_fail_for_reasons_that_concern_all_tasks_are_told(code: str) -> None:
    canary = Canary(3)
    for heard in ("QpsLimitExceeded", code):
        canary.hear(result(heard))
        assert not canary.is_dead
    canary.hear(result(code))
    assert canary.is_dead
    assert not canary.is_refused(ended=True)


@pytest.mark.parametrize(
    "other", [SAVED, SKIPPED, result("ImageDamage"), result("InternalError"), result("TargetExists")]
)
def test_one_result_of_another_kind_among_the_first_keeps_the_run_going(other: Result) -> None:
    canary = Canary(3)
    for heard in (result("InvalidArgument"), other, *[result("InvalidArgument")] * 5):
        canary.hear(heard)
    assert not canary.is_dead


def test_without_a_canary_the_first_results_are_as_others() -> None:
    canary = Canary(0)
    for _ in range(100):
        canary.hear(result("InvalidArgument"))
    assert not canary.is_dead


@pytest.mark.parametrize("other", [SAVED, SKIPPED, result("ImageDamage")])
@pytest.mark.parametrize("first", [True, False])
def test_one_other_result_says_that_we_are_not_refused(other: Result, first: bool) -> None:
    canary = Canary(3)
    denials = [result("AccessDenied")] * 2
    for heard in [other, *denials] if first else [*denials, other]:
        canary.hear(heard)
    assert not canary.is_refused(ended=True)
