"""What is measured in real time: start-up, the first POST, how well a rate is kept, and what waiting costs."""

import asyncio
import sys
import time
from bisect import bisect_left
from dataclasses import dataclass

import uvloop

from bench.throughput.runs import ROOT, StandIn, spent, worker_run
from worker.dispatch.adaptive import limits_of
from worker.dispatch.throttle import Lane, Throttle

_WAITING, _SLOW_RATE, _WAIT_S = 2_000, 20.0, 5.0
_RATE, _RATE_TASKS = 200.0, 1_000


@dataclass(frozen=True, slots=True)
class Moments:
    """CPU seconds of two commands, seconds to the first POST, a rate as kept, the share of a core of waiting."""

    help_cpu_s: float
    one_task_cpu_s: float
    first_post_s: float
    rate: float
    kept_rate: float
    worst_second: int
    waiting_share: float


def measure(server: StandIn) -> Moments:
    """The best of three each, for what else runs on the machine only adds."""
    helps = [spent([sys.executable, "-m", "worker", "--help"], ROOT).cpu_s for _ in range(3)]
    ones, firsts = [], []
    for _ in range(3):
        server.times()
        began = time.monotonic()
        ones.append(worker_run(server.url, 1).cpu_s)
        firsts.append(server.times()[0] - began)  # one clock for all processes of a machine
    worker_run(server.url, _RATE_TASKS, _RATE)
    times = server.times()
    return Moments(
        help_cpu_s=min(helps),
        one_task_cpu_s=min(ones),
        first_post_s=min(firsts),
        rate=_RATE,
        kept_rate=(len(times) - 1) / (times[-1] - times[0]),
        worst_second=max(bisect_left(times, start + 1) - index for index, start in enumerate(times)),
        waiting_share=uvloop.run(_waiting_share()),
    )


async def _waiting_share() -> float:
    """The share of a core that 2,000 tasks take which wait at 20 in a second."""
    limits = limits_of(_SLOW_RATE, 100_000, _WAITING, lambda _: None, adaptive=False)
    throttle = Throttle(limits, time.monotonic, asyncio.sleep)
    waiting = [asyncio.create_task(throttle.acquire(Lane.WORK, 0)) for _ in range(_WAITING)]
    await asyncio.sleep(0.5)
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(_WAIT_S)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return share
