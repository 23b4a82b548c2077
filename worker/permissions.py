"""The permissions of a job, which the command `policy` prints: worked out from the manifest and its files, offline."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from worker.batch.entry import TableSource, is_standard_input, object_of
from worker.batch.manifest import Manifest
from worker.batch.ram_policy import ram_policy
from worker.batch.revision import check_followed
from worker.batch.selection import SourceObject
from worker.batch.task import Shard
from worker.errors import UsageError
from worker.oss.answer import Answer
from worker.oss.request import Request
from worker.oss.verdict import Failure
from worker.planning import with_files
from worker.sources.enumeration import Enumeration
from worker.sources.files import Files

T = TypeVar("T")


async def permissions(manifest: Manifest, *, results: str, can_look: bool) -> dict[str, object]:
    """The least-privilege RAM policy of a job; see `worker.batch.ram_policy`. Tables that name buckets are read.

    Raises:
        UsageError: A file cannot be read, or is standard input and names the buckets.
    """
    manifest = with_files(manifest)
    check_followed(manifest)
    buckets = {
        index: await _named_buckets(manifest, entry)
        for index, entry in enumerate(manifest.sources)
        if isinstance(entry, TableSource) and entry.may_name_buckets
    }
    return ram_policy(manifest, buckets, results=results, can_look=can_look)


async def _named_buckets(manifest: Manifest, entry: TableSource) -> frozenset[str]:
    """The buckets that the rows of a table name."""
    if is_standard_input(entry) or object_of(entry.path) is not None:
        name = "standard input" if is_standard_input(entry) else entry.path
        mend = "name a local copy of it"
        if entry.form == "jsonl":
            mend = f"say `columns: [...]` without `bucket`, or {mend}"
        raise UsageError(entry.place.problem(f"{name} may name any bucket, and is not read here", mend))
    with Files(_nobody) as files:
        rows = Enumeration(replace(manifest, sources=(entry,)), Shard(0, 1), _nobody, files, ()).planned()
        async with aclosing(rows):
            return frozenset({source.bucket async for source, _ in rows if isinstance(source, SourceObject)})


async def _nobody(request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:  # noqa: ARG001 - Ask
    message = f"offline, and yet somebody asks for {request.method} {request.bucket}"
    raise AssertionError(message)
