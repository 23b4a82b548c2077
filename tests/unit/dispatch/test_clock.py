"""The service's clock: learned from answers, and never going back in records."""

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import EPOCH
from worker.dispatch.clock import ServiceClock


class Wall:
    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> float:
        return self.now.timestamp()


def clock() -> tuple[ServiceClock, Wall]:
    wall = Wall()
    return ServiceClock(wall, lambda: 0.0, asyncio.sleep), wall


def test_a_machine_that_is_right_within_two_seconds_is_trusted() -> None:
    tested, _ = clock()
    for seconds in (-2, 0, 2):
        tested.correct(EPOCH + timedelta(seconds=seconds))
        assert tested.now() == EPOCH
    tested.correct(None)
    assert tested.offset == timedelta()


def test_a_machine_that_is_wrong_is_corrected_and_found_right_again() -> None:
    tested, wall = clock()
    tested.correct(EPOCH + timedelta(hours=1))
    assert tested.now() == EPOCH + timedelta(hours=1)
    tested.correct(EPOCH + timedelta(hours=1, seconds=1))
    assert tested.offset == timedelta(hours=1)
    wall.now += timedelta(hours=1)
    tested.correct(wall.now)
    assert tested.now() == wall.now


@given(
    st.lists(
        st.tuples(st.timedeltas(-timedelta(hours=2), timedelta(hours=2)), st.one_of(st.none(), st.timedeltas())),
        max_size=30,
    )
)
def test_stamps_never_go_back(steps: list[tuple[timedelta, timedelta | None]]) -> None:
    tested, wall = clock()
    stamps = []
    for step, answered in steps:
        wall.now += step
        if answered is not None:
            tested.correct(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=answered.seconds))
        stamps.append(tested.stamp())
    assert stamps == sorted(stamps)


def test_a_stamp_is_the_corrected_time() -> None:
    tested, wall = clock()
    assert tested.stamp() == EPOCH.timestamp() * 1000
    wall.now += timedelta(seconds=5)
    tested.correct(wall.now + timedelta(seconds=60))
    assert tested.stamp() == (EPOCH.timestamp() + 65) * 1000


def test_the_second_to_sign_with_is_the_corrected_one_and_one_object_until_it_is_over() -> None:
    tested, wall = clock()
    first = tested.second()
    assert first == EPOCH
    wall.now += timedelta(seconds=0.9)
    assert tested.second() is first
    wall.now += timedelta(seconds=0.1)
    assert tested.second() == EPOCH + timedelta(seconds=1)
    tested.correct(wall.now + timedelta(seconds=60))
    assert tested.second() == EPOCH + timedelta(seconds=61)
    wall.now -= timedelta(seconds=30)
    assert tested.second() == EPOCH + timedelta(seconds=31)


def test_a_date_that_no_clock_shows_is_not_believed() -> None:
    tested, _ = clock()
    for absurd in (
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
    ):
        tested.correct(absurd)
        assert tested.now() == EPOCH
