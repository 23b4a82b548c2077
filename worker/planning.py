"""Planning: the tasks of a job as a stream, proven before the first of them is sent. Shared by `run` and `plan`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from worker.batch.document import Place
from worker.batch.entry import BucketSource, FileSource, InventorySource, TableSource, is_standard_input
from worker.batch.failed import FailedTargets
from worker.batch.history import History
from worker.batch.ledger import Ledger
from worker.batch.manifest import TARGET_IN_SOURCE, Manifest
from worker.batch.proof import apart, cname_problems, collision_free, own_targets, results_problems, site_problems
from worker.batch.reader import with_columns
from worker.batch.record import decode_brief
from worker.batch.revision import check_followed, named_styles, with_revisions
from worker.batch.segment import may_hold
from worker.batch.task import Shard
from worker.connection import Connection
from worker.dispatch.first_contact import Expectation, first_contact
from worker.dispatch.stopping import Stop
from worker.dispatch.styles import read_styles
from worker.errors import Problem, UsageError
from worker.oss.answer import Answer
from worker.oss.endpoint import Site
from worker.oss.request import Request
from worker.oss.verdict import Failure
from worker.results import loading, recalling
from worker.results.store import Store
from worker.settings import Settings
from worker.sources.asking import Ask
from worker.sources.enumeration import Enumeration, Planned
from worker.sources.files import Files, is_here, local
from worker.sources.inventory import local_file, read_inventory
from worker.sources.opening import File, opened
from worker.sources.parquet import read_schema
from worker.sources.proving import Proof
from worker.sources.tables import read_header

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of one shard.

    `count` is known where they were all enumerated before; `notes` say what is not known. `writer_of` tells, once
    `tasks` were read, which pipeline writes the target with a digest. `spools` are where they were enumerated into, one
    for each process.
    """

    shard: Shard
    notes: list[str]
    enumeration: Enumeration
    tasks: AsyncGenerator[Planned, None]
    count: int | None
    writer_of: Callable[[bytes], str | None]
    spools: Sequence[Path] = ()


async def read_ledger(store: Store, shard: Shard, stop: Stop, warn: Callable[[str], None]) -> Ledger:
    """What the results log of a job says.

    Raises:
        ResultsError: It cannot be read.
        Cut: The run was stopped meanwhile.
    """
    with stop.cuts():
        return await asyncio.create_task(loading.read_ledger(store, shard, warn), name="read the results log")


async def ask_after_buckets(manifest: Manifest, settings: Settings, connection: Connection) -> list[str]:
    """First contact with every bucket that the manifest names; notes on what stays unknown.

    Raises:
        UsageError: A bucket does not exist, or is elsewhere.
        AccessError: The credentials are refused.
    """
    notes = await first_contact(
        connection.sender, named_buckets(manifest, settings), expectation(manifest, settings, connection)
    )
    if connection.is_local and manifest.sites:
        shown = ", ".join(sorted(manifest.sites))
        notes.append(f"the local OSS stands for every endpoint: nothing is relayed to another region ({shown})")
    return notes


def expectation(manifest: Manifest, settings: Settings, connection: Connection) -> Expectation:
    """Where the buckets of a manifest are said to be."""
    return Expectation(
        Site(connection.endpoint, settings.region),
        connection.is_local,
        connection.sites,
        sources={entry.bucket for entry in manifest.sources},
        targets={pipeline.target_bucket or manifest.bucket for pipeline in manifest.pipelines},
    )


def named_buckets(manifest: Manifest, settings: Settings) -> dict[str, Place]:
    """The buckets that the manifest names and that can be asked after, and where it names them."""
    places: dict[str, Place] = {}
    for entry in manifest.sources:
        if entry.bucket:
            places.setdefault(entry.bucket, entry.place)
    for pipeline in manifest.pipelines:
        # A CNAME belongs to one bucket; asking for another would ask for the wrong one.
        if pipeline.target_bucket and (settings.addressing != "cname" or pipeline.site):
            places.setdefault(pipeline.target_bucket, pipeline.bucket_place)
    return places


async def read_failed(store: Store, ledger: Ledger, shard: Shard, codes: Collection[str], stop: Stop) -> FailedTargets:
    """The targets that a retry is about. Raises as `read_ledger`, which has told of torn ends."""
    failed = FailedTargets(ledger, shard, codes)

    async def read() -> None:
        lines = loading.read_lines(store, decode_brief, lambda _: None, lambda name: may_hold(name, shard))
        async with aclosing(lines) as batches:
            async for batch in batches:
                for line in batch:
                    failed.add(line)

    with stop.cuts():
        await asyncio.create_task(read(), name="read the failures")
    return failed


async def recall(store: Store, shard: Shard, stop: Stop, warn: Callable[[str], None]) -> tuple[Ledger, History]:
    """The ledger, and the history of its targets. Raises as `read_ledger`."""
    with stop.cuts():
        return await asyncio.create_task(recalling.recall(store, shard, warn), name="recall the results log")


@asynccontextmanager
async def plan_tasks(
    manifest: Manifest,
    settings: Settings,
    shard: Shard,
    connection: Connection,
    max_tasks: int | None = None,
    *,
    processes: int = 1,
    to_end: bool = False,
    wanted: Callable[[Planned], bool] | None = None,
) -> AsyncIterator[Plan]:
    """The plan of a shard: streamed where the manifest alone proves it, else enumerated into a spool and proven there.

    With several `processes` it is always spooled, for each of them by itself. `to_end`: where the proof fails,
    everything that collides is counted. `wanted` leaves out what is proven.

    Raises:
        UsageError: A bucket is not there, a file cannot be read, the proof fails, or there are more than `max_tasks`.
        AccessError: The credentials are refused, or a prefix may not be listed.
    """
    manifest = proven_offline(manifest, settings)
    notes = await ask_after_buckets(manifest, settings, connection)
    followed = [style for style in named_styles(manifest) if style.follows]
    manifest = with_revisions(manifest, await read_styles(connection.sender, followed))
    if any(entry.etag_ignore for entry in manifest.sources):
        notes.append("etag: ignore: changed sources cannot be seen")
    ask = asker(connection)
    with Files(ask) as files:
        manifest = await _with_fetched_files(manifest, files)
        enumeration = Enumeration(manifest, shard, ask, files, own_targets(manifest))
        if (
            processes == 1
            and collision_free(manifest)
            and apart(manifest)
            and max_tasks is None
            and not any(map(is_standard_input, manifest.sources))
        ):
            tasks = enumeration.streamed() if wanted is None else _only(enumeration.streamed(), wanted)
            yield Plan(shard, notes, enumeration, tasks, None, enumeration.writer_of)
            return
        part_of = shard.part_of(processes)
        with Proof(_guarded(manifest), apart=apart(manifest), parts=processes, part_of=part_of) as proof:
            with connection.stop.cuts():  # standard input may say nothing for as long as it likes
                await proof.fill(enumeration, to_end=to_end)
                if wanted is not None:
                    await proof.keep(wanted)
            if max_tasks is not None and proof.count > max_tasks:
                reason = f"the plan has {proof.count} tasks, more than --max-tasks {max_tasks}"
                raise UsageError(reason, "raise --max-tasks, or narrow the sources")
            proof.written()
            yield Plan(shard, notes, enumeration, proof.tasks(), proof.count, proof.writer_of, proof.paths)


async def _only(
    tasks: AsyncGenerator[Planned, None], wanted: Callable[[Planned], bool]
) -> AsyncGenerator[Planned, None]:
    async with aclosing(tasks):
        async for planned in tasks:
            if wanted(planned):
                yield planned


def proven_offline(manifest: Manifest, settings: Settings) -> Manifest:
    """The manifest with the headers of its tables, after all that can be judged without asking anybody.

    Raises:
        UsageError: It does not go with the settings, or with the files it names.
    """
    problems = results_problems(manifest, settings.results)
    if settings.endpoint != "local":  # which stands for every endpoint
        problems += site_problems(manifest, plain_http=settings.transport.allow_plain_http)
    if settings.addressing == "cname":
        problems += cname_problems(manifest)
    if problems:
        raise UsageError(problems)
    manifest = with_files(manifest)
    check_followed(manifest)
    return manifest


def with_files(manifest: Manifest) -> Manifest:
    """The manifest with the headers of its tables: a missing file or column is told before anything is sent.

    Raises:
        UsageError: A file cannot be read, or a column is missing.
    """
    problems: list[Problem] = []
    for index, entry in enumerate(manifest.sources):
        if isinstance(entry, FileSource) and is_here(entry):
            try:
                manifest = _looked_into(manifest, index, local(entry))
            except UsageError as error:
                problems += error.problems
    if problems:
        raise UsageError(problems)
    return manifest


async def _with_fetched_files(manifest: Manifest, files: Files) -> Manifest:
    """The manifest with the headers of tables that are objects themselves."""
    for index, entry in enumerate(manifest.sources):
        if isinstance(entry, FileSource) and not is_here(entry) and not is_standard_input(entry):
            manifest = _looked_into(manifest, index, await files.file_of(entry))
    return manifest


def _looked_into(manifest: Manifest, index: int, file: File) -> Manifest:
    """The manifest with what can be told of the file of source entry `index` without reading its rows."""
    entry = manifest.sources[index]
    match entry:
        case TableSource(form="csv", columns=None):
            return with_columns(manifest, index, read_header(file))
        case TableSource(form="parquet"):
            return with_columns(manifest, index, read_schema(file))
        case InventorySource():
            inventory = read_inventory(entry, file)
            if is_here(entry):
                for part in inventory.files:
                    local_file(entry, part)
        case _:
            with opened(file):
                pass
    return manifest


def _guarded(manifest: Manifest) -> list[BucketSource]:
    """The prefixes and buckets of sources that no target may lie in."""
    if TARGET_IN_SOURCE in manifest.allow:
        return []
    return [entry for entry in manifest.sources if isinstance(entry, BucketSource)]


def asker(connection: Connection) -> Ask:
    """How a question is asked until its verdict stands."""

    async def ask(request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        return (await connection.sender.call(request, judge)).verdict

    return ask
