"""The ledger of a log of many lines: how long reading takes, and how much memory, with a checkpoint and without."""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bench.memory import ROOT
from tests.fakes import TASK, record
from worker.batch.record import encode
from worker.batch.task import Shard
from worker.results.compacting import compact
from worker.results.directory import DirectoryStore
from worker.results.loading import read_ledger
from worker.results.patience import Patience

LINES = 10_000_000
ALLOWED_S, ALLOWED_MB, ALLOWED_FROM_CHECKPOINT_S = 60.0, 600.0, 10.0
NIGHTS, NIGHT_SEGMENTS, NIGHT_LINES = 365, 3, 20
ALLOWED_YEAR_S = 2.0
_RUN = "20261122T233400Z-7f3a"
_CHUNK = 100_000


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        job = Path(name) / "big"
        _write(job / _RUN / "0-of-1.aaaaaaaa.0.jsonl", LINES)
        kept = _told("ledger", job, LINES, ALLOWED_S)
        _show("compact", _child("compact", job))
        kept &= _told("ledger", job, LINES, ALLOWED_FROM_CHECKPOINT_S)
        year = Path(name) / "year"
        for number in range(NIGHTS * NIGHT_SEGMENTS):
            run = f"2026{number // NIGHT_SEGMENTS:03}T000000Z-7f3a"
            _write(year / run / f"0-of-1.{number:08x}.0.jsonl", NIGHT_LINES, number * NIGHT_LINES)
        print(f"a year: {NIGHTS} runs of {NIGHT_SEGMENTS} segments, {NIGHT_LINES} lines each")
        kept &= _told("ledger", year, NIGHTS * NIGHT_SEGMENTS * NIGHT_LINES, ALLOWED_YEAR_S)
        _show("compact", _child("compact", year))
        kept &= _told("ledger", year, NIGHTS * NIGHT_SEGMENTS * NIGHT_LINES, ALLOWED_YEAR_S)
    return int(not kept)


def _told(what: str, job: Path, targets: int, allowed_s: float) -> bool:
    figure = _child(what, job)
    _show(what, figure, f"  (allowed: {allowed_s:g} s, {ALLOWED_MB:g} MB)")
    assert figure["targets"] == targets, figure
    return figure["seconds"] <= allowed_s and figure["peak_mb"] <= ALLOWED_MB


def _show(what: str, figure: dict[str, float], allowed: str = "") -> None:
    cpu = f"{figure['seconds']:6.1f} s, {figure['cpu_s']:6.1f} s CPU"
    print(f"{what}: {figure['targets']:12,.0f} targets, {cpu}, {figure['peak_mb']:6.1f} MB{allowed}", flush=True)


def _child(what: str, job: Path) -> dict[str, float]:
    """In a process of its own, whose memory is measured."""
    command = [sys.executable, "-m", "bench.ledger", what, str(job)]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    figure: dict[str, float] = json.loads(found.stdout)
    return figure


def _write(path: Path, lines: int, first: int = 0) -> None:
    """Lines as a run writes them, of keys of a common length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for begin in range(0, lines, _CHUNK):
            file.write(b"".join(_encoded(first + begin, min(_CHUNK, lines - begin))))


def _encoded(first: int, count: int) -> Iterator[bytes]:
    for number in range(first, first + count):
        key = f"products/2026/{number:012}.jpg"
        task = replace(TASK, source=replace(TASK.source, key=key), target=replace(TASK.target, key=f"thumbs/{key}"))
        yield encode(record(task, at_s=number / 100))


async def _read(job: Path) -> int:
    return len(await read_ledger(DirectoryStore(job), Shard(0, 1), print))


async def _compact(job: Path) -> int:
    done = await compact(DirectoryStore(job), Patience(1.0, time.monotonic, asyncio.sleep), print)
    return sum(segment.lines for segment in done.index.segments)


def _measure(what: str, job: Path) -> None:
    began_s = time.monotonic()
    targets = asyncio.run({"ledger": _read, "compact": _compact}[what](job))
    seconds = time.monotonic() - began_s
    # The high-water mark that os.wait4 would tell is that of the parent at the fork.
    status = Path("/proc/self/status").read_text()
    peak_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    # So it is for a second process that reading starts, too: it is small then, and the sum is at worst too large.
    peak_kb += resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    cpu_s = sum(os.times()[:4])
    figure = {"targets": targets, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_kb / 1e3}
    print(json.dumps(figure))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _measure(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main())
