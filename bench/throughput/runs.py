"""Runs of clients against the stand-in, each in a process of its own, on one core; the stand-in is on another."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import cast

from bench.throughput.clients import CLIENTS, CONCURRENCY, KEYS, MANIFEST, REGION, key

ROOT = Path(__file__).parents[2]
_ALI_OSS = ROOT / "build/node/node_modules/ali-oss"  # make test installs it
_LEAST = 50
_ENVIRON = {"OSS_ACCESS_KEY_ID": KEYS[0], "OSS_ACCESS_KEY_SECRET": KEYS[1]}


class Skipped(Exception):  # noqa: N818 - not an error: the table says why a client is not in it
    """This client is not measured here, and why."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in as its clients see it; `pid` is its process."""

    url: str
    pid: int

    def posts(self) -> int:
        """How many POSTs it has served so far."""
        with urllib.request.urlopen(f"{self.url}/posts", timeout=60) as answer:  # noqa: S310 - our own URL
            return int(answer.read())

    def times(self) -> list[float]:
        """When each POST came since this was asked last, in seconds of the monotonic clock."""
        with urllib.request.urlopen(f"{self.url}/times", timeout=60) as answer:  # noqa: S310 - our own URL
            return cast("list[float]", json.loads(answer.read()))


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds (user and system) that a process took, seconds on the wall, and the most memory it held at once."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    out: str = ""


def cores() -> tuple[int, int]:
    """The core of the client, and that of the stand-in; the same where there is one only."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A stand-in for the service in a process of its own."""
    command = [sys.executable, "-m", "bench.throughput.echo"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        os.sched_setaffinity(server.pid, {cores()[1]})
        assert server.stdout is not None
        yield StandIn(server.stdout.readline().decode().strip(), server.pid)
    finally:
        server.kill()
        server.communicate()


def spent(
    command: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None, *, bound: bool = True
) -> Spent:
    """Run a command, `bound` to the client's core.

    Raises:
        RuntimeError: It failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **(environ or {})}, stdout=out, stderr=err
        )
        if bound:
            os.sched_setaffinity(process.pid, {cores()[0]})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        out.seek(0)
        err.seek(0)
        if process.returncode:
            message = f"{' '.join(command)} ended with {process.returncode}: {err.read().decode()[-2000:]}"
            raise RuntimeError(message)
        peak_mb = used.ru_maxrss * 1024 / 1e6  # of the runner, where that held more
        return Spent(used.ru_utime + used.ru_stime, wall_s, peak_mb, out.read().decode())


def worker_run(url: str, tasks: int, rate: float = 100_000, *, processes: int = 1) -> Spent:
    """A whole run of the worker: CSV, V4, throttle, retry policy, results log with group commit; no progress shown.

    No limit binds but `rate`: one that adapts begins with few in flight, and the other clients do not. One process is
    bound to the client's core.
    """
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        directory = Path(name)
        (directory / "job.yaml").write_text(MANIFEST)
        # Row by row: what the runner held at most is told of its children, too.
        with (directory / "keys.csv").open("w") as table:
            table.write("key,size\n")
            table.writelines(f"{key(number)},1234\n" for number in range(tasks))
        limits = (
            f"requests_per_second: {rate:g}, source_mb_per_second: 100000, concurrency: {CONCURRENCY}, adaptive: false"
        )
        settings = f"endpoint: {url}\nregion: {REGION}\nresults: ./results\nlimits: {{{limits}}}\n"
        (directory / "config.yaml").write_text(settings)
        command = [sys.executable, "-m", "worker", "run", "job.yaml", "--progress", "none", "--json"]
        if processes > 1:
            command += ["--processes", str(processes)]
        found = spent(command, directory, _ENVIRON, bound=processes == 1)
        saved = json.loads(found.out)["saved"]
    if saved != tasks:
        message = f"the run of {tasks} tasks saved {saved}"
        raise RuntimeError(message)
    return found


class Worker:
    """The worker, without its start: a run of few tasks is taken off."""

    def __init__(self, server: StandIn) -> None:
        self._url = server.url
        self._start = min((worker_run(server.url, _LEAST) for _ in range(3)), key=lambda run: run.cpu_s)

    def cpu_s(self, tasks: int) -> float:
        """CPU seconds of so many tasks."""
        run = worker_run(self._url, tasks)
        return (run.cpu_s - self._start.cpu_s) * tasks / (tasks - _LEAST)


def client_cpu_s(name: str, url: str, tasks: int) -> float:
    """CPU seconds that a client took for so many POSTs.

    Raises:
        Skipped: It is not installed here.
    """
    if name == "ali-oss":
        return _ali_oss_cpu_s(url, tasks)
    assert name in CLIENTS
    return float(spent([sys.executable, "-m", "bench.throughput.clients", name, url, str(tasks)], ROOT).out)


def _ali_oss_cpu_s(url: str, tasks: int) -> float:
    if which("node") is None:
        raise Skipped("node is not installed")
    if not _ALI_OSS.is_dir():
        raise Skipped(f"there is no ali-oss in {_ALI_OSS.relative_to(ROOT)}")
    script = ROOT / "bench/throughput/ali_oss.cjs"
    command = ["node", str(script), str(_ALI_OSS), url, str(tasks), str(CONCURRENCY), *KEYS, REGION]
    return float(spent(command, ROOT).out)


def native_posts_per_s(url: str) -> float:
    """POSTs in a second by wrk on one core: the physical limit of client and stand-in together.

    Raises:
        Skipped: It is not installed here.
    """
    if which("wrk") is None:
        raise Skipped("wrk is not installed")
    script = ROOT / "bench/throughput/post.lua"
    found = spent(["wrk", "-t1", f"-c{CONCURRENCY}", "-d3s", "-s", str(script), url], ROOT)
    line = next(line for line in found.out.splitlines() if line.startswith("Requests/sec:"))
    return float(line.split()[1])


def cpu_of(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
