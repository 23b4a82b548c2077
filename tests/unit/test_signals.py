"""What a signal does while a command works, and what it does before and after."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from worker.dispatch.stopping import Reason, Stop
from worker.signals import NUMBERS, stopping


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that come to the handler which was there before."""
    found: list[int] = []
    before = {number: signal.signal(number, lambda number, _: found.append(number)) for number in NUMBERS}
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_within_a_signal_stops_the_run_and_after_it_whoever_was_there_hears_of_it(
    heard: list[int], number: signal.Signals
) -> None:
    async def main() -> Reason | None:
        stop = Stop()
        with stopping(stop):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(stop.wait(), 30)
        return stop.reason

    assert asyncio.run(main()) is Reason.SIGNAL
    assert heard == []
    os.kill(os.getpid(), number)
    assert heard == [number]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []).isdisjoint(NUMBERS)
