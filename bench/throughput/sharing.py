"""Tasks in a second by two processes and by one: `python -m bench.throughput.sharing`.

Two processes are bound to no core. Where two cores serve them and the stand-in, they cannot do twice as much as one
with a core to itself; whether the machine is the limit is told by how busy its cores were.
"""

import sys
from dataclasses import dataclass

from bench.throughput.runs import StandIn, cores, cpu_of, stand_in, worker_run

_TASKS, _LEAST, _REPEATS = 20_000, 50, 3
PROMISED, ALL_BUSY = 1.6, 0.9


@dataclass(frozen=True, slots=True)
class Share:
    """Tasks in a second of wall time without the start, and the shares of one core that worker and stand-in took."""

    tasks_per_s: float
    worker: float
    stand_in: float

    @property
    def busy(self) -> float:
        """The share of the cores that may be used here."""
        return (self.worker + self.stand_in) / len(set(cores()))


def measure(server: StandIn, processes: int) -> Share:
    """The best of three, for what else runs on the machine only adds."""
    return max((_once(server, processes) for _ in range(_REPEATS)), key=lambda share: share.tasks_per_s)


def _once(server: StandIn, processes: int) -> Share:
    start = worker_run(server.url, _LEAST, processes=processes)
    before_s = cpu_of(server.pid)
    run = worker_run(server.url, _TASKS, processes=processes)
    served_s = cpu_of(server.pid) - before_s
    server.times()  # which it keeps until somebody asks
    wall_s = run.wall_s - start.wall_s
    return Share((_TASKS - _LEAST) / wall_s, (run.cpu_s - start.cpu_s) / wall_s, served_s / wall_s)


def main() -> int:
    """Measure, print, and say whether the promise is kept, or the cores are all there is."""
    with stand_in() as server:
        one, two = measure(server, 1), measure(server, 2)
    for processes, share in ((1, one), (2, two)):
        print(
            f"{processes} process(es): {share.tasks_per_s:6,.0f} tasks/s; the worker took {share.worker:.2f} cores, "
            f"the stand-in {share.stand_in:.2f}"
        )
    factor = two.tasks_per_s / one.tasks_per_s
    kept = factor >= PROMISED or two.busy >= ALL_BUSY
    print(f"two processes do {factor:.2f} times as much (promised: {PROMISED}), with {two.busy:.0%} of the cores busy")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
