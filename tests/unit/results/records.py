"""All records of a job, for tests that look at what was written."""

from collections.abc import Callable
from contextlib import aclosing

from worker.batch.record import Record, decode
from worker.results.loading import read_lines
from worker.results.store import Store


async def read_records(store: Store, take: Callable[[Record], None], warn: Callable[[str], None]) -> None:
    """Hand over every record of a job, as `read_lines` reads them."""
    async with aclosing(read_lines(store, decode, warn)) as batches:
        async for batch in batches:
            for record in batch:
                take(record)
