"""The failure limit: which failures count, in which window, and when they are too many."""

import random

import pytest

from tests.fakes import TASK
from worker.batch.record import Status
from worker.dispatch.decider import Result
from worker.dispatch.failure_limit import FailureLimit
from worker.oss.verdict import failure


def result(code: str = "") -> Result:
    status = Status.FAILED if code else Status.SAVED
    return Result(TASK, None, status, "", error=failure(code, "a message") if code else None)


def heard(limit: FailureLimit, *codes: str) -> list[str | None]:
    return [limit.hear(result(code)) for code in codes]


def test_more_systemic_failures_than_the_ratio_of_a_window_are_too_many() -> None:
    found = heard(FailureLimit(10, 0.5, {}), *["", "InvalidArgument"] * 5, "NoSuchStyle")
    assert found[:10] == [None] * 10
    assert found[10] is not None
    assert "6 of the latest 10" in found[10]
    assert "InvalidArgument: 5, NoSuchStyle: 1" in found[10]


def test_broken_pictures_never_count_unless_they_are_named() -> None:
    pictures = ["ImageDamage", "BadRequest", "NoSuchKey", "ImageTooLarge", "InternalError", "Timeout"] * 100
    assert set(heard(FailureLimit(10, 0.0, {}), *pictures)) == {None}
    named = heard(FailureLimit(100, 0.5, {"ImageDamage": 0.02}), *["BadRequest"] * 50, *["ImageDamage"] * 3)
    assert named[:52] == [None] * 52
    assert named[52] is not None
    assert "3 of the latest 53 tasks failed with ImageDamage" in named[52]


def test_what_has_left_the_window_is_forgotten() -> None:
    limit = FailureLimit(10, 0.4, {})
    for _ in range(50):
        assert set(heard(limit, *["NoSuchStyle"] * 4, *[""] * 6)) == {None}


@pytest.mark.parametrize("seed", range(20))
def test_the_count_equals_a_count_over_the_last_results(seed: int) -> None:
    dice = random.Random(seed)
    codes = [dice.choice(["", "", "AccessDenied", "ImageDamage", "QpsLimitExceeded", "BadRequest"]) for _ in range(300)]
    window = dice.randrange(1, 60)
    limit = FailureLimit(window, 0.4, {"ImageDamage": 0.2, "AccessDenied": 0.3})
    for number, code in enumerate(codes, 1):
        latest = codes[max(0, number - window) : number]
        systemic = sum(latest.count(name) for name in ("AccessDenied", "QpsLimitExceeded"))
        over = (
            (code == "ImageDamage" and latest.count(code) > 0.2 * window)
            or (code == "AccessDenied" and latest.count(code) > 0.3 * window)
            or (code in {"AccessDenied", "QpsLimitExceeded", "ImageDamage"} and systemic > 0.4 * window)
        )
        assert (limit.hear(result(code)) is not None) is over


def test_a_ratio_of_one_is_never_too_much() -> None:
    assert set(heard(FailureLimit(5, 1.0, {}), *["AccessDenied"] * 50)) == {None}
