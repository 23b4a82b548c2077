"""The command `report`: what the lines of a run add up to, as a page, a table and an object."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TextIO, TypeVar

from worker.batch.comparison import Lost, regressions
from worker.batch.figures import Figures
from worker.batch.record import Record, Status
from worker.batch.specimens import Specimens
from worker.batch.standing import Happened, JobStanding, RunStanding, Told, limits_over_time
from worker.connection import Connection, Log, connect
from worker.dispatch.stopping import Cut, Stop
from worker.dispatch.throttle import Lane
from worker.errors import Exit, ResultsError, UnknownError, UsageError, WorkerError, foremost
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure
from worker.report.contents import Comparison, Contents, Ending
from worker.report.page import page
from worker.report.pictures import Ask, Pair, fetch_pairs, without_pictures
from worker.report.sheet import Sheet
from worker.results.loading import unreadable
from worker.results.runs import Run, RunReader
from worker.results.store import StoreError
from worker.settings import Settings
from worker.storage import stored_job
from worker.telemetry.explanation import explanation
from worker.telemetry.status import headline

T = TypeVar("T")
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a run, None for the newest; another one beside it; files to write; pairs of pictures."""

    run: str | None = None
    against: str | None = None
    html: Path | None = None
    csv: Path | None = None
    embed: int = 0


async def report_job(settings: Settings, job: str, wanted: Wanted, environ: Mapping[str, str], log: Log) -> Contents:
    """Report on a run of a job, and write what is wanted.

    Raises:
        UnknownError: There is no such run.
        ResultsError: The results cannot be read, or the report cannot be written.
    """
    # Both first: what cannot be written is told before lines are read for minutes, and pictures billed.
    with _written(wanted.csv) as table, _written(wanted.html) as html:
        async with stored_job(settings, job, environ, log) as (store, _):
            reader = RunReader(store, lambda text: log(text, logging.WARNING))
            try:
                contents = await _read(reader, job, wanted, Sheet(table) if table else None, store.path(""))
            except StoreError as error:
                raise unreadable(error) from error
        if html is not None:
            html.write(page(contents, *await _pairs(settings, contents, environ, log)))
    return contents


async def _read(reader: RunReader, job: str, wanted: Wanted, sheet: Sheet | None, place: str) -> Contents:
    standing, run = await _standing(reader, job, wanted.run, place)
    before = None if wanted.against is None else await _named(reader, job, wanted.against, place)
    figures, lost = Figures(), Lost()
    specimens = Specimens(wanted.embed, int(sha256(run.name.encode()).hexdigest(), 16))
    superseded = await reader.superseded(run)

    def take(line: Record) -> None:
        if line.status is Status.FAILED:
            if superseded.holds(line):
                figures.superseded += 1
                return
            if sheet is not None:
                sheet.add(line)
            if before is not None:
                lost.note_failed(line)
        elif line.status is Status.SAVED:
            specimens.offer(line)
        figures.take(line)

    await _each(reader, run, take)
    comparison = None if before is None else await _compared(reader, before, run, figures, lost)
    found = standing.newest
    told = [shard.told for shard in found.shards if shard.told]
    for one in told:
        figures.columns.add(limits_over_time(one))
    return Contents(
        standing=standing,
        headline=headline(standing),
        ending=_ending(found, told),
        figures=figures,
        events=_events(told),
        notes=sorted({note for one in told for note in one.notes}),
        specimens=specimens.chosen,
        comparison=comparison,
    )


async def _standing(reader: RunReader, job: str, name: str | None, place: str) -> tuple[JobStanding, Run]:
    if name is not None:
        run = await _named(reader, job, name, place)
        await reader.count_lines([run])
        return JobStanding(job=job, newest=run.standing, damage={}, retries=[], runs=None), run
    runs = await reader.newest(every=False)
    if not runs:
        raise UnknownError(f"there are no runs of a job {job!r}: {place}")
    await reader.count_lines(runs[:1])
    damage = await reader.damage(runs[0].standing)
    return JobStanding(job=job, newest=damage.run, damage=damage.counts, retries=[], runs=None), runs[0]


async def _named(reader: RunReader, job: str, name: str, place: str) -> Run:
    run = await reader.named(name)
    if run is None:
        mend = "`oss-saveas status JOB --all` lists them"
        raise UnknownError(f"there is no run {name!r} of a job {job!r}: {place}\n    mend: {mend}")
    return run


async def _each(reader: RunReader, run: Run, take: Callable[[Record], None]) -> None:
    async with aclosing(reader.records(run)) as batches:
        async for batch in batches:
            for line in batch:
                take(line)


async def _compared(reader: RunReader, before: Run, run: Run, now: Figures, lost: Lost) -> Comparison:
    figures = Figures()
    superseded = await reader.superseded(before)

    def take(line: Record) -> None:
        if line.status is Status.FAILED and superseded.holds(line):
            figures.superseded += 1
            return
        lost.note_before(line)
        figures.take(line)

    await _each(reader, before, take)
    notes = []
    if before.standing.manifests != run.standing.manifests:
        notes.append("the two runs are of different manifests, or of one that was changed")
    if before.standing.settings != run.standing.settings:
        notes.append("the two runs have run with different settings")
    return Comparison(before.name, figures, regressions(now, figures, lost.count), lost, notes)


def _ending(run: RunStanding, told: Sequence[Told]) -> Ending:
    """How the run ended as a whole, as far as all of its shards tell of an end."""
    codes = {one.exit for one in told}
    whole = len(told) == len(run.shards) and not any(shard.trace for shard in run.shards)
    if not whole or not codes <= set(Exit):
        cause = "Not all of the run has told how it ended: it goes on, or was killed, or not begun."
        return Ending(None, cause, "Wait while it goes on; else run it again.")
    code = foremost(Exit(code) for code in codes)
    known = explanation(str(int(code)))
    assert known is not None
    return Ending(int(code), known.cause, known.mend)


def _events(told: Sequence[Told]) -> list[Happened]:
    several = len(told) > 1
    found = (
        Happened(event.at, f"shard {one.shard}: {event.event}" if several else event.event)
        for one in told
        for event in one.events
    )
    return sorted(found, key=lambda event: event.at)


async def _pairs(
    settings: Settings, contents: Contents, environ: Mapping[str, str], log: Log
) -> tuple[list[Pair], str]:
    """The pictures that can be had, and why there are none at all: a report without them is one all the same."""
    if not contents.specimens:
        return [], ""
    try:
        async with connect(settings, environ, Stop(), 1, log) as connection:
            return await fetch_pairs(_asker(connection), contents.specimens), ""
    except WorkerError as error:
        log(f"the report has no pictures: {error}", logging.WARNING)
        reason = error.problems[0].reason if isinstance(error, UsageError) else str(error).partition("\n")[0]
        return without_pictures(contents.specimens), reason


def _asker(connection: Connection) -> Ask:
    sender = connection.sender

    async def ask(request: Request, judge: Callable[[Answer], T | Failure], size: int | None) -> T | Failure:
        try:
            attempts = sender.attempts(patient=False)
            return (await sender.call(request, judge, Lane.WORK, size, attempts=attempts)).verdict
        except Cut:  # what has come is shown; nobody is asked any more
            return failure("ConnectionFailed", "the service was not to be had until `retry.task_deadline_s`")

    return ask


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO | None]:
    """A file to write to, which takes its place once all is written; None where none is wanted.

    A device or a pipe, such as `/dev/stdout`, is written to as it is: nothing may take its place.

    Raises:
        ResultsError: It cannot be written.
    """
    if path is None:
        yield None
        return
    draft = ""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file
            return
        path = path.resolve()
        number, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        Path(draft).chmod(_MODE)
        Path(draft).replace(path)
        draft = ""
    except OSError as error:
        message = f"the report cannot be written: {path}: {error.strerror or error}"
        raise ResultsError(message) from error
    finally:
        if draft:
            Path(draft).unlink(missing_ok=True)
