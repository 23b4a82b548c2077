"""The runs of a job, as their files tell of them: summaries, and segments that no summary counts."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from worker.batch.damage import Damage
from worker.batch.record import Brief, Record, decode, decode_brief, timestamp
from worker.batch.segment import SUMMARY, file_name, in_order, is_of_verification, is_segment, run_of, stem
from worker.batch.standing import RunStanding, Told, Trace, run_standing, shard_of
from worker.batch.superseded import Superseded
from worker.results.loading import read_lines
from worker.results.store import GoneError, Store, Stored

_FIRST_BYTES = 1 << 16
# Files are dated by one clock, summaries by another: nobody asks which of them is right to a day.
_DOUBT = timedelta(days=1)
_RETRY = "retry"


@dataclass(slots=True)
class Run:
    """What there is of one run; `told` leaves out retries, `summaries` counts them, too."""

    name: str
    told: list[Told] = field(default_factory=list)
    summaries: int = 0
    traces: list[Trace] = field(default_factory=list)

    @property
    def standing(self) -> RunStanding:
        """How it stands."""
        return run_standing(self.name, self.told, self.traces)

    @property
    def started(self) -> str:
        """When the process of it began that has begun last."""
        return max([*(one.started for one in self.told), *(one.first_at for one in self.traces)])


class RunReader:
    """Reads what is needed, the newest first. `retries` are the summaries of retries that were met."""

    def __init__(self, store: Store, warn: Callable[[str], None]) -> None:
        self._store = store
        self._warn = warn
        self._files: list[Stored] = []
        self.retries: list[Told] = []

    async def newest(self, *, every: bool) -> list[Run]:
        """The runs that were read, the one that has started last first: all, or as many as tell which one it is."""
        files = await self._listed()
        touched = {run: max(file.modified for file in found) for run, found in files.items()}
        found: list[Run] = []
        newest = ""
        for name in sorted(files, key=lambda run: touched[run], reverse=True):
            if not every and newest and timestamp(touched[name] + _DOUBT) < newest:
                break
            run = await self._read(name, files[name])
            if run is not None:
                found.append(run)
                newest = max(newest, run.started)
        return sorted(found, key=lambda run: (run.started, run.name), reverse=True)

    async def named(self, name: str) -> Run | None:
        """The run of this name; None where there is none."""
        return await self._read(name, (await self._listed()).get(name, []))

    async def count_lines(self, runs: list[Run]) -> None:
        """Count the lines of processes that have left no summary."""
        traces = {f"{stem(trace.run, trace.shard, trace.proc)}.": trace for run in runs for trace in run.traces}
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

    async def records(self, run: Run) -> AsyncGenerator[list[Record], None]:
        """Every line of a run, in batches; raises as `read_lines` does."""
        async with aclosing(read_lines(self._store, decode, self._warn, _is_of(run.name))) as batches:
            async for batch in batches:
                yield batch

    async def superseded(self, run: Run) -> Superseded:
        """The failures of a run that a later process of it has tried again: none where each shard had one process."""
        found = Superseded()
        if run.summaries + len(run.traces) > len(run.standing.shards):
            for take in (found.note_failed, found.note_saved):
                await self._read_lines(_is_of(run.name), take)
        return found

    async def _listed(self) -> dict[str, list[Stored]]:
        """The files of all runs, by the names of these."""
        files: dict[str, list[Stored]] = {}
        self._files = await self._store.files()
        for file in self._files:
            if (name := file_name(file.name)) is not None:
                files.setdefault(name.run, []).append(file)
        return files

    async def _read_lines(self, wanted: Callable[[str], bool], take: Callable[[Brief], None]) -> None:
        async with aclosing(read_lines(self._store, decode_brief, self._warn, wanted)) as batches:
            async for batch in batches:
                for line in batch:
                    take(line)

    async def _read(self, name: str, files: list[Stored]) -> Run | None:
        run, ended = Run(name), set()
        for file in files:
            if file.name.endswith(SUMMARY) and (told := await self._summary(file)) is not None:
                ended |= {(shard_of(told.shard), proc) for proc in (told.proc, *told.processes)}
                run.summaries += 1
                if told.command == _RETRY:
                    self.retries.append(told)
                else:
                    run.told.append(told)
        for file in sorted(files, key=lambda one: in_order(one.name)):
            of = file_name(file.name)
            if of is not None and not of.is_summary and (of.shard, of.proc) not in ended:
                ended.add((of.shard, of.proc))
                at = await self._first_at(file)
                run.traces.append(Trace(name, of.shard, of.proc, at, at))
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


def _is_of(run: str) -> Callable[[str], bool]:
    """Whether a segment holds lines of a run, not what `verify` has found since under its name."""
    return lambda name: run_of(name) == run and is_segment(name) and not is_of_verification(name)


def _begins_with(beginning: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(beginning)
