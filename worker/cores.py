"""How many cores this process can use, as the system and a container's limit say."""

import os
from pathlib import Path

# The limit of a container, microseconds of CPU and of a period: https://docs.kernel.org/admin-guide/cgroup-v2.html
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_max: Path = _CPU_MAX) -> int:
    """At least 1. A limit of 2.5 cores counts as 2: a process more would be throttled, and slow all of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
        limit = int(quota) // int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such limit here, or `max`
        return cores
    return max(1, min(cores, limit))
