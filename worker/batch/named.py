"""What is certain to go wrong with objects that a manifest names itself: their targets are known offline."""

from collections.abc import Iterator

from worker.batch.document import Place
from worker.batch.entry import ObjectsSource
from worker.batch.findings import shown
from worker.batch.manifest import Manifest
from worker.batch.proof import own_targets
from worker.batch.selection import SourceObject, not_selected
from worker.batch.template import BadValue
from worker.errors import Problem


def named_problems(manifest: Manifest) -> list[Problem]:
    """Objects that a pipeline has no process or no target for."""
    pipelines = [pipeline for pipeline in manifest.pipelines if not pipeline.columns]
    found = []
    for source, place in _named(manifest):
        for pipeline in pipelines:
            try:
                pipeline.render(manifest.job, source)
            except BadValue as error:
                reason = f"{shown(source.key)} cannot go through the pipeline {pipeline.name!r}: {error}"
                found.append(place.problem(reason, "leave it out, or change the pipeline"))
    return found


def _named(manifest: Manifest) -> Iterator[tuple[SourceObject, Place]]:
    own = own_targets(manifest)
    for entry in manifest.sources:
        if isinstance(entry, ObjectsSource):
            for key, place in zip(entry.keys, entry.places, strict=True):
                source = SourceObject(entry.bucket, key)
                if not_selected(source, entry, own) is None:
                    yield source, place
