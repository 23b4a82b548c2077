"""Adaptive limits: what makes them give way, what does not, how they recover, and how much of the possible they use."""

import heapq
import random
from collections.abc import Callable

import pytest

from tests.fakes import refused
from worker.dispatch.adaptive import InFlightLimit, Limits, RateLimit, limits_of
from worker.oss.verdict import Failure, failure, judge_error

CROWDED = [
    judge_error(refused(503, "CpuLimitExceeded")),
    judge_error(refused(503, "ActiveRequestLimitExceeded")),
    judge_error(refused(503, "ServiceUnavailable")),
    judge_error(refused(503, "Unheard")),
    judge_error(refused(504, "Unheard")),
    failure("Timeout", "made up"),
]
HURRIED = [
    judge_error(refused(429, "QpsLimitExceeded")),
    judge_error(refused(503, "TotalQpsLimitExceeded")),
    judge_error(refused(503, "MetaOperationQpsLimitExceeded")),
    judge_error(refused(503, "UploadTrafficRateLimitExceeded")),
    judge_error(refused(429, "Unheard")),
]
HEAVY = judge_error(refused(503, "DownloadTrafficRateLimitExceeded"))
OTHERS = [
    judge_error(refused(400, "ImageDamage")),
    judge_error(refused(500, "InternalError")),
    judge_error(refused(403, "AccessDenied")),
    judge_error(refused(403, "CpuLimitExceeded")),
]
SILENCE = [
    failure("ConnectionLost", "made up"),
    failure("ConnectTimeout", "made up"),
    failure("CredentialsUnavailable", ""),
]


def silent(_: str) -> None:
    """Nobody listens."""


def limits(concurrency: int = 64, tell: Callable[[str], None] = silent, *, adaptive: bool = True) -> Limits:
    return limits_of(100, 20, concurrency, tell, adaptive=adaptive)


def code(failed: Failure) -> str:
    return failed.code + str(failed.http)


def busy(tested: InFlightLimit) -> None:
    """Take all there is, and find that more were wanted."""
    while tested.take():
        pass


def full_windows(tested: InFlightLimit, windows: int, now_s: float = 0.0) -> None:
    for _ in range(windows):
        busy(tested)
        for _ in range(tested.limit):
            tested.grow(now_s)


def test_it_begins_low_and_grows_by_one_for_each_full_window_up_to_the_most() -> None:
    told: list[str] = []
    tested = InFlightLimit(12, adaptive=True, tell=told.append)
    assert tested.limit == 8
    for expected in (9, 10, 11, 12, 12):
        full_windows(tested, 1)
        assert tested.limit == expected
    assert told == ["12 in flight: all that is allowed"]
    assert InFlightLimit(3, adaptive=True, tell=silent).limit == 3


def test_it_does_not_grow_while_nobody_waits_for_it() -> None:
    tested = InFlightLimit(64, adaptive=True, tell=silent)
    for _ in range(8):
        assert tested.take()
    for _ in range(1000):
        tested.grow(0)
    assert tested.limit == 8


def test_a_slot_is_there_once_one_was_given_back() -> None:
    tested = InFlightLimit(1, adaptive=True, tell=silent)
    assert [tested.take(), tested.take()] == [True, False]
    tested.in_flight -= 1
    assert tested.take()


@pytest.mark.parametrize("crowded", CROWDED, ids=code)
def test_a_crowd_shrinks_what_is_in_flight_once_for_all_that_were_sent_before(crowded: Failure) -> None:
    told: list[str] = []
    tested = limits(tell=told.append)
    full_windows(tested.in_flight, 29)
    busy(tested.in_flight)
    assert tested.in_flight.limit == 37
    for _ in range(20):
        assert tested.hear(crowded, 9.9, 10.0, slot=True)
    assert tested.in_flight.limit == 26
    assert told == [f"{crowded.code}: 37 -> 26 in flight"]
    assert tested.held(10.0) == ["26 of 64 in flight"]
    shrunk = []
    for _ in range(4):
        assert tested.hear(crowded, 10.1, 10.2, slot=True)
        shrunk.append(tested.in_flight.limit)
    assert shrunk == [26, 26, 26, 18]
    assert (tested.requests.at(10.2), tested.megabytes.at(10.2)) == (100, 20)


def test_what_was_in_flight_was_too_much_not_what_might_have_been() -> None:
    tested = limits()
    full_windows(tested.in_flight, 29)
    for _ in range(27):
        tested.in_flight.in_flight -= 1
    assert (tested.in_flight.limit, tested.in_flight.in_flight) == (37, 9)
    for _ in range(5):
        tested.hear(CROWDED[0], 1, 2, slot=True)
    assert tested.in_flight.limit == 6


@pytest.mark.parametrize(("in_a_hundred", "shrinks"), [(2, False), (4, True)])
def test_one_in_fifty_that_is_declined_is_no_crowd(in_a_hundred: int, *, shrinks: bool) -> None:
    told: list[str] = []
    tested = limits(tell=told.append)
    full_windows(tested.in_flight, 29)
    for number in range(5000):
        tested.hear(CROWDED[0] if number % 100 < in_a_hundred else None, 1, 2, slot=True)
    assert bool(told) is shrinks


@pytest.mark.parametrize("other", [None, *OTHERS], ids=lambda other: code(other) if other else "saved")
def test_any_other_answer_is_nothing_against_more(other: Failure | None) -> None:
    tested = limits()
    busy(tested.in_flight)
    for _ in range(8):
        assert not tested.hear(other, 1, 2, slot=True)
    assert tested.in_flight.limit == 9
    assert (tested.requests.at(2), tested.megabytes.at(2), tested.held(2)) == (100, 20, [])


@pytest.mark.parametrize("silence", SILENCE, ids=code)
def test_where_no_answer_comes_nothing_is_known(silence: Failure) -> None:
    tested = limits()
    busy(tested.in_flight)
    for _ in range(100):
        assert not tested.hear(silence, 1, 2, slot=True)
    assert tested.in_flight.limit == 8
    assert tested.held(2) == []


def test_requests_that_need_no_slot_say_nothing_of_those_that_do() -> None:
    tested = limits()
    busy(tested.in_flight)
    for _ in range(8):
        tested.hear(None, 1, 2, slot=False)
    assert not tested.hear(CROWDED[0], 1, 2, slot=False)
    assert tested.in_flight.limit == 8


def test_it_never_falls_below_one_and_then_says_that_it_cannot_give_way() -> None:
    tested = limits()
    gave_way = []
    for second in range(9):
        tested.in_flight.in_flight = tested.in_flight.limit
        gave_way.append((tested.hear(CROWDED[-1], second, second + 0.5, slot=True), tested.in_flight.limit))
    assert gave_way[:5] == [(True, 8), (True, 6), (True, 4), (True, 3), (True, 2)]
    assert gave_way[5:] == [(True, 1), (False, 1), (False, 1), (False, 1)]


def test_without_adaptive_nothing_moves() -> None:
    tested = limits(adaptive=False)
    assert not any(tested.hear(throttled, 1, 2, slot=True) for throttled in (CROWDED[0], HURRIED[0], HEAVY))
    assert (tested.in_flight.limit, tested.requests.at(2), tested.megabytes.at(2)) == (64, 100, 20)


@pytest.mark.parametrize("slot", [True, False])
@pytest.mark.parametrize("hurried", HURRIED, ids=code)
def test_hurry_shrinks_the_rate_once_for_all_that_were_sent_before_and_it_recovers_by_itself(
    hurried: Failure, *, slot: bool
) -> None:
    told: list[str] = []
    tested = limits(tell=told.append)
    for _ in range(10):
        assert tested.hear(hurried, 4.5, 5.0, slot=slot)
    assert tested.requests.at(5.0) == 70
    assert told == [f"{hurried.code}: 100 -> 70 requests per second"]
    assert tested.requests.at(10.0) == pytest.approx(80)
    assert tested.held(10.0) == ["80 of 100 requests per second"]
    tested.hear(hurried, 9.0, 10.0, slot=slot)
    assert tested.requests.at(10.0) == pytest.approx(56)
    assert [tested.requests.at(1000.0), tested.requests.at(1001.0)] == [100, 100]
    assert told[2:] == ["100 requests per second: all that is allowed"]
    assert (tested.in_flight.limit, tested.megabytes.at(10.0)) == (8, 20)


def test_bytes_that_are_too_many_shrink_bytes() -> None:
    told: list[str] = []
    tested = limits(tell=told.append)
    assert tested.hear(HEAVY, 1, 2, slot=True)
    assert told == ["DownloadTrafficRateLimitExceeded: 20 -> 14 MB per second"]
    assert (tested.megabytes.at(2), tested.requests.at(2), tested.in_flight.limit) == (14, 100, 8)
    assert tested.held(2) == ["14 of 20 MB per second"]


def test_the_rate_never_falls_to_nothing_and_then_says_that_it_cannot_give_way() -> None:
    tested = RateLimit(100, "requests", adaptive=True, tell=silent)
    gave_way = [tested.give_way("QpsLimitExceeded", second, second) for second in range(3, 60)]
    assert tested.at(59) == 5
    assert gave_way[0]
    assert not any(gave_way[20:])


def served(slots: Callable[[float], int], seconds: float, seed: int) -> tuple[float, float, list[tuple[float, int]]]:
    """A service that processes so many pictures at once, each in about 50 ms, and declines others at once.

    Returns pictures per second and the share of answers that declined, both without the first five seconds, and the
    limit over time. There is always more to do.
    """
    dice, tested = random.Random(seed), limits(200)
    now, busy, number, saved, declined = 0.0, 0, 0, 0, 0
    coming: list[tuple[float, int, Failure | None, float]] = []
    history = []
    while now < seconds:
        while tested.in_flight.take():
            number += 1
            said = None if busy < slots(now) else CROWDED[0]
            busy += not said
            takes_s = 0.002 if said else 0.05 * dice.uniform(0.9, 1.1)
            heapq.heappush(coming, (now + takes_s, number, said, now))
        now, _, said, sent = heapq.heappop(coming)
        busy -= not said
        saved += now > 5 and not said
        declined += now > 5 and bool(said)
        tested.hear(said, sent, now, slot=True)
        tested.in_flight.in_flight -= 1
        history.append((now, tested.in_flight.limit))
    return saved / (seconds - 5), declined / (saved + declined), history


@pytest.mark.parametrize("slots", [1, 3, 8, 24, 60, 100])
@pytest.mark.parametrize("seed", range(3))
def test_nine_tenths_of_the_possible_are_used_and_three_in_a_hundred_at_most_are_declined(
    slots: int, seed: int
) -> None:
    per_s, declined, _ = served(lambda _: slots, 60, seed)
    assert per_s >= 0.9 * slots / 0.05
    assert declined <= 0.03


@pytest.mark.parametrize(("later", "reached"), [(12, range(1, 14)), (48, range(44, 50))])
@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_can_do_half_or_twice_as_much_is_followed(later: int, reached: range, seed: int) -> None:
    _, _, history = served(lambda now: 24 if now < 20 else later, 60, seed)
    assert next(now for now, limit in history if now > 20 and limit in reached) < 50
