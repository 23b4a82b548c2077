"""The planner: each source object through each pipeline, to the tasks of this shard."""

from dataclasses import dataclass

import msgspec

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


class PlannedTask(msgspec.Struct, frozen=True, gc=False):
    """A task, with the digest of its target. A Struct for its speed, as `SourceObject` is."""

    task: Task
    digest: bytes


def plan_source(
    source: SourceObject | BadSource, entry: Source, manifest: Manifest, shard: Shard
) -> list[PlannedTask | BadTask]:
    """The tasks of one source that belong to the shard, in the order of the pipelines."""
    if isinstance(source, SourceObject):
        reason = bucket_problem(source.bucket) or key_problem(source.key)
        if reason is None:
            return _plan_good(source, entry, manifest, shard)
        source = _bad(source, reason)
    return [BadTask(pipeline.name, source) for pipeline in manifest.pipelines if _holds(shard, pipeline, source)]


def _plan_good(source: SourceObject, entry: Source, manifest: Manifest, shard: Shard) -> list[PlannedTask | BadTask]:
    etag = "" if entry.etag_ignore else source.etag
    ref = ObjectRef(source.bucket, source.key)
    planned: list[PlannedTask | BadTask] = []
    for pipeline in manifest.pipelines:
        try:
            process, target = pipeline.render(manifest.job, source)
        except BadValue as error:
            bad = _bad(source, str(error))
            if _holds(shard, pipeline, bad):
                planned.append(BadTask(pipeline.name, bad))
            continue
        digest = target_digest(target)
        if shard.holds(digest):
            task = Task(pipeline.name, ref, etag, source.size, process, target, pipeline.revision_for(source.bucket))
            planned.append(PlannedTask(task, digest))
    return planned


def _bad(source: SourceObject, reason: str) -> BadSource:
    # What a listing found stands in no file: its name is its place.
    return bad_source(source.bucket, source.key, source.place or f"oss://{source.bucket}/{source.key}", reason)


def _holds(shard: Shard, pipeline: Pipeline, bad: BadSource) -> bool:
    # There is no target to shard by: the place of the row is as good, and the same in every shard.
    return shard.holds(text_digest(f"{pipeline.name} {bad.place} {bad.key!r}"))
