"""Revisions by themselves: `revision: auto` follows the content of a style, which no manifest holds."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from worker.batch.document import Place
from worker.batch.manifest import Manifest
from worker.batch.pipeline import AUTO_REVISION
from worker.errors import UsageError

_DIGITS = 16


@dataclass(frozen=True, slots=True)
class NamedStyle:
    """A style of a source bucket, and where the manifest names it. `follows`: its content is part of task ids."""

    bucket: str
    name: str
    place: Place
    follows: bool


def named_styles(manifest: Manifest) -> list[NamedStyle]:
    """The styles that the pipelines use, each once for each bucket that sources are known to come from."""
    found: dict[tuple[str, str], NamedStyle] = {}
    for pipeline in manifest.pipelines:
        follows = pipeline.revision == AUTO_REVISION
        for name in pipeline.styles:
            for bucket in sorted({entry.bucket for entry in manifest.sources if entry.bucket}):
                known = found.get((bucket, name))
                if known is None or (follows and not known.follows):
                    found[bucket, name] = NamedStyle(bucket, name, pipeline.place, follows)
    return list(found.values())


def check_followed(manifest: Manifest) -> None:
    """Raise UsageError where a pipeline follows a style, and nobody knows the buckets of all sources beforehand."""
    if manifest.source_buckets is not None:
        return
    problems = [
        pipeline.place.problem(
            f"`revision: auto` of pipeline {pipeline.name!r}: a table names the buckets, and each has its own style",
            "make a manifest of each bucket, or raise a revision by hand",
        )
        for pipeline in manifest.pipelines
        if pipeline.revision == AUTO_REVISION
    ]
    if problems:
        raise UsageError(problems)


def with_revisions(manifest: Manifest, contents: Mapping[tuple[str, str], str]) -> Manifest:
    """The manifest whose pipelines know what their styles stand for. `contents` are by bucket and name of the style."""
    revisions = {named: style_revision(content) for named, content in contents.items()}
    pipelines = tuple(
        replace(
            pipeline,
            style_revisions={
                bucket: revision for (bucket, name), revision in revisions.items() if name in pipeline.styles
            },
        )
        if pipeline.revision == AUTO_REVISION
        else pipeline
        for pipeline in manifest.pipelines
    )
    return replace(manifest, pipelines=pipelines)


def style_revision(content: str) -> str:
    """The revision that stands for the content of a style."""
    return f"style:{hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]}"
