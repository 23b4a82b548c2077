"""The report of a run of many lines: how long it takes, how much memory, and how large the page is."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from bench.memory import ROOT
from tests.fakes import TASK, record
from worker.batch.record import ErrorRecord, Status, TargetRecord, encode
from worker.cli import main as cli

SIZES = (100_000, 1_000_000)
ALLOWED_S, ALLOWED_PAGE_MB = 60.0, 3.0
# From a tenth of the lines to all of them: columns fill up and failures get longer; nothing is kept of each line.
ALLOWED_GROWTH_MB = 30.0
_CODES = ("ImageDamage", "Timeout", "InternalError", "BadRequest")
_CHUNK = 100_000


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    kept, peaks = True, []
    for lines in SIZES:
        with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
            _write(Path(name) / "results/big/night/0-of-1.aaaaaaaa.0.jsonl", lines)
            command = [sys.executable, "-m", "bench.report", "report", "big", "--results", f"{name}/results"]
            files = ["--html", f"{name}/page.html", "--csv", f"{name}/failed.csv", "--embed", "0"]
            # Nothing is read in this process, so that the memory is that of the report alone.
            done = subprocess.run([*command, *files], cwd=ROOT, check=True, capture_output=True)
            figure = json.loads(done.stderr.splitlines()[-1])
            page_mb = Path(name, "page.html").stat().st_size / 1e6
        kept &= figure["seconds"] <= ALLOWED_S and page_mb <= ALLOWED_PAGE_MB
        peaks.append(figure["peak_mb"])
        print(
            f"report: {lines:9,} lines, {figure['seconds']:5.1f} s, {figure['cpu_s']:5.1f} s CPU, "
            f"{figure['peak_mb']:5.1f} MB, page {page_mb:.2f} MB  "
            f"(allowed: {ALLOWED_S:g} s, {ALLOWED_PAGE_MB:g} MB of page)"
        )
    print(f"memory grew by {peaks[-1] - peaks[0]:.1f} MB (allowed: {ALLOWED_GROWTH_MB:g})")
    return int(not kept or peaks[-1] - peaks[0] > ALLOWED_GROWTH_MB)


def _write(path: Path, lines: int) -> None:
    path.parent.mkdir(parents=True)
    rng = random.Random(1)
    with path.open("wb") as file:
        for first in range(0, lines, _CHUNK):
            file.write(b"".join(_encoded(rng, first, min(_CHUNK, lines - first))))


def _encoded(rng: random.Random, first: int, count: int) -> Iterator[bytes]:
    """Lines of a run at fifty tasks in a second, of which one in twenty fails and some were throttled."""
    for number in range(first, first + count):
        key = f"products/2026/{number:012}.jpg"
        task = replace(TASK, source=replace(TASK.source, key=key), target=replace(TASK.target, key=f"thumbs/{key}"))
        failed = not rng.randrange(20)
        error = ErrorRecord(rng.choice(_CODES), 400, "", "The picture is damaged.", permanent=True)
        line = record(task, Status.FAILED if failed else Status.SAVED, number / 50, error=error if failed else None)
        yield encode(
            replace(
                line,
                target=TargetRecord("renditions", f"thumbs/{key}", rng.randrange(1, 2000)),
                duration_ms=rng.lognormvariate(5, 0.7),
                tries={"CpuLimitExceeded": 1} if not rng.randrange(10) else {},
            )
        )


def _measure() -> None:
    """Run the command in this process, and tell on standard error what it took."""
    began_s = time.monotonic()
    with suppress(SystemExit):
        cli.main()
    seconds = time.monotonic() - began_s
    status = Path("/proc/self/status").read_text()
    peak_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    figure = {"seconds": seconds, "cpu_s": sum(os.times()[:2]), "peak_mb": peak_kb / 1e3}
    print(json.dumps(figure), file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _measure()
    else:
        sys.exit(main())
