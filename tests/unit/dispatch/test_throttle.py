"""Rates are proved in virtual time: how many grants the worst second holds, and who goes first."""

import asyncio
from asyncio import TimerHandle
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FAST, VirtualLoop, in_virtual_time, now_s, refused, throttle_of
from worker.dispatch.adaptive import limits_of
from worker.dispatch.throttle import Lane, Throttle
from worker.oss.verdict import judge_error

RATES = st.one_of(st.floats(0.5, 100), st.floats(100, 5000))
LANES = st.sampled_from(Lane)
PAUSES = st.floats(0, 3)
# Bursts: a pause before it in seconds, how many ask at once, and on which lane.
BURSTS = st.lists(st.tuples(PAUSES, st.integers(1, 60), LANES), min_size=1, max_size=6)
HURRY = judge_error(refused(429, "QpsLimitExceeded"))
HEAVY = judge_error(refused(503, "DownloadTrafficRateLimitExceeded"))


class CoarseLoop(VirtualLoop):
    """Its timers know whole milliseconds, and ring so much before them."""

    def __init__(self, early_s: float) -> None:
        super().__init__()
        self._early_s = early_s

    def call_at(self, when: float, *args: Any, **context: Any) -> TimerHandle:  # type: ignore[override]  # hands all on
        delay_s = round((when - self.time()) * 1000) / 1000 - self._early_s
        return super().call_at(self.time() + max(0.0, delay_s), *args, **context)


async def take(tested: Throttle, lane: Lane, source_bytes: int | None = 0) -> None:
    """As the sender does: what is free is taken without waiting."""
    if not await tested.acquired(lane, source_bytes):
        await tested.acquire(lane, source_bytes)


async def grants(
    rate: float, bursts: Sequence[tuple[float, int, Lane]], hangs: Sequence[tuple[float, float]] = ()
) -> list[float]:
    """When each of them was granted; the process hangs now and then, so long after such a pause."""
    tested, times = throttle_of(rate), list[float]()

    async def ask(lane: Lane) -> None:
        await take(tested, lane)
        times.append(now_s())

    async with asyncio.TaskGroup() as group:
        group.create_task(hang(hangs))
        for pause_s, count, lane in bursts:
            await asyncio.sleep(pause_s)
            for _ in range(count):
                group.create_task(ask(lane))
    return times


async def hang(hangs: Sequence[tuple[float, float]]) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    for pause_s, seconds in hangs:
        await asyncio.sleep(pause_s)
        loop.hang(seconds)


def worst_second(times: Sequence[float]) -> int:
    return max(bisect_left(times, start + 1) - index for index, start in enumerate(times))


@given(rate=RATES, bursts=BURSTS, hangs=st.lists(st.tuples(PAUSES, PAUSES), max_size=3))
def test_no_second_holds_more_than_the_rate_and_a_twentieth_and_one(
    rate: float, bursts: list[tuple[float, int, Lane]], hangs: list[tuple[float, float]]
) -> None:
    times = in_virtual_time(grants(rate, bursts, hangs))
    assert len(times) == sum(count for _, count, _ in bursts)
    assert times == sorted(times)
    assert worst_second(times) <= rate * 1.05 + 1


@pytest.mark.parametrize("rate", [5, 20, 200, 900])
@pytest.mark.parametrize("early_s", [0.0, 0.0009])
def test_a_sleep_that_ends_a_little_early_or_late_does_not_cost_the_rate(rate: float, early_s: float) -> None:
    """Timers of event loops know milliseconds: what is slept is up to one less, or one more, than was asked for."""

    async def main() -> float:
        tested, count = throttle_of(rate), int(rate * 5) + 2
        for _ in range(count):
            await take(tested, Lane.WORK)
        return (count - 1) / now_s()

    assert 0.98 * rate <= in_virtual_time(main(), CoarseLoop(early_s)) <= 1.05 * rate + 1


@given(rate=RATES, pause_s=st.floats(0, 100))
def test_grants_that_nobody_used_are_not_made_up_for_by_a_burst(rate: float, pause_s: float) -> None:
    at_once = max(1, int(rate // 20))
    count = 2 * at_once + 3
    times = in_virtual_time(grants(rate, [(0, count, Lane.WORK), (pause_s, count, Lane.WORK)]))
    # Whatever was before, a twentieth of a second holds a twentieth of the rate.
    assert all(later - earlier >= at_once / rate for earlier, later in zip(times, times[at_once:], strict=False))


@given(
    rate=RATES, bursts=BURSTS, hurries=st.lists(PAUSES, min_size=1, max_size=8), rest_s=st.sampled_from([0, 10, 100])
)
def test_a_rate_that_gives_way_is_kept_as_well_and_makes_no_burst_when_it_comes_back(
    rate: float, bursts: list[tuple[float, int, Lane]], hurries: list[float], rest_s: float
) -> None:
    """Whatever the rate was when a request was granted: no second holds more than the greatest of those in it."""

    async def main() -> list[tuple[float, float]]:
        limits = limits_of(rate, FAST, 10_000, lambda _: None, adaptive=True)
        tested, granted = Throttle(limits, now_s, asyncio.sleep), list[tuple[float, float]]()

        async def ask(lane: Lane) -> None:
            await take(tested, lane)
            granted.append((now_s(), limits.requests.at(now_s())))
            tested.release(lane)

        async with asyncio.TaskGroup() as group:
            for pause_s, count, lane in bursts:
                await asyncio.sleep(pause_s)
                for _ in range(count):
                    group.create_task(ask(lane))
                if hurries:
                    await asyncio.sleep(hurries.pop())
                    assert tested.hear(Lane.CONTROL, HURRY, now_s())
            await asyncio.sleep(rest_s)
            for _ in range(int(min(rate, 1000)) + 2):
                group.create_task(ask(Lane.WORK))
        return granted

    granted = in_virtual_time(main())
    times = [at for at, _ in granted]
    assert times == sorted(times)
    for index, start in enumerate(times):
        until = bisect_left(times, start + 1)
        if until - index > granted[index][1] * 1.05 + 1:  # most often its own rate is the greatest
            assert until - index <= max(at_most for _, at_most in granted[index:until]) * 1.05 + 1


@pytest.mark.parametrize("rate", [0.5, 5, 50, 1000, 5000])
def test_a_rate_that_has_given_way_is_used_up(rate: float) -> None:
    async def main() -> float:
        limits = limits_of(rate, FAST, 10_000, lambda _: None, adaptive=True)
        tested = Throttle(limits, now_s, asyncio.sleep)
        for _ in range(3):
            tested.hear(Lane.CONTROL, HURRY, now_s())
        begun, allowed = now_s(), 0.0
        count = int(rate * 5) + 2
        for _ in range(count):
            before = now_s()
            await take(tested, Lane.CONTROL)
            allowed += (now_s() - before) * (limits.requests.at(before) + limits.requests.at(now_s())) / 2
        assert now_s() > begun
        return (count - 1) / allowed

    assert in_virtual_time(main()) >= 0.93


@pytest.mark.parametrize("rate", [0.5, 1, 5, 19.9, 20, 39.9, 50, 200, 999, 1000, 4999])
def test_under_load_the_rate_is_kept_and_used(rate: float) -> None:
    count = max(10, int(rate * 3))
    times = in_virtual_time(grants(rate, [(0, count, Lane.WORK)]))
    assert worst_second(times) <= rate * 1.05 + 1
    assert (count - 1) / times[-1] >= rate * 0.95


def test_control_goes_before_work_that_has_waited_longer() -> None:
    async def order() -> list[str]:
        tested, granted = throttle_of(1), list[str]()

        async def ask(lane: Lane, name: str) -> None:
            await tested.acquire(lane, 0)
            granted.append(name)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(ask(Lane.WORK, f"work {number}"))
            await asyncio.sleep(1.5)
            for number in range(2):
                group.create_task(ask(Lane.CONTROL, f"control {number}"))
        return granted

    # One unit of work stood at the gate already.
    names = ["work 0", "work 1", "work 2", "control 0", "control 1", "work 3", "work 4"]
    assert in_virtual_time(order()) == names


def test_control_that_asks_again_and_again_still_goes_before_work() -> None:
    async def order() -> list[Lane]:
        tested, granted = throttle_of(1), list[Lane]()

        async def ask(lane: Lane, times: int) -> None:
            for _ in range(times):
                await take(tested, lane)
                granted.append(lane)

        await asyncio.gather(ask(Lane.CONTROL, 5), ask(Lane.WORK, 1))
        return granted

    assert in_virtual_time(order()) == [Lane.CONTROL] * 5 + [Lane.WORK]


def test_a_grant_that_is_free_is_taken_without_a_turn_of_the_loop_and_one_that_is_not_is_left() -> None:
    async def main() -> list[bool]:
        tested = throttle_of(40)  # two in a twentieth of a second
        taken = [await tested.acquired(lane) for lane in (Lane.WORK, Lane.CONTROL, Lane.WORK)]
        await asyncio.sleep(0.06)
        return [*taken, await tested.acquired(Lane.WORK)]

    assert in_virtual_time(main()) == [True, True, False, True]


def test_nobody_takes_a_grant_past_those_who_wait() -> None:
    async def main() -> list[bool]:
        tested = throttle_of(1000, 1)
        await tested.acquire(Lane.WORK, 1_000_000)
        waiting = asyncio.create_task(tested.acquire(Lane.WORK, 1))
        await asyncio.sleep(0.5)
        past = [await tested.acquired(Lane.WORK, 1), await tested.acquired(Lane.CONTROL)]
        await waiting
        return [*past, await tested.acquired(Lane.CONTROL)]

    assert in_virtual_time(main()) == [False, False, True]


async def work(tested: Throttle, sizes: Sequence[int | None]) -> list[float]:
    times = []
    for size in sizes:
        await take(tested, Lane.WORK, size)
        times.append(round(now_s(), 3))
    return times


SIZES = st.one_of(st.none(), st.integers(0, 30_000_000))


@given(
    rate=RATES,
    mb=st.floats(0.1, 100),
    asked=st.lists(st.tuples(st.one_of(st.just(0.0), PAUSES), SIZES), min_size=2, max_size=40),
    controls=st.lists(PAUSES, max_size=10),
    hangs=st.lists(st.tuples(PAUSES, PAUSES), max_size=2),
    heavy=st.booleans(),
)
def test_between_any_two_grants_no_more_bytes_are_read_than_there_is_time_for(
    rate: float,
    mb: float,
    asked: list[tuple[float, int | None]],
    controls: list[float],
    hangs: list[tuple[float, float]],
    *,
    heavy: bool,
) -> None:
    """A size nobody knows is the mean of those known before; what was held back by another limit is not made up for."""

    async def main() -> list[tuple[float, int | None]]:
        tested, granted = throttle_of(rate, mb, adaptive=True), list[tuple[float, int | None]]()

        async def ask(size: int | None) -> None:
            await take(tested, Lane.WORK, size)
            granted.append((now_s(), size))
            tested.release(Lane.WORK)

        async def control() -> None:
            for pause_s in controls:
                await asyncio.sleep(pause_s)
                await take(tested, Lane.CONTROL)

        async with asyncio.TaskGroup() as group:
            group.create_task(control())
            group.create_task(hang(hangs))
            if heavy:
                tested.hear(Lane.CONTROL, HEAVY, now_s())
            for pause_s, size in asked:
                await asyncio.sleep(pause_s)
                group.create_task(ask(size))
        return granted

    granted = in_virtual_time(main())
    assert len(granted) == len(asked)
    known, sizes = list[int](), list[float]()
    for _, size in granted:
        known += [] if size is None else [size]
        sizes.append(size if size is not None else sum(known) / len(known) if known else 0)
    for first, (start, _) in enumerate(granted):
        read = 0.0
        for index in range(first + 1, len(granted)):
            read += sizes[index - 1]
            assert read <= mb * 1_000_000 * (granted[index][0] - start) * (1 + 1e-9) + 1e-3


@given(mb=st.floats(0.1, 100), sizes=st.lists(st.integers(1, 30_000_000), min_size=2, max_size=30))
def test_bytes_per_second_are_used_up(mb: float, sizes: list[int]) -> None:
    times = in_virtual_time(work(throttle_of(5000, mb), sizes))
    assert times[-1] <= sum(sizes[:-1]) / mb / 1_000_000 + 0.002 * len(sizes)


def test_source_bytes_are_paced() -> None:
    async def main() -> list[float]:
        return await work(throttle_of(1000, 2), [1_000_000, 3_000_000, 500_000, 0, 1])

    assert in_virtual_time(main()) == pytest.approx([0, 0.5, 2.0, 2.25, 2.252], abs=0.01)


def test_bytes_are_reckoned_from_the_grant_whatever_it_waited_for() -> None:
    async def main() -> list[float]:
        return await work(throttle_of(0.5, 0.5), [0, 30_000_000, 1])

    assert in_virtual_time(main()) == pytest.approx([0, 2, 62], abs=0.01)


def test_a_source_of_unknown_size_counts_as_the_mean_of_those_known() -> None:
    async def main() -> list[float]:
        return await work(throttle_of(1000, 1), [None, 1_000_000, 3_000_000, None, None, 0])

    assert in_virtual_time(main()) == pytest.approx([0, 0, 1, 4, 6, 8], abs=0.01)


def test_control_does_not_wait_for_bytes() -> None:
    async def main() -> float:
        tested = throttle_of(1000, 1)
        await tested.acquire(Lane.WORK, 100_000_000)
        waiting = asyncio.create_task(tested.acquire(Lane.WORK, 1))
        await asyncio.sleep(0.1)
        await tested.acquire(Lane.CONTROL)
        at = now_s()
        await waiting
        return at

    assert in_virtual_time(main()) < 1


@pytest.mark.parametrize("cancelled", [[Lane.CONTROL], [Lane.WORK], [Lane.WORK, Lane.WORK, Lane.CONTROL, Lane.CONTROL]])
def test_whoever_is_cancelled_while_waiting_the_others_go_on(cancelled: list[Lane]) -> None:
    async def main() -> None:
        tested = throttle_of(0.1, 1)
        await tested.acquire(Lane.WORK, 2_000_000)
        waiting = [asyncio.create_task(tested.acquire(lane, 1)) for lane in cancelled]
        await asyncio.sleep(1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        for lane in (Lane.WORK, Lane.CONTROL, Lane.WORK):
            async with asyncio.timeout(30):
                await tested.acquire(lane, 1)

    in_virtual_time(main())


@given(
    rate=st.floats(0.5, 20),
    waiters=st.lists(st.tuples(LANES, st.floats(0, 1), st.one_of(st.none(), st.floats(0, 3))), min_size=4, max_size=30),
)
def test_waiters_that_are_cancelled_leave_nothing_locked(
    rate: float, waiters: list[tuple[Lane, float, float | None]]
) -> None:
    async def main() -> None:
        tested = throttle_of(rate, 1)

        async def wait(lane: Lane, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await tested.acquire(lane, 1000)

        async def ask(lane: Lane, after_s: float, patience_s: float | None) -> None:
            task = asyncio.create_task(wait(lane, after_s))
            done, _ = await asyncio.wait([task], timeout=patience_s)
            if not done:
                task.cancel()
                await asyncio.wait([task])
            assert patience_s is not None or not task.cancelled()

        await asyncio.gather(*(ask(*waiter) for waiter in waiters))
        for lane in Lane:
            async with asyncio.timeout(120):
                await tested.acquire(lane, 1)

    in_virtual_time(main())


def test_a_size_that_no_processed_source_has_does_not_stop_the_run() -> None:
    async def main() -> list[float]:
        return await work(throttle_of(1000, 20), [10**14, 0])

    assert in_virtual_time(main())[1] == pytest.approx(10, abs=0.01)


def in_flight(most: int) -> Throttle:
    return throttle_of(1000, concurrency=most)


def test_slots_that_come_back_together_are_taken_together() -> None:
    async def main() -> tuple[int, int]:
        tested, granted = in_flight(8), 0

        async def one() -> None:
            nonlocal granted
            await take(tested, Lane.WORK)
            granted += 1

        tasks = [asyncio.create_task(one()) for _ in range(20)]
        await asyncio.sleep(1)
        first = granted
        for _ in range(6):
            tested.release(Lane.WORK)
        await asyncio.sleep(0)  # those who were called go on in the next step, all of them
        await asyncio.sleep(0)
        second = granted
        for task in tasks:
            task.cancel()
        return first, second

    assert in_virtual_time(main()) == (8, 14)


@settings(max_examples=50)
@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["", "before", "after"])), min_size=1, max_size=30),
)
def test_whoever_gives_up_in_the_line_leaves_no_slot_behind(most: int, steps: list[tuple[int, str]]) -> None:
    async def main() -> None:
        tested, holding = in_flight(most), list[int]()

        async def one(number: int) -> None:
            await take(tested, Lane.WORK)
            holding.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(12)]
        for number, releases in steps:
            await asyncio.sleep(0)
            # In the same step in which it is called, or would have been.
            if releases == "after":
                tasks[number].cancel()
            if releases and holding:
                holding.pop()
                tested.release(Lane.WORK)
            tasks[number].cancel()
        await asyncio.sleep(1)
        assert len(holding) <= most
        while holding:
            holding.pop()
            tested.release(Lane.WORK)
            await asyncio.sleep(1)
        assert all(task.done() for task in tasks)
        for _ in range(most):
            assert await tested.acquired(Lane.WORK)
        assert not await tested.acquired(Lane.WORK)

    in_virtual_time(main())
