"""Memory of a run over a table of a million rows: the program, and what finds a row that is met again."""

import sys

from bench.throughput.runs import stand_in, worker_run

TASKS = 1_000_000
ALLOWED_MB = 120.0
ALLOWED_BYTES = 40.0  # for each target
_FEW = 100_000


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    with stand_in() as server:
        few = worker_run(server.url, _FEW)
        all_of_them = worker_run(server.url, TASKS)
    each = (all_of_them.peak_mb - few.peak_mb) * 1e6 / (TASKS - _FEW)
    for tasks, run in ((_FEW, few), (TASKS, all_of_them)):
        rate, cpu_us = tasks / run.wall_s, run.cpu_s / tasks * 1e6
        print(f"{tasks:9,} tasks from CSV: {run.peak_mb:6.1f} MB, {rate:6,.0f} tasks/s, {cpu_us:.0f} us of CPU each")
    print(f"promised: {ALLOWED_MB:g} MB; from {_FEW:,} on {each:.0f} bytes a target (promised: {ALLOWED_BYTES:g})")
    return int(all_of_them.peak_mb > ALLOWED_MB or each > ALLOWED_BYTES)


if __name__ == "__main__":
    sys.exit(main())
