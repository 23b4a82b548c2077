"""Proofs about a manifest before anything is sent: collisions, targets among the sources, columns."""

from collections.abc import Iterator
from itertools import combinations

from worker.batch.collision import DIRECTORY, KEY, Tokens, disjoint, fold, literal_prefix, tells_apart
from worker.batch.entry import (
    OBJECT_COLUMNS,
    BucketSource,
    FileSource,
    InventorySource,
    ObjectsSource,
    PrefixSource,
    Source,
    TableSource,
    columns_problem,
    object_of,
)
from worker.batch.findings import nearest
from worker.batch.manifest import TARGET_IN_SOURCE, Manifest
from worker.batch.pipeline import Pipeline
from worker.errors import Problem
from worker.oss.endpoint import is_plain_http
from worker.oss.names import ObjectRef


def collision_free(manifest: Manifest) -> bool:
    """Whether it is proven that no two tasks have one target. If not: enumerate first, and look."""
    buckets = manifest.source_buckets
    several = buckets is None or len(buckets) > 1
    folded = [(pipeline, _fold(manifest, pipeline)) for pipeline in manifest.pipelines]
    return all(
        tells_apart(tokens, pipeline.columns, several_buckets=several and pipeline.target_bucket is not None)
        for pipeline, tokens in folded
    ) and all(
        disjoint(tokens, other_tokens)
        for (pipeline, tokens), (other, other_tokens) in combinations(folded, 2)
        if _can_share_bucket(pipeline.target_bucket, other.target_bucket, buckets)
    )


def apart(manifest: Manifest) -> bool:
    """Whether it is proven that no target is a source or lies below a source prefix. If not: enumerate first."""
    return all(
        _beside(
            entry,
            pipeline.target_bucket,
            literal_target_prefix(manifest, pipeline),
            allowed=TARGET_IN_SOURCE in manifest.allow,
        )
        for pipeline in manifest.pipelines
        for entry in manifest.sources
    )


def cname_problems(manifest: Manifest) -> list[Problem]:
    """What cannot be done at a custom domain (CNAME), which belongs to one bucket and answers for no other."""
    found = []
    buckets = manifest.source_buckets
    if buckets is None or len(buckets) > 1:
        reason = "with `addressing: cname` all sources come from one bucket, that of the domain"
        found.append(Problem(reason, "use the bucket's own endpoint, or one manifest for each bucket", manifest.file))
    for entry in manifest.sources:
        file = object_of(entry.path) if isinstance(entry, FileSource) else None
        if file and buckets is not None and buckets != {file.bucket}:
            reason = f"with `addressing: cname` nothing is read from another bucket, as {file} would be"
            found.append(entry.place.problem(reason, "use the bucket's own endpoint, or a local file"))
    if manifest.existing != "replace":
        reason = f"with `addressing: cname` targets cannot be looked up, as `existing: {manifest.existing}` needs"
        found.append(Problem(reason, "use the bucket's own endpoint, or `existing: replace`", manifest.file))
    for pipeline in manifest.pipelines:
        is_another = pipeline.target_bucket not in {None, *(buckets or ())}
        if pipeline.save == "relay" and pipeline.site is None and is_another:
            reason = "with `addressing: cname` the domain answers for the bucket of the sources only, not for this one"
            found.append(
                pipeline.bucket_place.problem(reason, "say where it is: add `endpoint: ...` and `region: ...`")
            )
    return found


def site_problems(manifest: Manifest, *, plain_http: bool) -> list[Problem]:
    """Endpoints of targets that anybody between can listen to: plain http to another machine."""
    return [
        pipeline.bucket_place.problem(
            f"{pipeline.site.endpoint} is plain http to another machine: anybody between can change what is sent",
            "write https://, or set `transport: {allow_plain_http: true}`",
        )
        for pipeline in manifest.pipelines
        if pipeline.site and not plain_http and is_plain_http(pipeline.site.endpoint)
    ]


def results_problems(manifest: Manifest, results: str) -> list[Problem]:
    """Where the results log must not lie.

    Among the sources it would be read as such, and grow while it is. In a bucket with an endpoint of its own it would
    not be found by commands that read no manifest, such as `status`.
    """
    place = object_of(results)
    if place is None:
        return []
    if place.bucket in manifest.sites:
        written = next(one for one in manifest.pipelines if one.target_bucket == place.bucket)
        reason = f"the results place {results} is in a bucket with an endpoint of its own"
        mend = "set `results` to a directory, or to a bucket at the endpoint of the settings"
        return [written.bucket_place.problem(reason, mend)]
    below = f"{place.key.rstrip('/')}/{manifest.job}/".removeprefix("/")
    return [
        entry.place.problem(
            f"the results place {results} lies below this source prefix", "set `results` to a place outside the sources"
        )
        for entry in manifest.sources
        if isinstance(entry, PrefixSource) and entry.bucket == place.bucket and below.startswith(entry.prefix)
    ]


def own_targets(manifest: Manifest) -> tuple[ObjectRef, ...]:
    """Buckets and key prefixes that the job itself writes to and, with `target-in-source`, does not read from.

    An empty bucket is any bucket: the target's is that of its source.
    """
    if TARGET_IN_SOURCE not in manifest.allow:
        return ()
    written = (
        (pipeline.target_bucket or "", literal_target_prefix(manifest, pipeline)) for pipeline in manifest.pipelines
    )
    return tuple(ObjectRef(bucket, prefix) for bucket, prefix in written if prefix)


def problems(manifest: Manifest) -> list[Problem]:
    """What is certain to go wrong, whatever the sources are."""
    found = [problem for pipeline in manifest.pipelines for problem in _target_problems(manifest, pipeline)]
    for index, entry in enumerate(manifest.sources):
        columns = entry.columns if isinstance(entry, TableSource) else ()
        if columns is not None:
            found += column_problems(manifest, index, columns)
    found += _site_conflicts(manifest)
    first: dict[tuple[str | None, Tokens], Pipeline] = {}
    for pipeline in manifest.pipelines:
        other = first.setdefault((pipeline.target_bucket, _fold(manifest, pipeline)), pipeline)
        if other is not pipeline:
            reason = f"the pipelines {other.name!r} and {pipeline.name!r} write the same targets"
            found.append(pipeline.key_place.problem(reason, "tell them apart, as by {pipeline} in the key"))
    return found


def _site_conflicts(manifest: Manifest) -> Iterator[Problem]:
    """A bucket is at one place: names of buckets are unique in all regions (OSS, "Bucket naming conventions")."""
    for bucket, site in manifest.sites.items():
        entry = next((entry for entry in manifest.sources if entry.bucket == bucket), None)
        others = (one for one in manifest.pipelines if one.target_bucket == bucket and one.site != site)
        if entry is not None:
            reason = f"the bucket {bucket!r} has an endpoint of its own as a target, and none as a source"
            mend = "leave out `endpoint` and `region`, or correct the bucket"
            yield entry.place.problem(reason, f"{mend}: all sources are at the endpoint of the settings")
        for pipeline in others:
            reason = f"the bucket {bucket!r} is at another endpoint in another pipeline"
            too = "" if pipeline.save == "relay" else "`save: relay` and "
            yield pipeline.bucket_place.problem(reason, f"say {too}the same `endpoint` and `region` in both")


def column_problems(manifest: Manifest, index: int, columns: tuple[str, ...]) -> list[Problem]:
    """What is wrong with the columns of source entry `index`: none for an entry that is no table."""
    entry = manifest.sources[index]
    found = []
    if isinstance(entry, TableSource):
        if problem := columns_problem(columns):
            found.append(entry.place.problem(f"{entry.path}: {problem[0]}", problem[1]))
        if not entry.bucket and "bucket" not in columns:
            reason = f"{entry.path} has no column 'bucket', and the manifest no bucket for it"
            found.append(entry.place.problem(reason, "add `bucket: ...` to the entry"))
    for pipeline in manifest.pipelines:
        for column in sorted(pipeline.columns):
            if column in OBJECT_COLUMNS:
                reason, mend = f"{column!r} is no row column", "write {key} or {bucket} for the source's own"
            elif column in columns:
                continue
            elif isinstance(entry, TableSource):
                reason, mend = f"{entry.path} has no column {column!r}", nearest(column, columns)
            else:
                reason, mend = f"the entry in line {entry.place.line} has no columns", "use {row...} with tables only"
            found.append(pipeline.place.problem(f"pipeline {pipeline.name!r} uses {{row.{column}}}: {reason}", mend))
    return found


def _target_problems(manifest: Manifest, pipeline: Pipeline) -> Iterator[Problem]:
    tokens, written = _fold(manifest, pipeline), pipeline.target_bucket
    if tokens == (KEY,) and any(written in {None, entry.bucket} for entry in manifest.sources):
        reason = "the target is its own source: a second run would process the result again"
        yield pipeline.key_place.problem(reason, 'write elsewhere, as to "out/{key}" or another bucket')
        return
    below = (entry for entry in manifest.sources if isinstance(entry, BucketSource) and written in {None, entry.bucket})
    entry = next((entry for entry in below if _always_below(tokens, entry.prefix)), None)
    if entry is None:
        return
    if TARGET_IN_SOURCE not in manifest.allow:
        listed = (
            f"below the prefix {entry.prefix!r} of" if isinstance(entry, PrefixSource) else "in the bucket listed by"
        )
        reason = f"targets lie {listed} line {entry.place.line}: later runs would process them"
        yield pipeline.key_place.problem(reason, "write elsewhere, or set `allow: [target-in-source]`")
    elif not literal_prefix(tokens):
        reason = "with target-in-source, a target key begins with a literal, so that targets are told from sources"
        yield pipeline.key_place.problem(reason, 'begin it so, as in "thumbs/{key}"')


def _always_below(tokens: Tokens, prefix: str) -> bool:
    """Whether the targets of the sources below a prefix lie below it, too."""
    if tokens[0] == KEY or (tokens[0] == DIRECTORY and prefix.endswith("/")):
        return True
    return literal_prefix(tokens).startswith(prefix)


def _beside(entry: Source, bucket: str | None, prefix: str, *, allowed: bool) -> bool:
    """Whether no target in this bucket, with this literal prefix, can be a source of the entry."""
    if prefix and allowed:
        return True  # what lies below the prefix is not selected
    if bucket not in {None, entry.bucket} and not (isinstance(entry, TableSource) and entry.may_name_buckets):
        return True
    match entry:
        case PrefixSource() | InventorySource():
            return not (prefix.startswith(entry.prefix) or entry.prefix.startswith(prefix))
        case ObjectsSource():
            return not any(key.startswith(prefix) for key in entry.keys)
        case _:
            return False


def _can_share_bucket(one: str | None, other: str | None, sources: frozenset[str] | None) -> bool:
    if one is None or other is None:
        return sources is None or one == other or (one or other) in sources
    return one == other


def _fold(manifest: Manifest, pipeline: Pipeline) -> Tokens:
    buckets = manifest.source_buckets
    return fold(pipeline, manifest.job, min(buckets) if buckets is not None and len(buckets) == 1 else None)


def literal_target_prefix(manifest: Manifest, pipeline: Pipeline) -> str:
    """What all target keys of a pipeline begin with."""
    return literal_prefix(_fold(manifest, pipeline))
