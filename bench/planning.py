"""Time and memory of `plan` over a large table, proven by its templates and proven by enumeration."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.memory import ENVIRON, ROOT, peak_of

ROWS = 1_000_000
ALLOWED_SECONDS, ALLOWED_MB = 60.0, 400.0
# The first two tell all sources apart by themselves; of the others only an enumeration proves it.
TEMPLATES = {"by the templates": "{key}", "by enumeration": "{hash}.{ext}"}

_MANIFEST = """\
version: 1
job: planning
bucket: photos
sources:
  - csv: keys.csv
pipelines:
  - {name: small, process: "image/resize,w_4", target: {bucket: renditions, key: "small/KEY"}}
  - {name: large, process: "image/resize,w_8", target: {bucket: renditions, key: "large/KEY"}}
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One plan: how long it took, and the most memory it held at once."""

    seconds: float
    peak_mb: float


def main() -> int:
    """Measure, print a table, and say whether the promise is kept."""
    print(f"plan of {ROWS:,} rows x 2 pipelines, proven   time      peak memory")
    kept = True
    for name, template in TEMPLATES.items():
        figure = measure(template, ROWS)
        print(f"{name:>43}  {figure.seconds:6.1f} s  {figure.peak_mb:8.1f} MB", flush=True)
        kept = kept and figure.seconds <= ALLOWED_SECONDS and figure.peak_mb <= ALLOWED_MB
    print(f"(allowed: {ALLOWED_SECONDS:.0f} s and {ALLOWED_MB:.0f} MB)")
    return 0 if kept else 1


def measure(template: str, rows: int) -> Figure:
    """A plan of so many rows with etag and size, against a stand-in for OSS in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        directory = Path(name)
        with (directory / "keys.csv").open("w") as table:
            table.write("key,etag,size\n")
            table.writelines(f"products/{row % 997}/{row:08}.jpg,E{row:031},123456\n" for row in range(rows))
        (directory / "job.yaml").write_text(_MANIFEST.replace("KEY", template))
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.memory", "0"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().decode().strip()
            (directory / "config.yaml").write_text(f"endpoint: {url}\nresults: ./results\n")
            return _measured(directory, 2 * rows)
        finally:
            server.kill()
            server.communicate()


def _measured(directory: Path, tasks: int) -> Figure:
    began, peak = time.monotonic(), 0.0
    command = [sys.executable, "-m", "worker", "plan", "job.yaml", "--json"]
    with (directory / "out").open("w+b") as out:
        worker = subprocess.Popen(command, cwd=directory, env={**os.environ, **ENVIRON}, stdout=out)
        try:
            while worker.poll() is None:
                peak = max(peak, peak_of(worker.pid))
                time.sleep(0.02)
        finally:
            worker.kill()
        seconds = time.monotonic() - began
        out.seek(0)
        if worker.returncode or json.load(out)["posts"] != tasks:
            message = f"the plan of {tasks} tasks ended with {worker.returncode}"
            raise RuntimeError(message)
    return Figure(seconds, peak)


if __name__ == "__main__":
    sys.exit(main())
