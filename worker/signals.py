"""What stops a command from outside: signals, and the end of its time."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from worker.dispatch.stopping import Reason, Stop

NUMBERS = (signal.SIGTERM, signal.SIGINT)


def ignore_signals() -> None:
    """From here on no signal makes it another end."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stopping(stop: Stop, max_duration_s: float | None = None) -> Iterator[None]:
    """SIGTERM and SIGINT stop the run: for process 1 of a container nobody else does. So does the end of its time."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in NUMBERS}
    timer = None if max_duration_s is None else loop.call_later(max_duration_s, stop.throw, Reason.DURATION)
    for number in NUMBERS:
        loop.add_signal_handler(number, stop.throw, Reason.SIGNAL)
    try:
        yield
    finally:
        # The loop leaves the system's own action, by which a signal that comes now would kill us, all said and done.
        signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
        for number in NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)
        if timer is not None:
            timer.cancel()
