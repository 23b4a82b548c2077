"""Rates are proved in virtual time: how many grants the worst second holds, and who goes first."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import in_virtual_time, now_s, throttle_of
from worker.dispatch.throttle import Lane, Throttle

RATES = st.one_of(st.floats(0.5, 100), st.floats(100, 5000))
LANES = st.sampled_from(Lane)
# Bursts: a pause before it in seconds, how many ask at once, and on which lane.
BURSTS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 60), LANES), min_size=1, max_size=6)


async def take(tested: Throttle, lane: Lane, source_bytes: int | None = 0) -> None:
    """As the sender does: what is free is taken without waiting."""
    if not await tested.acquired(lane, source_bytes):
        await tested.acquire(lane, source_bytes)


async def grants(rate: float, bursts: Sequence[tuple[float, int, Lane]]) -> list[float]:
    tested, times = throttle_of(rate), list[float]()

    async def ask(lane: Lane) -> None:
        await take(tested, lane)
        times.append(now_s())

    async with asyncio.TaskGroup() as group:
        for pause_s, count, lane in bursts:
            await asyncio.sleep(pause_s)
            for _ in range(count):
                group.create_task(ask(lane))
    return times


def worst_second(times: Sequence[float]) -> int:
    return max(bisect_left(times, start + 1) - index for index, start in enumerate(times))


@given(rate=RATES, bursts=BURSTS)
def test_no_second_holds_more_than_the_rate_and_a_twentieth_and_one(
    rate: float, bursts: list[tuple[float, int, Lane]]
) -> None:
    times = in_virtual_time(grants(rate, bursts))
    assert len(times) == sum(count for _, count, _ in bursts)
    assert times == sorted(times)
    assert worst_second(times) <= rate * 1.05 + 1


@given(rate=RATES, pause_s=st.floats(0, 100))
def test_grants_that_nobody_used_are_not_made_up_for_by_a_burst(rate: float, pause_s: float) -> None:
    at_once = max(1, int(rate // 20))
    count = 2 * at_once + 3
    times = in_virtual_time(grants(rate, [(0, count, Lane.WORK), (pause_s, count, Lane.WORK)]))
    # Whatever was before, a twentieth of a second holds a twentieth of the rate.
    assert all(later - earlier >= at_once / rate for earlier, later in zip(times, times[at_once:], strict=False))


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


def test_source_bytes_are_paced() -> None:
    async def main() -> list[float]:
        return await work(throttle_of(1000, 2), [1_000_000, 3_000_000, 500_000, 0, 1])

    assert in_virtual_time(main()) == pytest.approx([0, 0.5, 2.0, 2.25, 2.252], abs=0.01)


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
