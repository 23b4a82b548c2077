"""The command `url`: the signed URL of a processed image, for who wants to look at one, or to hand it on."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from worker.batch.manifest import Manifest
from worker.batch.pipeline import Pipeline
from worker.batch.selection import SourceObject
from worker.batch.template import BadValue
from worker.connection import Log, endpoint_at, endpoint_of, keys
from worker.dispatch.clock import ServiceClock
from worker.errors import StoppedError, UsageError
from worker.oss.names import ObjectRef, bucket_problem, key_problem
from worker.oss.request import get_processed
from worker.oss.signing import MAX_EXPIRES_S, presign_v1, presign_v4
from worker.oss.verdict import Failure
from worker.settings import OSS, Settings


@dataclass(frozen=True, slots=True)
class Link:
    """Which URL is wanted. `key` is an object's, or `oss://BUCKET/KEY`; `pipeline` None: the only one there is."""

    key: str
    pipeline: str | None
    expires_s: float


async def presigned_url(
    manifest: Manifest, settings: Settings, link: Link, environ: Mapping[str, str], log: Log
) -> str:
    """The URL at which everybody can get a source as a pipeline makes it. The service is not asked.

    It is a secret, as what it is signed with is.

    Raises:
        UsageError: It is not clear which URL is meant, or there can be none.
        AccessError: Whoever issues the credentials refuses.
        StoppedError: They cannot be had.
    """
    if settings.endpoint == "local":
        mend = "start one with `oss-saveas serve`, and name it with --endpoint"
        raise UsageError("the local OSS of `endpoint: local` ends with the command, and the URL with it", mend)
    if not 1 <= link.expires_s <= MAX_EXPIRES_S or link.expires_s % 1:
        raise UsageError(f"--expires: {link.expires_s:g} seconds", "write whole seconds, from 1s to 7d")
    source = _source(manifest, link.key)
    site = manifest.sites.get(source.bucket)
    if settings.addressing == "cname" and site is None and manifest.source_buckets != frozenset({source.bucket}):
        reason = f"with `addressing: cname` the domain answers for one bucket, and not surely for {source.bucket!r}"
        raise UsageError(reason, "use the bucket's own endpoint")
    process = _process(manifest, _pipeline(manifest, link.pipeline), source)
    clock = ServiceClock(time.time, time.monotonic, asyncio.sleep)
    async with keys(settings, environ, clock, log) as (_, keyring):
        found = await keyring.get()
    if isinstance(found, Failure):
        raise StoppedError(f"there are no credentials: {found.message}")
    if found.security_token:
        log("the URL ends with the temporary credentials that sign it, if that is earlier", logging.WARNING)
    request, lifetime = get_processed(source, process), int(link.expires_s)
    if settings.signature == "v1":
        signed = presign_v1(request, found, at=clock.now(), expires_s=lifetime)
    else:
        signed = presign_v4(
            request, found, region=site.region if site else settings.region, at=clock.now(), expires_s=lifetime
        )
    endpoint = endpoint_at(settings, site) if site else endpoint_of(settings, settings.endpoint)
    return endpoint.url(signed)


def _source(manifest: Manifest, key: str) -> ObjectRef:
    bucket = ""
    if key.startswith(OSS):
        bucket, _, key = key.removeprefix(OSS).partition("/")
    else:
        buckets = {manifest.bucket} if manifest.bucket else {entry.bucket for entry in manifest.sources}
        if len(buckets) != 1 or "" in buckets:
            raise UsageError("--key: the manifest names several buckets", "write --key oss://BUCKET/KEY")
        (bucket,) = buckets
    if reason := bucket_problem(bucket) or key_problem(key):
        raise UsageError(f"--key: {reason}", "write the key of an object, or oss://BUCKET/KEY")
    return ObjectRef(bucket, key)


def _pipeline(manifest: Manifest, name: str | None) -> Pipeline:
    names = [pipeline.name for pipeline in manifest.pipelines]
    if name is None and len(names) > 1:
        raise UsageError("the manifest has several pipelines", f"choose one: --pipeline {' | '.join(names)}")
    if name is not None and name not in names:
        raise UsageError(f"there is no pipeline {name!r}", f"known: {', '.join(names)}")
    return manifest.pipelines[0 if name is None else names.index(name)]


def _process(manifest: Manifest, pipeline: Pipeline, source: ObjectRef) -> str:
    if columns := sorted(pipeline.process.columns):
        reason = f"the recipe of {pipeline.name!r} takes {{row.{columns[0]}}} from a table, and no row is read here"
        raise UsageError(pipeline.place.problem(reason, "choose a pipeline without row columns"))
    try:
        return pipeline.process_of(manifest.job, SourceObject(source.bucket, source.key))
    except BadValue as error:
        raise UsageError(f"{source}: {error}", "choose another object, or change the pipeline") from None
