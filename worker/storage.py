"""Storage: the place of a job's results that the settings name, opened."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from worker.connection import Connection, Log, connect
from worker.dispatch.sender import Urgency
from worker.dispatch.stopping import Cut, Stop
from worker.errors import UnknownError
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure
from worker.results.appending import Appender, BucketAppender, DirectoryAppender
from worker.results.bucket import Ask, BucketStore
from worker.results.directory import DirectoryStore
from worker.results.loading import unreadable
from worker.results.patience import Patience
from worker.results.probing import PROBE
from worker.results.store import Store, StoreError
from worker.settings import Settings

T = TypeVar("T")


def open_store(settings: Settings, job: str, connection: Connection, *, even_if_stopping: bool = False) -> Store:
    """The results of a job. `even_if_stopping`: a stop does not cut reading short."""
    place = settings.results_bucket
    if place is None:
        return DirectoryStore(Path(settings.results) / job)
    return BucketStore(
        _asker(connection, even_if_stopping=even_if_stopping), place.bucket, f"{place.key}/{job}" if place.key else job
    )


async def check_known(store: Store, job: str) -> None:
    """See that there is anything of a job: a wrong place of results is not taken for a job without lines.

    Raises:
        UnknownError: There are no results of such a job.
        ResultsError: They cannot be read.
    """
    try:
        known = [file for file in await store.files() if file.name != PROBE]
    except StoreError as error:
        raise unreadable(error) from error
    if not known:
        message = f"there are no results of a job {job!r}: {store.path('')}"
        raise UnknownError(message)


def appender(store: Store, stem: str) -> Appender:
    """What writes segments into a store; `stem` is their name but for their number."""
    return DirectoryAppender(store, stem) if isinstance(store, DirectoryStore) else BucketAppender(store, stem)


def patience_of(settings: Settings, connection: Connection | None) -> Patience:
    """How long the store may refuse; as long as an outage has everybody wait, it may for longer."""

    def pardoned() -> bool:
        return connection is not None and connection.outage.paused and connection.stop.reason is None

    return Patience(settings.results_patience_s, time.monotonic, asyncio.sleep, pardoned)


def _asker(connection: Connection, *, even_if_stopping: bool) -> Ask:
    sender = connection.sender

    async def ask(request: Request, judge: Callable[[Answer], T | Failure], *, patient: bool) -> T | Failure:
        # What is not patient belongs to results that are there already: it goes out though the run is stopping.
        urgency = Urgency.USUAL if patient else Urgency.COMPLETING
        try:
            attempts = sender.attempts(patient=patient)
            return (await sender.call(request, judge, urgency=urgency, attempts=attempts)).verdict
        except Cut:
            if not even_if_stopping:
                raise
            return (await sender.call(request, judge, urgency=Urgency.COMPLETING)).verdict

    return ask


@asynccontextmanager
async def stored_job(
    settings: Settings, job: str, environ: Mapping[str, str], log: Log
) -> AsyncIterator[tuple[Store, Patience]]:
    """The results of a job, for commands without a manifest; the service is asked only where they are in a bucket.

    Raises:
        UsageError: There are no credentials, or the local OSS does not start.
    """
    async with AsyncExitStack() as stack:
        if settings.results_bucket is None:
            yield DirectoryStore(Path(settings.results) / job), patience_of(settings, None)
            return
        connection = await stack.enter_async_context(connect(settings, environ, Stop(), 1, log))
        yield open_store(settings, job, connection), patience_of(settings, connection)
