"""Memory of the worker over the number of tasks: it must not grow with what is done, only by what a target costs."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stand_in import StandIn, keys_below

SIZES = (1_000, 5_000, 20_000)
# 40 bytes for each target are allowed, and an allocator takes its memory in steps.
ALLOWED_GROWTH_MB = 6.0
CONCURRENCY = 64
RATE = 20_000
ROOT = Path(__file__).parents[1]

_MANIFEST = """\
version: 1
job: memory
bucket: photos
sources:
  - prefix: in/
pipelines:
  - name: small
    process: image/resize,w_4
    target: {bucket: renditions, key: "small/{key}"}
"""
_ENVIRON = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One run: its tasks, the most memory it held at once, and how long it took."""

    tasks: int
    peak_mb: float
    seconds: float


def main() -> int:
    """Measure, print a table, and say whether memory is flat."""
    figures = measure(SIZES)
    print("tasks      peak memory   time     tasks/s")
    for figure in figures:
        rate = figure.tasks / figure.seconds
        print(f"{figure.tasks:6,}  {figure.peak_mb:10.1f} MB  {figure.seconds:5.1f} s  {rate:8,.0f}")
    growth_mb = figures[-1].peak_mb - figures[0].peak_mb
    ratio = figures[-1].peak_mb / figures[0].peak_mb
    print(f"growth from {SIZES[0]:,} to {SIZES[-1]:,} tasks: {growth_mb:.1f} MB, {ratio:.2f} times", end="")
    print(f" (allowed: {ALLOWED_GROWTH_MB} MB)")
    return 0 if growth_mb <= ALLOWED_GROWTH_MB else 1


def measure(sizes: Sequence[int]) -> list[Figure]:
    """A run for each number of tasks, against a stand-in for OSS in a process of its own."""
    return [_run(tasks) for tasks in sizes]


def _run(tasks: int) -> Figure:
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as directory:
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.memory", str(tasks)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().decode().strip()
            return _measured(tasks, Path(directory), url)
        finally:
            server.kill()
            server.communicate()


def _measured(tasks: int, directory: Path, url: str) -> Figure:
    (directory / "job.yaml").write_text(_MANIFEST)
    limits = f"{{requests_per_second: {RATE}, source_mb_per_second: 100000, concurrency: {CONCURRENCY}}}"
    (directory / "config.yaml").write_text(f"endpoint: {url}\nresults: ./results\nlimits: {limits}\n")
    return Figure(tasks, *measured_run(directory, tasks))


def measured_run(directory: Path, tasks: int) -> tuple[float, float]:
    """A run of job.yaml that has to save so many tasks: the most memory it held, in MB, and the seconds it took."""
    began, peak = time.monotonic(), 0.0
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker", "run", "job.yaml", "--json"],
        cwd=directory,
        env={**os.environ, **_ENVIRON, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while worker.poll() is None:
            peak = max(peak, peak_mb(worker.pid))
            time.sleep(0.02)
        out, err = worker.communicate()
    finally:
        worker.kill()
    if worker.returncode or json.loads(out)["saved"] != tasks:
        message = f"the run of {tasks} tasks ended with {worker.returncode}: {err.decode()}"
        raise RuntimeError(message)
    return peak, time.monotonic() - began


def peak_mb(pid: int) -> float:
    """The high-water mark of a process's memory so far; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    return int(found[1]) * 1024 / 1_000_000 if found else 0.0


async def _serve(tasks: int) -> None:
    buckets = {"photos": keys_below("in/", tasks), "renditions": {}}
    async with StandIn(buckets, keep=False) as server:
        print(server.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
