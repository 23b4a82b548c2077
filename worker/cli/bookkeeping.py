"""What was recorded: `verify`, `status`, `compact` and `prune`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from worker import arguments
from worker.cli.ending import leave_word
from worker.cli.inputs import log, manifest_at, settings_of
from worker.cli.options import Config, Endpoint, JobName, Json, ManifestPath, Region, Results
from worker.errors import Exit
from worker.telemetry.output import print_json, print_text


def verify(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    as_json: Json = False,
) -> int:
    """Look whether recorded targets are still there as recorded; the next run mends what is missing or altered."""
    from worker.telemetry.verification import describe_verification
    from worker.verification import verify_job

    now = datetime.now(UTC)
    settings = settings_of(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = manifest_at(manifest, now)
    found = uvloop.run(verify_job(job, settings, arguments.run_name(os.environ, now), os.environ, log))
    leave_word({name: value for name, value in found.document().items() if name not in {"samples", "notes"}})
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_verification(found))
    return found.exit


def status(
    job: JobName,
    config: Config = None,
    results: Results = None,
    every: Annotated[bool, typer.Option("--all", help="List all runs of the job.")] = False,
    as_json: Json = False,
) -> int:
    """Tell how the newest run of a job stands: its shards, its counts, and what is unfinished or missing."""
    from worker.status import status_of
    from worker.telemetry.status import describe_status

    settings = settings_of(config, {"--results": results}, asks="results")
    found = uvloop.run(status_of(settings, arguments.job(job), os.environ, log, every=every))
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_status(found))
    return found.exit


def compact(
    job: JobName,
    config: Config = None,
    results: Results = None,
    quarantine: Annotated[Path | None, typer.Option(help="Where lines go that are none and stand in the way.")] = None,
    as_json: Json = False,
) -> int:
    """Write a checkpoint of a job's results, which makes reading them quick; nothing is deleted but old checkpoints."""
    from worker.telemetry.upkeep import describe_compaction
    from worker.upkeep import compact_job

    settings = settings_of(config, {"--results": results}, asks="results")
    done = uvloop.run(compact_job(settings, arguments.job(job), quarantine, os.environ, log))
    if as_json:
        print_json(done.document())
    else:
        print_text(describe_compaction(done))
    return Exit.OK


def prune(
    job: JobName,
    keep_days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Keep the segments of runs that were written to since.")
    ],
    config: Config = None,
    results: Results = None,
    as_json: Json = False,
) -> int:
    """Delete the segments of old runs, which a checkpoint covers; the newest run stays, and so do all summaries."""
    from worker.telemetry.upkeep import describe_pruning
    from worker.upkeep import prune_job

    settings = settings_of(config, {"--results": results}, asks="results")
    done = uvloop.run(prune_job(settings, arguments.job(job), keep_days, os.environ, log))
    if as_json:
        print_json(done.document())
    else:
        print_text(describe_pruning(done))
    return Exit.OK
