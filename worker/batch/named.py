"""What is certain to go wrong with objects that a manifest names itself: their targets are known offline."""

from collections.abc import Iterator

from worker.batch.document import Place
from worker.batch.entry import ObjectsSource
from worker.batch.findings import shown
from worker.batch.manifest import Manifest
from worker.batch.pipeline import Pipeline
from worker.batch.proof import own_targets
from worker.batch.selection import SourceObject, not_selected
from worker.batch.template import BadValue
from worker.errors import Problem
from worker.oss.names import ObjectRef


def named_problems(manifest: Manifest) -> list[Problem]:
    """Objects that a pipeline has no process or target for, and those that share one."""
    pipelines = [pipeline for pipeline in manifest.pipelines if not pipeline.columns]
    sources: dict[ObjectRef, tuple[Pipeline, ObjectRef]] = {}
    found = []
    for source, place in _named(manifest):
        for pipeline in pipelines:
            try:
                target = pipeline.render(manifest.job, source)[1]
            except BadValue as error:
                reason = f"{shown(source.key)} cannot go through the pipeline {pipeline.name!r}: {error}"
                found.append(place.problem(reason, "leave it out, or change the pipeline"))
                continue
            ref = ObjectRef(source.bucket, source.key)
            other, first = sources.setdefault(target, (pipeline, ref))
            if other is not pipeline or first != ref:
                reason = f"two tasks write {target}: {first} by pipeline {other.name!r}, and {ref} by {pipeline.name!r}"
                found.append(place.problem(reason, "tell them apart in the target's key, with {key} or {pipeline}"))
    return found


def _named(manifest: Manifest) -> Iterator[tuple[SourceObject, Place]]:
    own = own_targets(manifest)
    for entry in manifest.sources:
        if isinstance(entry, ObjectsSource):
            for key, place in zip(entry.keys, entry.places, strict=True):
                source = SourceObject(entry.bucket, key)
                if not_selected(source, entry, own) is None:
                    yield source, place
