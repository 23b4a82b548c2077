"""Upkeep of the results of a job: its checkpoint, and the retention of old segments."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from worker.connection import Log
from worker.errors import ResultsError
from worker.results.compacting import compact
from worker.results.lines import BadLine, refuse
from worker.results.pruning import prune
from worker.settings import Settings
from worker.storage import check_known, stored_job
from worker.summary import Compaction, Pruning


async def compact_job(
    settings: Settings, job: str, quarantine: Path | None, environ: Mapping[str, str], log: Log
) -> Compaction:
    """Write a checkpoint of a job. `quarantine` is where lines go that are none and stand before valid ones.

    Raises:
        UnknownError: There are no results of such a job.
        ResultsError: They cannot be read or written.
    """
    aside = _Quarantine(quarantine)
    async with stored_job(settings, job, environ, log) as (store, patience):
        await check_known(store, job)
        set_aside = refuse if quarantine is None else aside.take
        done = await compact(store, patience, lambda text: log(text, logging.WARNING), set_aside)
    covered = done.index.segments
    return Compaction(
        job=job,
        checkpoint=done.index.number,
        new=done.rounds > 0,
        segments=len(covered),
        lines=sum(segment.lines for segment in covered),
        quarantined=aside.lines,
    )


async def prune_job(settings: Settings, job: str, keep_days: int, environ: Mapping[str, str], log: Log) -> Pruning:
    """Delete the segments of old runs.

    Raises:
        UnknownError: There are no results of such a job.
        ResultsError: They cannot be read or written.
    """
    async with stored_job(settings, job, environ, log) as (store, patience):
        await check_known(store, job)
        keep, now = timedelta(days=keep_days), datetime.now(UTC)
        done = await prune(store, patience, keep, now, lambda text: log(text, logging.WARNING))
    return Pruning(
        job=job,
        pruned_runs=done.runs,
        pruned_segments=done.segments,
        pruned_bytes=done.bytes,
        kept_runs=done.kept_runs,
        kept_segments=done.kept_segments,
    )


class _Quarantine:
    """Writes lines that are none to a file, as JSON lines: where each stood, what is wrong, and what it was."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lines = 0

    def take(self, bad: BadLine) -> None:
        content = bad.content.decode(errors="backslashreplace")
        entry = {"file": bad.path, "line": bad.number, "reason": bad.reason, "content": content}
        try:
            with Path(self._path or "").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            message = f"the quarantine cannot be written: {self._path}: {error.strerror}"
            raise ResultsError(message) from error
        self.lines += 1
