"""The one switch of a run: which waits it cuts, and whose."""

import asyncio

import pytest

from tests.fakes import in_virtual_time, now_s
from worker.dispatch.stopping import Cut, Reason, Stop


async def wait(stop: Stop, seconds: float) -> str:
    try:
        with stop.cuts():
            await asyncio.sleep(seconds)
    except Cut:
        return f"cut at {now_s():g}"
    return f"done at {now_s():g}"


def test_a_stop_cuts_all_waits_and_refuses_new_ones() -> None:
    async def main() -> list[str]:
        stop = Stop()
        asyncio.get_running_loop().call_later(5, stop.throw, Reason.SIGNAL)
        waits = await asyncio.gather(wait(stop, 1), wait(stop, 9), wait(stop, 99))
        return [*waits, await wait(stop, 1)]

    assert in_virtual_time(main()) == ["done at 1", "cut at 5", "cut at 5", "cut at 5"]


def test_the_first_reason_stands() -> None:
    async def main() -> Reason | None:
        stop = Stop()
        stop.throw(Reason.DURATION)
        stop.throw(Reason.SIGNAL)
        return stop.reason

    assert in_virtual_time(main()) is Reason.DURATION


def test_only_a_second_signal_is_a_hurry() -> None:
    async def main(*reasons: Reason) -> bool:
        stop = Stop()
        for reason in reasons:
            stop.throw(reason)
        waiting = asyncio.create_task(stop.wait_for_hurry())
        await asyncio.sleep(1)
        waiting.cancel()
        return waiting.done()

    assert in_virtual_time(main(Reason.SIGNAL, Reason.SIGNAL))
    assert not in_virtual_time(main(Reason.SIGNAL))
    assert not in_virtual_time(main(Reason.SIGNAL, Reason.RESULTS))
    assert not in_virtual_time(main(Reason.RESULTS, Reason.SIGNAL))
    assert in_virtual_time(main(Reason.DURATION, Reason.SIGNAL, Reason.SIGNAL))
    assert not in_virtual_time(main(Reason.DURATION, Reason.DURATION))


def test_a_wait_that_others_cancel_is_cancelled_and_not_cut() -> None:
    async def main(*, with_stop: bool) -> None:
        stop = Stop()
        task = asyncio.create_task(wait(stop, 9))
        await asyncio.sleep(1)
        task.cancel()
        if with_stop:
            stop.throw(Reason.SIGNAL)
        with pytest.raises(asyncio.CancelledError):
            await task

    in_virtual_time(main(with_stop=False))
    in_virtual_time(main(with_stop=True))


def test_who_throws_the_switch_inside_a_wait_leaves_by_its_end() -> None:
    async def main() -> list[str]:
        stop, went_on = Stop(), list[str]()

        async def throw_inside() -> None:
            with stop.cuts():
                stop.throw(Reason.SOURCES)
                await asyncio.sleep(1)
                went_on.append("not cut inside")

        with pytest.raises(Cut):
            await throw_inside()
        return went_on

    assert in_virtual_time(main()) == ["not cut inside"]


def test_a_cut_leaves_the_task_as_if_nothing_had_been_cancelled() -> None:
    async def main() -> int:
        stop = Stop()
        asyncio.get_running_loop().call_later(1, stop.throw, Reason.SIGNAL)
        await wait(stop, 9)
        await asyncio.sleep(1)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert in_virtual_time(main()) == 0
