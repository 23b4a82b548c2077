"""The preflight of a job, which the command `check` shows: what a run would need, tried on the service itself."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from worker.batch.document import Place
from worker.batch.entry import Source, is_standard_input
from worker.batch.manifest import Manifest
from worker.batch.pipeline import Pipeline
from worker.batch.proof import literal_target_prefix, own_targets
from worker.batch.revision import NamedStyle, named_styles, with_revisions
from worker.batch.selection import SourceObject
from worker.batch.task import Shard
from worker.batch.template import BadValue
from worker.connection import Connection, Log, connect
from worker.dispatch.decider import judge_head
from worker.dispatch.first_contact import first_contact, judge_bucket_info
from worker.dispatch.probe import probe
from worker.dispatch.relay import Relay
from worker.dispatch.saveas import Saveas
from worker.dispatch.stopping import Cut, Stop
from worker.dispatch.styles import judge_style, style_mend, unreadable_style
from worker.errors import AccessError, ResultsError, StopSignalError, UsageError, WorkerError
from worker.oss.answer import Answer, Listing
from worker.oss.codes import CODES, CREDENTIAL_CODES
from worker.oss.names import ObjectRef
from worker.oss.request import Request, bucket_info, get_style, head_object
from worker.oss.verdict import Failure
from worker.planning import asker, expectation, named_buckets, proven_offline
from worker.results.directory import unwritable_reason
from worker.results.patience import Patience
from worker.results.probing import PROBE, probe_store
from worker.results.store import StoreError, TakenError
from worker.settings import Settings
from worker.signals import stopping
from worker.sources.asking import Ask
from worker.sources.enumeration import Enumeration
from worker.sources.files import Files
from worker.storage import open_store
from worker.summary import Check, Preflight, Status

T = TypeVar("T")
# Somebody waits for the answer: what does not work at once is told, not tried for minutes.
_MAX_ATTEMPTS, _PATIENCE_S = 2, 15.0
_STORE_PATIENCE_S = 2.0
_SCRATCH = "oss-saveas-probe-"
_MEND = "\n    mend: "


async def preflight(
    manifest: Manifest, settings: Settings, environ: Mapping[str, str], log: Log, *, probes: bool
) -> Preflight:
    """Try what a run would need: everything that can be tried is, whatever else is wrong.

    Nothing is changed, but in a bucket of results a probe is written and deleted; with `probes` a scratch object is
    saved by each pipeline, too.

    Raises:
        UsageError: The manifest does not go with its files or the settings: nothing was sent.
        StopSignalError: A signal came.
    """
    manifest = proven_offline(manifest, settings)
    retry = replace(
        settings.retry,
        max_attempts=min(_MAX_ATTEMPTS, settings.retry.max_attempts),
        task_deadline_s=min(_PATIENCE_S, settings.retry.task_deadline_s),
    )
    stop, checks = Stop(), [] if settings.results_bucket else [_results(settings.results, manifest.job)]
    endpoint = settings.endpoint
    with stopping(stop):
        try:
            impatient = replace(settings, retry=retry)
            async with connect(impatient, environ, stop, 1, log, manifest.sites) as connection:
                endpoint = connection.endpoint
                checker = _Checker(manifest, settings, connection)
                async with aclosing(checker.checks(probes=probes)) as found:
                    async for check in found:
                        checks.append(check)  # noqa: PERF401 - what was found stays, whatever cuts the rest short
        except WorkerError as error:
            checks.append(_wrong("endpoint" if endpoint == "local" else "credentials", error))
        except Cut:
            if stop.error is None:
                message = "interrupted before everything was checked"
                raise StopSignalError(message) from None
            checks.append(_wrong("endpoint", stop.error))
    return Preflight(job=manifest.job, endpoint=endpoint, checks=checks)


class _Checker:
    """Makes the checks that ask the service, in the order in which one presupposes another."""

    def __init__(self, manifest: Manifest, settings: Settings, connection: Connection) -> None:
        self._manifest = manifest
        self._settings = settings
        self._connection = connection
        self._call = connection.sender.call
        self._saveas, self._relay = Saveas(connection.sender), Relay(connection.sender)
        self._readable: SourceObject | None = None

    async def checks(self, *, probes: bool) -> AsyncGenerator[Check, None]:
        """One by one; where nobody answers, or nobody who knows us, there are no more."""
        buckets = named_buckets(self._manifest, self._settings)
        verdict = (await self._call(bucket_info(next(iter(buckets), "")), judge_bucket_info)).verdict
        for check in self._answered(verdict if isinstance(verdict, Failure) else None):
            yield check
            if check.status == "wrong":
                return
        if self._settings.results_bucket is not None:
            yield await self._results()
        for bucket, place in buckets.items():
            yield await self._bucket(bucket, place)
        contents = {}
        for style in named_styles(self._manifest):
            check, contents[style.bucket, style.name] = await self._style(style)
            yield check
        # What cannot be read stands for nothing here: no task is recorded.
        manifest = with_revisions(self._manifest, contents)
        for entry in manifest.sources:
            async for check in self._entry(entry, manifest):
                yield check
        for pipeline in self._manifest.pipelines if probes else ():
            yield await self._probe(pipeline)

    def _answered(self, refusal: Failure | None) -> Iterator[Check]:
        """What the first answer says, or its absence: of the endpoint, the clock and the credentials."""
        connection = self._connection
        if refusal is not None and not refusal.http:
            yield _refused("endpoint", connection.endpoint, refusal)
            return
        secured = ", its certificate is verified" if self._settings.endpoint.startswith("https://") else ""
        yield Check("endpoint", "ok", f"{connection.endpoint} answers{secured}")
        seconds = connection.clock.offset.total_seconds()
        if seconds:
            side = "behind" if seconds > 0 else "ahead of"
            said = f"this machine is {abs(seconds):.0f} s {side} the service, which the worker corrects"
            yield Check("clock", "note", said, "set the clock: other programs do not correct theirs")
        else:
            yield Check("clock", "ok", "agrees with the service's to 2 s")
        if refusal is not None and refusal.code in CREDENTIAL_CODES:
            yield _refused("credentials", connection.credentials_source, refusal, no_right=True)
        else:
            yield Check("credentials", "ok", f"{connection.credentials_source}: accepted")

    async def _results(self) -> Check:
        store = open_store(self._settings, self._manifest.job, self._connection)
        try:
            left = await probe_store(store, Patience(_STORE_PATIENCE_S, time.monotonic, asyncio.sleep))
        except TakenError as error:
            said = f"{error} is not what this check has written there"
            return Check("results", "wrong", said, "move it away, or set `results` to another place")
        except (StoreError, ResultsError) as error:
            said, _, mend = str(error).partition(_MEND)
            return Check("results", "wrong", said, mend, no_right="AccessDenied" in said)
        except WorkerError as error:
            return _wrong("results", error)
        done = f"{self._settings.results} can be listed, written and read"
        if left is None:
            return Check("results", "ok", done)
        reason = str(left).partition(_MEND)[0]
        mend = "allow oss:DeleteObject below the prefix of the results, which `compact` and `prune` need"
        return Check("results", "note", f"{done}; {store.path(PROBE)} stays there: {reason}", mend)

    async def _bucket(self, bucket: str, place: Place) -> Check:
        expected = expectation(self._manifest, self._settings, self._connection)
        try:
            notes = await first_contact(self._connection.sender, {bucket: place}, expected)
        except WorkerError as error:
            return _wrong("bucket", error)
        if notes:
            note, separator, mend = notes[0].partition("; allow ")
            return Check("bucket", "note", note, f"allow {mend}" if separator else "")
        return Check("bucket", "ok", f"{bucket} is there, in {expected.site_of(bucket).region}")

    async def _style(self, style: NamedStyle) -> tuple[Check, str]:
        verdict = (await self._call(get_style(style.bucket, style.name), judge_style)).verdict
        if not isinstance(verdict, Failure):
            return Check("style", "ok", f"{style.name} of bucket {style.bucket} is {verdict}"), verdict
        no_right = verdict.code == "AccessDenied"
        # Who may not read a style may all the same process pictures by it.
        status: Status = "note" if no_right and not style.follows else "wrong"
        said = unreadable_style(style, verdict)
        return Check("style", status, f"{style.place}: {said}", style_mend(style, verdict), no_right), ""

    async def _entry(self, entry: Source, manifest: Manifest) -> AsyncGenerator[Check, None]:
        """Whether an entry selects something, by its first page of a listing, and whether that can be read."""
        if is_standard_input(entry):
            yield Check("source", "note", f"{entry.place}: standard input is not read here")
            return
        first_page = _FirstPage(asker(self._connection))
        only = replace(manifest, sources=(entry,))
        selected: SourceObject | None = None
        try:
            with Files(asker(self._connection)) as files:
                enumeration = Enumeration(only, Shard(0, 1), first_page.ask, files, own_targets(manifest))
                async with aclosing(enumeration.planned()) as sources:
                    async for source, _ in sources:
                        if isinstance(source, SourceObject):
                            selected = source
                            break
        except WorkerError as error:
            yield _wrong("source", error)
            return
        if selected is not None:
            yield await self._source(entry, selected)
        elif first_page.more:
            said = f"{entry.place}: nothing among the first {enumeration.listed:,} objects is selected"
            yield Check("source", "note", said, "see what `oss-saveas plan` counts")
        elif entry.empty == "fail":
            said = f"{entry.place}: nothing is selected, of {enumeration.listed:,} objects"
            yield Check("source", "wrong", said, "correct the entry, or say `empty: ok`")
        else:
            yield Check("source", "ok", f"{entry.place}: nothing is selected, which may be")

    async def _source(self, entry: Source, source: SourceObject) -> Check:
        named = ObjectRef(source.bucket, source.key)
        verdict = (await self._call(head_object(named), judge_head)).verdict
        if not isinstance(verdict, Failure):
            self._readable = self._readable or msgspec.structs.replace(source, size=verdict.size)
            return Check("source", "ok", f"{entry.place}: selects {named}, which can be read")
        if verdict.code == "NoSuchKey":
            return Check("source", "note", f"{entry.place}: {named} does not exist", "a run counts it as failed")
        mend = f"allow oss:GetObject on acs:oss:*:*:{source.bucket}/*" if verdict.code == "AccessDenied" else ""
        return _refused("source", f"{entry.place}: {named}", verdict, mend)

    async def _probe(self, pipeline: Pipeline) -> Check:
        source = self._readable
        if source is None:
            return Check("probe", "note", f"{pipeline.name}: there is no source that could be read")
        try:
            process, target = pipeline.render(self._manifest.job, source)
        except BadValue as error:
            return Check("probe", "note", f"{pipeline.name}: {source.place} is a bad row: {error}")
        prefix = f"{literal_target_prefix(self._manifest, pipeline)}{_SCRATCH}"
        scratch = ObjectRef(target.bucket, f"{prefix}{secrets.token_hex(16)}")
        named = ObjectRef(source.bucket, source.key)
        saver = self._relay if pipeline.save == "relay" else self._saveas
        result = await probe(self._connection.sender, saver, named, source.size, process, scratch)
        ours = f"acs:oss:*:*:{target.bucket}/{prefix}*"
        if result.left is not None:
            mend = f"delete it; allow oss:DeleteObject on {ours}, which only --probe needs"
            return _refused("probe", f"{pipeline.name}: {scratch} may still be there", result.left, mend)
        if result.refused is not None:
            mend = f"allow oss:GetObject on {ours}, which only --probe needs" if result.unasked else ""
            return _refused("probe", f"{pipeline.name}: {named} was not saved", result.refused, mend)
        kept = ", and deleted; the bucket keeps it as a version" if result.kept else ", and deleted"
        return Check("probe", "ok", f"{pipeline.name}: {named} was saved as {scratch}{kept}")


class _FirstPage:
    """Asks for the first page of a listing and takes it for the whole. `more`: it was not."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.more = False

    async def ask(self, request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        verdict = await self._ask(request, judge)
        if not isinstance(verdict, Listing):
            return verdict
        self.more = bool(verdict.next_token)
        return cast("T", replace(verdict, next_token=""))


def _results(results: str, job: str) -> Check:
    reason = unwritable_reason(Path(results) / job)
    if reason is None:
        return Check("results", "ok", f"{results} can be written")
    return Check("results", "wrong", f"{results} cannot be written: {reason}", "make it writable, or set `results`")


def _wrong(name: str, error: WorkerError) -> Check:
    said, _, mend = str(error).partition(_MEND)
    if isinstance(error, UsageError):
        problem = error.problems[0]
        place = f"{problem.file}:{problem.line}:{problem.column}: " if problem.line else ""
        said, mend = f"{place}{problem.reason}", problem.mend
    return Check(name, "wrong", said, mend, isinstance(error, AccessError))


def _refused(name: str, what: str, refusal: Failure, mend: str = "", *, no_right: bool = False) -> Check:
    known = CODES.get(refusal.code)
    said = f"{what}: {refusal.code}: {refusal.message}"
    no_right = no_right or refusal.code == "AccessDenied"
    return Check(name, "wrong", said, mend or (known.mend if known else ""), no_right)
