"""Consumers over one stream: never more than allowed, each task once, drained within its grace."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import in_virtual_time, now_s
from worker.dispatch.scheduler import Scheduler
from worker.dispatch.stopping import Cut, Reason, Stop


@dataclass
class Work:
    """Tasks are the seconds they take."""

    durations: list[float]
    stop: Stop = field(default_factory=Stop)
    fails_at: int = -1
    cut_at: int = -1
    begun: list[int] = field(default_factory=list)
    recorded: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    alive: int = 0
    most_alive: int = 0
    is_behind: bool = False
    arriving_s: float = 0.0

    async def tasks(self) -> AsyncIterator[int]:
        for number in range(len(self.durations)):
            await asyncio.sleep(self.arriving_s)
            yield number

    async def perform(self, number: int) -> int:
        self.begun.append(number)
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        try:
            await asyncio.sleep(self.durations[number])
            if number == self.cut_at:
                raise Cut
            if number == self.fails_at:
                message = "a bug"
                raise ZeroDivisionError(message)
        finally:
            self.alive -= 1
        # The next thing that happens in the loop: by then the result has to be recorded.
        asyncio.get_running_loop().call_soon(lambda: None if number in self.recorded else self.late.append(number))
        return number

    async def ready(self) -> None:
        while self.is_behind:  # noqa: ASYNC110 - who falls behind in these tests only sets a flag
            await asyncio.sleep(1)

    def scheduler(self) -> Scheduler[int, int]:
        return Scheduler(self.perform, lambda _, result: self.recorded.append(result), self, self.stop)

    async def run(self, concurrency: int, grace_s: float = 1.0) -> Scheduler[int, int]:
        scheduler = self.scheduler()
        await scheduler.run(self.tasks(), concurrency, grace_s)
        return scheduler


@given(
    durations=st.lists(st.floats(0, 10), max_size=40), concurrency=st.integers(1, 8), arriving_s=st.sampled_from([0, 1])
)
def test_each_task_is_done_once_and_recorded_at_once_with_no_more_alive_than_allowed(
    durations: list[float], concurrency: int, arriving_s: float
) -> None:
    work = Work(durations, arriving_s=arriving_s)
    scheduler = in_virtual_time(work.run(concurrency))
    assert Counter(work.begun) == Counter(work.recorded) == Counter(range(len(durations)))
    assert work.most_alive <= concurrency
    assert work.late == []
    assert scheduler.complete
    assert not scheduler.closed


def test_all_that_is_allowed_is_used() -> None:
    work = Work([1.0] * 20)
    in_virtual_time(work.run(5))
    assert work.most_alive == 5


def stopping(work: Work, at_s: float, *more: float) -> None:
    for moment in (at_s, *more):
        asyncio.get_running_loop().call_later(moment, work.stop.throw, Reason.SIGNAL)


def drained(work: Work, grace_s: float, *signals: float) -> tuple[float, bool]:
    async def main() -> tuple[float, bool]:
        stopping(work, *signals)
        scheduler = await work.run(2, grace_s)
        return now_s(), scheduler.complete

    return in_virtual_time(main())


def test_a_stop_waits_for_what_is_on_its_way_and_begins_nothing_new() -> None:
    work = Work([10.0] * 6)
    assert drained(work, 20, 1) == (10, False)
    assert work.begun == work.recorded == [0, 1]


def test_what_is_on_its_way_after_the_grace_is_cut_off() -> None:
    work = Work([3.0, 10.0, 10.0])
    assert drained(work, 4, 1) == (5, False)
    assert (work.recorded, work.alive) == ([0], 0)


def test_a_second_signal_ends_the_drain() -> None:
    work = Work([10.0] * 6)
    assert drained(work, 60, 1, 2) == (2, False)
    assert work.recorded == []


def test_a_stop_wakes_those_who_wait_for_tasks() -> None:
    work = Work([1.0] * 5, arriving_s=100)
    assert drained(work, 60, 1) == (1, False)
    assert work.begun == []


def test_a_closed_scheduler_finishes_what_it_took_and_takes_no_more() -> None:
    work = Work([10.0] * 6)

    async def main() -> Scheduler[int, int]:
        scheduler = work.scheduler()
        asyncio.get_running_loop().call_later(1, scheduler.close)
        await scheduler.run(work.tasks(), 2, 0)
        return scheduler

    scheduler = in_virtual_time(main())
    assert work.recorded == [0, 1]
    assert (scheduler.closed, scheduler.complete) == (True, False)


def test_a_bug_ends_everything_and_is_seen() -> None:
    work = Work([1.0] * 20, fails_at=3)

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await work.run(2)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    in_virtual_time(main())
    assert work.alive == 0
    assert 3 not in work.recorded


def test_a_bug_in_the_stream_ends_everything_and_is_seen() -> None:
    work = Work([1.0] * 20)

    async def broken() -> AsyncIterator[int]:
        async for number in work.tasks():
            if number == 3:
                message = "a bug"
                raise ZeroDivisionError(message)
            yield number

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await work.scheduler().run(broken(), 2, 0)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    in_virtual_time(main())
    assert work.alive == 0


@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_no_more_is_taken_ahead_than_there_are_consumers(concurrency: int) -> None:
    work = Work([1.0] * 40)
    taken = []

    async def watched() -> AsyncIterator[int]:
        async for number in work.tasks():
            taken.append(number)
            assert len(taken) - len(work.begun) <= concurrency
            yield number

    in_virtual_time(work.scheduler().run(watched(), concurrency, 0))
    assert len(taken) == len(work.recorded) == 40


def test_a_task_that_is_cut_leaves_the_others_alone() -> None:
    work = Work([1.0] * 6, cut_at=0)
    in_virtual_time(work.run(2))
    assert work.recorded == [1, 2, 3, 4, 5]


def test_nobody_takes_a_task_while_the_results_log_is_behind() -> None:
    work = Work([1.0] * 6)

    async def main() -> None:
        def falls_behind(at_s: float, until_s: float) -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(at_s, setattr, work, "is_behind", True)
            loop.call_later(until_s - 1, lambda: work.late.append(len(work.begun)))
            loop.call_later(until_s, setattr, work, "is_behind", False)

        work.is_behind = True  # from the start, and again when tasks are at hand
        falls_behind(0, 50)
        falls_behind(51.5, 90)
        await work.run(2)

    in_virtual_time(main())
    assert (work.late, len(work.recorded)) == ([0, 4], 6)
