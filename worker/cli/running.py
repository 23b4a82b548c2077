"""`run` and `retry`."""

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from worker import arguments
from worker.cli.ending import leave_word, tell
from worker.cli.inputs import log, manifest_at, settings_of
from worker.cli.options import (
    Concurrency,
    Config,
    Endpoint,
    Json,
    Limit,
    ManifestPath,
    MaxDuration,
    MaxTasks,
    Ok,
    Processes,
    Progress,
    Rate,
    Redo,
    Region,
    Results,
    ShardOf,
)
from worker.cores import usable_cores
from worker.errors import Exit, WorkerError
from worker.garbage import look_for_garbage_seldom
from worker.snapshot import Snapshot
from worker.summary import Summary
from worker.telemetry.output import print_json, print_text

if TYPE_CHECKING:
    from worker.batch.manifest import Manifest
    from worker.run import RunOptions
    from worker.settings import Settings


def run(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = None,
    processes: Processes = "1",
    rate: Rate = None,
    concurrency: Concurrency = None,
    limit: Limit = None,
    max_tasks: MaxTasks = None,
    max_duration: MaxDuration = None,
    redo: Redo = False,
    ok: Ok = "",
    progress: Progress = "auto",
    as_json: Json = False,
) -> int:
    """Run a job: every source through every pipeline. Resumes, and skips what is done, by itself."""
    flags = _run_flags(endpoint, region, results, rate, concurrency)
    options = _run_options(shard, processes, limit, max_tasks, max_duration, redo=redo)
    return _run_to_its_end(manifest, settings_of(config, flags), options, ok, progress, as_json=as_json)


def retry(
    manifest: ManifestPath,
    code: Annotated[str, typer.Option(metavar="CODES", help="Only what failed with these, such as Timeout.")] = "",
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = None,
    processes: Processes = "1",
    rate: Rate = None,
    concurrency: Concurrency = None,
    limit: Limit = None,
    max_tasks: MaxTasks = None,
    max_duration: MaxDuration = None,
    redo: Redo = False,
    ok: Ok = "",
    progress: Progress = "auto",
    as_json: Json = False,
) -> int:
    """Run only what has failed, for good or not: tasks for whose target the newest line is a failure."""
    flags = _run_flags(endpoint, region, results, rate, concurrency)
    codes = arguments.codes(code)
    options = replace(
        _run_options(shard, processes, limit, max_tasks, max_duration, redo=redo), retry=True, codes=codes
    )
    return _run_to_its_end(manifest, settings_of(config, flags), options, ok, progress, as_json=as_json)


def _run_flags(
    endpoint: str | None, region: str | None, results: str | None, rate: str | None, concurrency: str | None
) -> dict[str, str | None]:
    return {
        "--endpoint": endpoint,
        "--region": region,
        "--results": results,
        "--rate": rate,
        "--concurrency": concurrency,
    }


def _run_options(
    shard: str | None, processes: str, limit: int | None, max_tasks: int | None, max_duration: str | None, *, redo: bool
) -> "RunOptions":
    from worker.run import RunOptions

    part = arguments.shard(shard, os.environ)
    return RunOptions(
        run=arguments.run_name(os.environ, datetime.now(UTC)),
        proc=secrets.token_hex(4),
        shard=part,
        parallelism=arguments.parallelism(os.environ, part),
        processes=arguments.processes(processes, usable_cores),
        limit=limit,
        max_tasks=max_tasks,
        max_duration_s=None if max_duration is None else arguments.seconds("--max-duration", max_duration),
        redo=redo,
    )


def _run_to_its_end(
    manifest: Path, settings: "Settings", options: "RunOptions", ok: str, progress: arguments.Form, *, as_json: bool
) -> int:
    from worker.run import run_job
    from worker.telemetry.ending import describe_ending
    from worker.telemetry.progress import show_progress

    accepted = arguments.exit_codes(ok)
    job = manifest_at(manifest, datetime.now(UTC))

    @asynccontextmanager
    async def observe(snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if settings.metrics.port is not None:
                metrics = _metrics(settings.metrics.port, job.job, options, snapshot)
                try:
                    await stack.enter_async_context(metrics)
                except OSError as error:
                    # Nobody would want the night's work undone for want of a graph of it.
                    log(f"no metrics: port {settings.metrics.port}: {error.strerror}", logging.WARNING)
            await stack.enter_async_context(show_progress(progress, snapshot))
            yield

    look_for_garbage_seldom()
    try:
        summary = uvloop.run(run_job(job, settings, options, os.environ, observe, log))
    except WorkerError as error:
        if error.exit_code not in accepted:
            raise
        tell(error, as_json=as_json)
        return Exit.OK
    leave_word(_short(summary))
    if as_json:
        print_json(summary.document())
    else:
        place = f"{settings.results.rstrip('/')}/{job.job}/{options.run}"
        print_text(describe_ending(summary, place, _local_folders(settings, job)))
    if settings.metrics.pushgateway is not None:
        _push(settings.metrics.pushgateway, summary)
    return Exit.OK if summary.exit in accepted else summary.exit


def _metrics(
    port: int, job: str, options: "RunOptions", snapshot: Callable[[], Snapshot]
) -> AbstractAsyncContextManager[None]:
    from worker.telemetry.metrics import Subject, serve_metrics

    return serve_metrics(port, Subject(job, options.run, str(options.shard)), snapshot)


def _push(gateway: str, summary: Summary) -> None:
    from worker.telemetry.metrics import push_metrics

    try:
        push_metrics(gateway, summary)
    except OSError as error:
        # What was done is done, and recorded: who watches is missing one word of it.
        log(f"the Pushgateway was not told: {error}", logging.WARNING)


def _local_folders(settings: "Settings", job: "Manifest") -> list[str]:
    """Where a person can open what a local run saved; nothing for the service itself."""
    if settings.endpoint != "local":
        return []
    buckets = {pipeline.target_bucket or job.bucket for pipeline in job.pipelines}
    return [str(Path(settings.local.root) / bucket) for bucket in sorted(buckets)]


def _short(summary: Summary) -> dict[str, object]:
    names = (
        "outcome",
        "exit",
        "planned",
        "saved",
        "already_saved",
        "skipped",
        "failed",
        "not_attempted",
        "first_error",
    )
    found = summary.document()
    return {name: found[name] for name in names}
