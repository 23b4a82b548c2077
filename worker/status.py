"""The command `status`: how the newest run of a job stands, read from what its processes have left."""

import logging
from collections.abc import Mapping

from worker.batch.standing import JobStanding
from worker.connection import Log
from worker.errors import UnknownError
from worker.results.loading import unreadable
from worker.results.runs import RunReader
from worker.results.store import StoreError
from worker.settings import Settings
from worker.storage import stored_job


async def status_of(
    settings: Settings, job: str, environ: Mapping[str, str], log: Log, *, every: bool = False
) -> JobStanding:
    """How the newest run of a job stands; `every`: and all others.

    Raises:
        UnknownError: There is no run of such a job.
        ResultsError: The results cannot be read.
    """
    async with stored_job(settings, job, environ, log) as (store, _):
        reader = RunReader(store, lambda text: log(text, logging.WARNING))
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
