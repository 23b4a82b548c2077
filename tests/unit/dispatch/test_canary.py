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
    assert not Canary(20).is_dead(ended=True)


def test_bad_credentials_are_told_by_one_answer() -> None:
    canary = Canary(20)
    canary.hear(result("SignatureDoesNotMatch"))
    assert canary.is_dead(ended=False)


def test_missing_permission_is_told_by_as_many_answers_as_the_canary_has_or_by_all() -> None:
    canary = Canary(3)
    for number in range(3):
        assert not canary.is_dead(ended=False)
        assert canary.is_dead(ended=True) is (number > 0)
        canary.hear(result("AccessDenied"))
    assert canary.is_dead(ended=False)


def test_without_a_canary_missing_permission_is_a_failure_as_others() -> None:
    canary = Canary(0)
    canary.hear(result("AccessDenied"))
    assert not canary.is_dead(ended=True)


@pytest.mark.parametrize("other", [SAVED, SKIPPED, result("ImageDamage")])
@pytest.mark.parametrize("first", [True, False])
def test_one_other_result_says_that_we_are_not_refused(other: Result, first: bool) -> None:
    canary = Canary(3)
    denials = [result("AccessDenied")] * 2
    for heard in [other, *denials] if first else [*denials, other]:
        canary.hear(heard)
    assert not canary.is_dead(ended=True)
