"""Pruning: deleting segments of old runs, whose lines a checkpoint holds the sense of."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from worker.batch.record import milliseconds
from worker.batch.segment import CHECKPOINT, SUFFIX, SUMMARY, in_order, is_of_run, is_segment, run_of
from worker.results.compacting import compact
from worker.results.loading import unreadable
from worker.results.patience import Patience
from worker.results.reading import pieces
from worker.results.store import Store, Stored, StoreError

# Files are dated by one clock, summaries by another: nobody asks which of them is right to a day.
_DOUBT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted and what was kept, in runs, segments and bytes."""

    runs: int
    segments: int
    bytes: int
    kept_runs: int
    kept_segments: int


class _Told(msgspec.Struct):
    started: str
    command: str = "run"
    processes: list[str] = []  # of its own for each value, as msgspec makes it


async def prune(
    store: Store, patience: Patience, keep: timedelta, now: datetime, warn: Callable[[str], None]
) -> Pruned:
    """Delete the segments of runs that nobody has written to for as long as `keep`.

    Everything is covered by a checkpoint first. The newest run stays, for `retry` and `status` look at its lines, and
    so does what was written since it began: retries, and what `verify` has found. Summaries stay, too.

    Raises:
        ResultsError: The results cannot be read or written.
        UsageError: A line was written by a later version of this program.
    """
    covered = (await compact(store, patience, warn)).found
    try:
        files = [file for file in await store.files() if run_of(file.name) != CHECKPOINT]
        runs: dict[str, list[Stored]] = {}
        for file in files:
            runs.setdefault(run_of(file.name), []).append(file)
        started = await _started(store, [file for file in files if is_of_run(file.name)])
        newest = max(started, key=lambda name: (max(started[name]), name), default="")
        old = now - keep
        # What is of no run, a retry or what `verify` has found, is about the runs before it.
        settled = min([old, *started.get(newest, ())]) - _DOUBT
        sizes = {file.name: file.size for file in covered.segments}
        past = [
            [file for file in run if is_segment(file.name)]
            for name, run in runs.items()
            if name != newest and max(file.modified for file in run) < (old if name in started else settled)
        ]
        # What has grown or come since is no old run, whatever its time says.
        due = [run for run in past if run and all(sizes.get(file.name) == file.size for file in run)]
        for run in due:
            for file in run:
                await store.delete(file.name)
    except StoreError as error:
        raise unreadable(error) from error
    gone = [file for run in due for file in run]
    kept = [file for file in files if is_segment(file.name) and file not in gone]
    kept_runs = len({run_of(file.name) for file in kept})
    return Pruned(len(due), len(gone), sum(file.size for file in gone), kept_runs, len(kept))


async def _started(store: Store, files: Sequence[Stored]) -> dict[str, list[datetime]]:
    """When the processes of each run have started: as their summaries say, else when they first wrote.

    A retry goes over a part of the plan only: it is no run, as `status` sees it.
    """
    started: dict[str, list[datetime]] = {}
    ended: set[tuple[str, str]] = set()
    summaries = [(file, 0) for file in files if file.name.endswith(SUMMARY)]
    async for file, piece in pieces(store, summaries):
        if piece:
            with suppress(msgspec.DecodeError, ValueError):
                told = msgspec.json.decode(piece, type=_Told)
                at = datetime.fromtimestamp(milliseconds(told.started) / 1000, UTC)
                run, stem = _process(file.name)
                part, _, proc = stem.rpartition(".")
                ended |= {(run, f"{part}.{one}") for one in (proc, *told.processes)}
                if told.command != "retry":
                    started.setdefault(run_of(file.name), []).append(at)
    for file in files:
        if is_segment(file.name) and _process(file.name) not in ended:
            started.setdefault(run_of(file.name), []).append(file.modified)
    return started


def _process(name: str) -> tuple[str, str]:
    """What tells a process by its files: the run, and the beginning of their names."""
    return in_order(f"{name.removesuffix(SUMMARY)}.0{SUFFIX}" if name.endswith(SUMMARY) else name)[:2]
