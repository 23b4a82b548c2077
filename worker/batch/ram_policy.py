"""The least-privilege RAM policy of a job. Pure. Sources: RAM, "Policy structure and syntax"; OSS, "RAM policies"."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from posixpath import commonprefix

from worker.batch.entry import FileSource, InventorySource, ObjectsSource, PrefixSource, Source, object_of
from worker.batch.manifest import Manifest
from worker.batch.pipeline import AUTO_REVISION, Pipeline
from worker.batch.proof import literal_target_prefix
from worker.batch.recipe import watermark_images

# A policy is small (6,144 characters): more keys than this are named by what they have in common.
_MAX_KEYS = 20

Statement = dict[str, object]


def ram_policy(
    manifest: Manifest, buckets: Mapping[int, Collection[str]], *, results: str, can_look: bool
) -> dict[str, object]:
    """The policy with which a run of the manifest succeeds, and without any of whose statements it would not.

    Without `oss:GetBucketInfo` it would, but find mistakes late; it says so.

    Args:
        manifest: The job, with the columns of its tables.
        buckets: By the index of its entry, the buckets that a table names.
        results: Where results go: a directory, or `oss://BUCKET/PREFIX`.
        can_look: Other buckets than that of the endpoint can be asked after.
    """
    if all(pipeline.save == "relay" for pipeline in manifest.pipelines):
        process: tuple[str, ...] = ("oss:GetObject",)
    else:
        process = ("oss:GetObject", "oss:PostProcessTask")
    of_entries = [(entry, sorted(buckets.get(index, {entry.bucket}))) for index, entry in enumerate(manifest.sources)]
    source_buckets = sorted({bucket for _, named in of_entries for bucket in named})
    sources = _least(resource for entry, named in of_entries for resource in _source_resources(entry, named))
    images = _least(_image_resources(manifest, source_buckets))
    targets = _least(_target_resources(manifest, source_buckets))
    looked_at = {entry.bucket for entry in manifest.sources if entry.bucket} | {
        pipeline.target_bucket
        for pipeline in manifest.pipelines
        if pipeline.target_bucket and (can_look or pipeline.site)
    }
    styled = source_buckets if any(pipeline.revision == AUTO_REVISION for pipeline in manifest.pipelines) else []
    statements = [
        _allow(process, sources),
        _allow(("oss:GetObject",), [image for image in images if not _is_covered(image, sources)]),
        _allow(("oss:GetObject",), _least(_file_resources(manifest))),
        _allow(("oss:PutObject",), targets),
        _allow(("oss:GetObject",), [] if manifest.existing == "replace" else targets),
        _allow(("oss:ListObjects",), {entry.bucket for entry in manifest.sources if isinstance(entry, PrefixSource)}),
        _allow(("oss:GetBucketInfo",), looked_at),
        _allow(("oss:GetStyle",), styled),
        *_results_statements(results, manifest.job),
    ]
    return {"Version": "1", "Statement": [statement for statement in statements if statement["Resource"]]}


def _allow(actions: tuple[str, ...], resources: Iterable[str]) -> Statement:
    named = [f"acs:oss:*:*:{resource}" for resource in sorted(resources)]
    return {"Effect": "Allow", "Action": list(actions), "Resource": named}


def _source_resources(entry: Source, buckets: Iterable[str]) -> Iterator[str]:
    match entry:
        case PrefixSource():
            yield f"{entry.bucket}/{entry.prefix}*"
        case ObjectsSource() if len(entry.keys) <= _MAX_KEYS:
            yield from (f"{entry.bucket}/{key}" for key in entry.keys)
        case ObjectsSource():
            yield f"{entry.bucket}/{commonprefix(entry.keys)}*"
        case _:
            yield from (f"{bucket}/*" for bucket in buckets)


def _file_resources(manifest: Manifest) -> Iterator[str]:
    """The files of entries that are objects; of an inventory all that lies beside its dated folders."""
    for entry in manifest.sources:
        file = object_of(entry.path) if isinstance(entry, FileSource) else None
        if file is not None and isinstance(entry, InventorySource):
            folder = file.key.rpartition("/")[0].rpartition("/")[0]
            yield f"{file.bucket}/{folder}/*" if folder else f"{file.bucket}/*"
        elif file is not None:
            yield f"{file.bucket}/{file.key}"


def _image_resources(manifest: Manifest, buckets: Iterable[str]) -> Iterator[str]:
    """Watermark images lie in the bucket of the source; one that rows name may be any object of it."""
    for pipeline in manifest.pipelines:
        for key in watermark_images(pipeline.process):
            yield from (f"{bucket}/{'*' if key is None else key}" for bucket in buckets)


def _target_resources(manifest: Manifest, source_buckets: Iterable[str]) -> Iterator[str]:
    for pipeline in manifest.pipelines:
        prefix = literal_target_prefix(manifest, pipeline)
        yield from (f"{bucket}/{prefix}*" for bucket in _target_buckets(pipeline, source_buckets))


def _target_buckets(pipeline: Pipeline, source_buckets: Iterable[str]) -> Iterable[str]:
    return [pipeline.target_bucket] if pipeline.target_bucket else source_buckets


def _results_statements(results: str, job: str) -> Iterator[Statement]:
    if place := object_of(results):
        below = f"{place.key.rstrip('/')}/{job}/*".removeprefix("/")
        yield _allow(("oss:GetObject", "oss:PutObject"), [f"{place.bucket}/{below}"])
        yield _allow(("oss:ListObjects",), [place.bucket])


def _least(resources: Iterable[str]) -> list[str]:
    """Without those that another one covers."""
    found = sorted(set(resources))
    return [one for one in found if not _is_covered(one, [other for other in found if other != one])]


def _is_covered(resource: str, others: Iterable[str]) -> bool:
    return any(
        resource == other or (other.endswith("*") and resource.startswith(other.removesuffix("*"))) for other in others
    )
