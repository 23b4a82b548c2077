"""The planner: each source object through each pipeline, to the tasks of this shard."""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.batch.entry import Source
from worker.batch.manifest import Manifest
from worker.batch.pipeline import Pipeline
from worker.batch.selection import SourceObject
from worker.batch.task import Shard, Task, target_digest, text_digest
from worker.batch.template import BadValue
from worker.oss.names import ObjectRef, bucket_problem, key_problem


@dataclass(frozen=True, slots=True)
class BadSource:
    """A row that names no source: where it stands and why. See `bad_source`."""

    bucket: str
    key: str
    place: str
    reason: str


def bad_source(bucket: str, key: str, place: str, reason: str) -> BadSource:
    """A bad source, in text that can be written: what was not UTF-8 in a file is held as lone surrogates until here."""
    return BadSource(*(text.encode(errors="backslashreplace").decode() for text in (bucket, key, place, reason)))


@dataclass(frozen=True, slots=True)
class BadTask:
    """A source that a pipeline makes no task of; nothing is sent for it."""

    pipeline: str
    source: BadSource


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task, with the digest of its target."""

    task: Task
    digest: bytes


def plan_source(
    source: SourceObject | BadSource, entry: Source, manifest: Manifest, shard: Shard
) -> Iterator[PlannedTask | BadTask]:
    """The tasks of one source that belong to the shard, in the order of the pipelines."""
    if isinstance(source, SourceObject):
        reason = bucket_problem(source.bucket) or key_problem(source.key)
        if reason is None:
            yield from _plan_good(source, entry, manifest, shard)
            return
        source = _bad(source, reason)
    for pipeline in manifest.pipelines:
        yield from _bad_task(pipeline, source, shard)


def _plan_good(
    source: SourceObject, entry: Source, manifest: Manifest, shard: Shard
) -> Iterator[PlannedTask | BadTask]:
    etag = "" if entry.etag_ignore else source.etag
    ref = ObjectRef(source.bucket, source.key)
    for pipeline in manifest.pipelines:
        try:
            process, target = pipeline.render(manifest.job, source)
        except BadValue as error:
            yield from _bad_task(pipeline, _bad(source, str(error)), shard)
            continue
        digest = target_digest(target)
        if shard.holds(digest):
            yield PlannedTask(
                Task(pipeline.name, ref, etag, source.size, process, target, pipeline.revision_for(source.bucket)),
                digest,
            )


def _bad(source: SourceObject, reason: str) -> BadSource:
    # What a listing found stands in no file: its name is its place.
    return bad_source(source.bucket, source.key, source.place or f"oss://{source.bucket}/{source.key}", reason)


def _bad_task(pipeline: Pipeline, source: BadSource, shard: Shard) -> Iterator[BadTask]:
    # There is no target to shard by: the place of the row is as good, and the same in every shard.
    if shard.holds(text_digest(f"{pipeline.name} {source.place} {source.key!r}")):
        yield BadTask(pipeline.name, source)
