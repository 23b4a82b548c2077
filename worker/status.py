"""The command `status`: how the newest run of a job stands, read from what its processes have left."""

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from worker.batch.damage import Damage
from worker.batch.record import Brief, decode_brief, timestamp
from worker.batch.segment import CHECKPOINT, in_order, is_of_verification, run_of
from worker.batch.standing import JobStanding, RunStanding, Told, Trace, run_standing, shard_of
from worker.batch.task import Shard
from worker.connection import Log
from worker.errors import UnknownError
from worker.results.loading import read_lines, unreadable
from worker.results.store import GoneError, Store, Stored, StoreError
from worker.settings import Settings
from worker.storage import stored_job

_FILE = re.compile(r"([0-9]{1,9})-of-([0-9]{1,9})\.([^.]+)\.([0-9]+\.jsonl|summary\.json)", re.ASCII)
_SUMMARY = "summary.json"
_FIRST_BYTES = 1 << 16
# Files are dated by one clock, summaries by another: nobody asks which of them is right to a day.
_DOUBT = timedelta(days=1)
_RETRY = "retry"


async def status_of(
    settings: Settings, job: str, environ: Mapping[str, str], log: Log, *, every: bool = False
) -> JobStanding:
    """How the newest run of a job stands; `every`: and all others.

    Raises:
        UnknownError: There is no run of such a job.
        ResultsError: The results cannot be read.
    """
    async with stored_job(settings, job, environ, log) as (store, _):
        reader = _Reader(store, lambda text: log(text, logging.WARNING))
        try:
            runs = await reader.newest(every=every)
            if not runs:
                message = f"there are no runs of a job {job!r}: {store.path('')}"
                raise UnknownError(message)
            retries = [told for told in reader.retries if told.started >= runs[0].started]
            await reader.count_lines(runs if every else runs[:1])
            damage = await reader.damage(runs[0].standing)
        except StoreError as error:
            raise unreadable(error) from error
    return JobStanding(
        job=job,
        newest=damage.run,
        damage=damage.counts,
        retries=sorted(retries, key=lambda told: told.started),
        runs=[run.standing for run in runs] if every else None,
    )


@dataclass(slots=True)
class _Run:
    """What there is of one run."""

    name: str
    told: list[Told] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    @property
    def standing(self) -> RunStanding:
        return run_standing(self.name, self.told, self.traces)

    @property
    def started(self) -> str:
        return max([*(one.started for one in self.told), *(one.first_at for one in self.traces)])


class _Reader:
    """Reads what is needed, the newest first. `retries` are the summaries of retries that were met."""

    def __init__(self, store: Store, warn: Callable[[str], None]) -> None:
        self._store = store
        self._warn = warn
        self._files: list[Stored] = []
        self.retries: list[Told] = []

    async def newest(self, *, every: bool) -> list[_Run]:
        """The runs that were read, the one that has started last first: all, or as many as tell which one it is."""
        files: dict[str, list[Stored]] = {}
        self._files = await self._store.files()
        for file in self._files:
            if run_of(file.name) != CHECKPOINT and _FILE.fullmatch(file.name.partition("/")[2]):
                files.setdefault(run_of(file.name), []).append(file)
        touched = {run: max(file.modified for file in found) for run, found in files.items()}
        found: list[_Run] = []
        newest = ""
        for name in sorted(files, key=lambda run: touched[run], reverse=True):
            if not every and newest and timestamp(touched[name] + _DOUBT) < newest:
                break
            run = await self._read(name, files[name])
            if run is not None:
                found.append(run)
                newest = max(newest, run.started)
        return sorted(found, key=lambda run: (run.started, run.name), reverse=True)

    async def count_lines(self, runs: list[_Run]) -> None:
        """Count the lines of processes that have left no summary."""
        traces = {f"{trace.run}/{_stem(trace)}": trace for run in runs for trace in run.traces}
        for beginning, trace in traces.items():

            def take(line: Brief, trace: Trace = trace) -> None:
                trace.lines[line.status] = trace.lines.get(line.status, 0) + 1
                trace.last_at = max(trace.last_at, line.at)

            await self._read_lines(_begins_with(beginning), take)

    async def damage(self, run: RunStanding) -> Damage:
        """What `verify` has found since a run began, and the run itself has not mended, as it may have gone on."""
        damage = Damage(run)
        began = min(shard.since for shard in run.shards if shard.since)
        recent = {
            file.name
            for file in self._files
            if is_of_verification(file.name) and timestamp(file.modified + _DOUBT) >= began
        }
        if recent:
            await self._read_lines(recent.__contains__, damage.find)
        if damage and damage.first_at <= run.last_at:
            await self._read_lines(_begins_with(f"{run.run}/"), damage.mend)
        return damage

    async def _read_lines(self, wanted: Callable[[str], bool], take: Callable[[Brief], None]) -> None:
        async with aclosing(read_lines(self._store, decode_brief, self._warn, wanted)) as batches:
            async for batch in batches:
                for line in batch:
                    take(line)

    async def _read(self, name: str, files: list[Stored]) -> _Run | None:
        run, ended = _Run(name), set()
        for file in files:
            if file.name.endswith(f".{_SUMMARY}") and (told := await self._summary(file)) is not None:
                ended |= {(shard_of(told.shard), proc) for proc in (told.proc, *told.processes)}
                if told.command == _RETRY:
                    self.retries.append(told)
                else:
                    run.told.append(told)
        for file in sorted(files, key=lambda one: in_order(one.name)):
            shard, proc, kind = _parts(file.name)
            if kind != _SUMMARY and (shard, proc) not in ended:
                ended.add((shard, proc))
                at = await self._first_at(file)
                run.traces.append(Trace(name, shard, proc, at, at))
        return run if run.told or run.traces else None

    async def _summary(self, file: Stored) -> Told | None:
        try:
            told = msgspec.json.decode(await self._store.read(file, 0, file.size), type=Told)
            shard_of(told.shard)
        except GoneError:
            return None
        except (msgspec.DecodeError, ValueError) as error:
            self._warn(f"{self._store.path(file.name)}: left out, it is no summary: {error}")
            return None
        return told

    async def _first_at(self, file: Stored) -> str:
        """When the first line of a segment was written, or else the file."""
        line = (await self._store.read(file, 0, _FIRST_BYTES)).partition(b"\n")[0]
        try:
            return decode_brief(line).at
        except ValueError:
            return timestamp(file.modified)


def _begins_with(beginning: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(beginning)


def _parts(name: str) -> tuple[Shard, str, str]:
    match = _FILE.fullmatch(name.partition("/")[2])
    assert match is not None
    return Shard(int(match[1]), int(match[2])), match[3], match[4]


def _stem(trace: Trace) -> str:
    return f"{trace.shard.index}-of-{trace.shard.count}.{trace.proc}."
