"""What stops a command from outside: signals, and the end of its time."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from worker.dispatch.stopping import Reason, Stop


@contextmanager
def stopping(stop: Stop, max_duration_s: float | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT stop the run: for process 1 of a container nobody else does. So does the end of its time."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    timer = None if max_duration_s is None else loop.call_later(max_duration_s, stop.throw, Reason.DURATION)
    for number in numbers:
        loop.add_signal_handler(number, stop.throw, Reason.SIGNAL)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
        if timer is not None:
            timer.cancel()
