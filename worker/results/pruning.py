"""Pruning: deleting segments of old runs, whose lines a checkpoint holds the sense of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from worker.batch.segment import CHECKPOINT, is_segment, run_of
from worker.results.compacting import compact
from worker.results.loading import unreadable
from worker.results.patience import Patience
from worker.results.reading import pieces
from worker.results.store import Store, Stored, StoreError

_SUMMARY = ".summary.json"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted and what was kept, in runs, segments and bytes."""

    runs: int
    segments: int
    bytes: int
    kept_runs: int
    kept_segments: int


class _Started(msgspec.Struct):
    started: str


async def prune(
    store: Store, patience: Patience, keep: timedelta, now: datetime, warn: Callable[[str], None]
) -> Pruned:
    """Delete the segments of runs that nobody has written to for as long as `keep`, but never those of the newest run.

    Everything is covered by a checkpoint first. Summaries stay.

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
        newest = await _newest_run(store, runs)
        sizes = {file.name: file.size for file in covered.segments}
        old = [
            [file for file in run if is_segment(file.name)]
            for name, run in runs.items()
            if name != newest and max(file.modified for file in run) < now - keep
        ]
        # What has grown or come since is no old run, whatever its time says.
        due = [run for run in old if run and all(sizes.get(file.name) == file.size for file in run)]
        for run in due:
            for file in run:
                await store.delete(file.name)
    except StoreError as error:
        raise unreadable(error) from error
    gone = [file for run in due for file in run]
    kept = [file for file in files if is_segment(file.name) and file not in gone]
    kept_runs = len({run_of(file.name) for file in kept})
    return Pruned(len(due), len(gone), sum(file.size for file in gone), kept_runs, len(kept))


async def _newest_run(store: Store, runs: dict[str, list[Stored]]) -> str:
    """The run that has started last: as a summary of it says, else when it was first written to."""
    started = {
        name: min(file.modified for file in files).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, files in runs.items()
    }
    summaries = [(file, 0) for files in runs.values() for file in files if file.name.endswith(_SUMMARY)]
    told: dict[str, str] = {}
    async for file, piece in pieces(store, summaries):
        if piece:
            try:
                found = msgspec.json.decode(piece, type=_Started).started
            except msgspec.DecodeError:
                continue
            told[run_of(file.name)] = min(found, told.get(run_of(file.name), found))
    started |= told
    return max(started, key=lambda name: (started[name], name), default="")
