"""Time and memory of `plan` over a table of many rows, with the proof that no two tasks share a target."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.memory import ROOT, peak_mb
from tests.stand_in import StandIn

ROWS = 1_000_000
MANY_ROWS = 5_000_000
PIPELINES = 2
ALLOWED_SECONDS = 60.0
ALLOWED_MB = 400.0
# 40 bytes for each target; the set that finds duplicates takes fewer.
ALLOWED_BYTES_PER_TARGET = 40

_MANIFEST = """\
version: 1
job: planning
bucket: photos
sources:
  - csv: keys.csv
pipelines:
  - name: small
    process: image/resize,w_100
    target: {bucket: renditions, key: "small/TEMPLATE"}
  - name: large
    actions:
      - resize: {w: 1200}
      - format: webp
    target: {bucket: renditions, key: "large/TEMPLATE.webp"}
"""
# By the first, different keys have different targets whatever they are; of the second only an enumeration can tell.
_TEMPLATES = {"by the templates": "{key}", "by enumeration": "{dir}/{stem}"}
_ENVIRON = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One plan: how it was proved, its rows, how long it took, also on the CPU, and the most memory it held at once."""

    proof: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> int:
    """Measure, print a table, and say whether the promises are kept."""
    print(f"plan of a CSV file with {PIPELINES} pipelines")
    figures = measure([("by enumeration", ROWS), ("by the templates", ROWS), ("by the templates", MANY_ROWS)])
    print("proof             rows        time      of CPU    peak memory")
    for figure in figures:
        times = f"{figure.seconds:6.1f} s  {figure.cpu_seconds:6.1f} s"
        print(f"{figure.proof:16}  {figure.rows:9,}  {times}  {figure.peak_mb:9.1f} MB")
    proofs = [figure for figure in figures if figure.rows == ROWS]
    growth_mb = figures[-1].peak_mb - figures[-2].peak_mb
    per_target = growth_mb * 1_000_000 / (MANY_ROWS - ROWS) / PIPELINES
    print(f"growth from {ROWS:,} to {MANY_ROWS:,} rows: {per_target:.1f} bytes for each target", end="")
    print(f" (allowed: {ALLOWED_SECONDS:.0f} s, {ALLOWED_MB:.0f} MB, {ALLOWED_BYTES_PER_TARGET} bytes)")
    kept = all(figure.seconds <= ALLOWED_SECONDS and figure.peak_mb <= ALLOWED_MB for figure in proofs)
    return 0 if kept and per_target <= ALLOWED_BYTES_PER_TARGET else 1


def measure(plans: Sequence[tuple[str, int]]) -> list[Figure]:
    """A plan for each proof and number of rows, against a stand-in for OSS in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.planning", "serve"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().decode().strip()
            return [_planned(proof, rows, url) for proof, rows in plans]
        finally:
            server.kill()


def _planned(proof: str, rows: int, url: str) -> Figure:
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        directory = Path(name)
        (directory / "job.yaml").write_text(_MANIFEST.replace("TEMPLATE", _TEMPLATES[proof]))
        (directory / "config.yaml").write_text(f"endpoint: {url}\nresults: ./results\n")
        with (directory / "keys.csv").open("w") as file:
            file.write("key,etag,size,title\n")
            file.writelines(
                f"products/{row % 1000:03}/{row:09}.jpg,{row:032X},{row},Title {row}\n" for row in range(rows)
            )
        began, cpu_began = time.monotonic(), _cpu_seconds()
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker", "plan", "job.yaml", "--json"],
            cwd=directory,
            env={**os.environ, **_ENVIRON},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        most_mb = 0.0
        try:
            while worker.poll() is None:
                most_mb = max(most_mb, peak_mb(worker.pid))
                time.sleep(0.02)
            out, err = worker.communicate()
        finally:
            worker.kill()
        seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds() - cpu_began
    if worker.returncode or json.loads(out)["posts"] != PIPELINES * rows:
        message = f"the plan of {rows} rows ended with {worker.returncode}: {err.decode()}"
        raise RuntimeError(message)
    return Figure(proof, rows, seconds, cpu_seconds, most_mb)


def _cpu_seconds() -> float:
    """What the children that have ended have used, the program's and the system's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _serve() -> None:
    async with StandIn({"photos": {}, "renditions": {}}, keep=False) as server:
        print(server.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(_serve())
    else:
        sys.exit(main())
