"""What comes before a run: `init`, `validate`, `plan`, `check`, `policy` and `url`."""

import os
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from worker import arguments
from worker.cli.inputs import log, manifest_at, settings_of
from worker.cli.options import Config, Endpoint, Json, ManifestPath, Region, Results, ShardOf
from worker.errors import Exit, UsageError
from worker.telemetry.output import complain, print_json, print_text


def init(directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Where to.")] = Path()) -> int:
    """Write a commented manifest, job.yaml, and its settings, config.yaml. Nothing is overwritten."""
    from worker.starter import write_starter

    written = write_starter(directory)
    place = "" if directory == Path() else f"cd {shlex.quote(str(directory))} && "
    print_text("\n".join([*(f"wrote {path}" for path in written), f"next: {place}oss-saveas run {written[0].name}"]))
    return Exit.OK


def validate(manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...")], as_json: Json = False) -> int:
    """Check manifests and the files they name, without asking the service; tells all problems at once, and advice."""
    from worker.planning import with_files

    now = datetime.now(UTC)
    problems: list[str] = []
    warnings: list[str] = []
    for path in manifests:
        try:
            warnings += map(str, with_files(manifest_at(path, now)).advice)
        except UsageError as error:
            problems += map(str, error.problems)
    if as_json:
        print_json({"schema": 1, "valid": not problems, "problems": problems, "warnings": warnings})
        return Exit.USAGE if problems else Exit.OK
    if problems or warnings:
        complain("\n".join([*problems, *warnings]))
    if not problems:
        print_text("\n".join(f"{path}: valid" for path in manifests))
    return Exit.USAGE if problems else Exit.OK


def plan(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = None,
    as_json: Json = False,
) -> int:
    """Show what a run would do, by outcome, without doing it: only GET and HEAD are sent."""
    from worker.forecast import forecast
    from worker.telemetry.forecast import describe_forecast

    settings = settings_of(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = manifest_at(manifest, datetime.now(UTC))
    part = arguments.shard(shard, os.environ)
    found = uvloop.run(forecast(job, settings, part, arguments.parallelism(os.environ, part), os.environ, log))
    found = replace(found, notes=[*found.notes, *(problem.brief for problem in job.advice)])
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_forecast(found))
    return Exit.NOTHING_SELECTED if found.empty else Exit.OK


def check(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Save one picture by each pipeline as a scratch object, and delete it.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Try what a run needs: endpoint, clock, credentials, buckets, styles, sources, results; a line each."""
    from worker.preflight import preflight
    from worker.telemetry.preflight import describe_preflight

    settings = settings_of(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = manifest_at(manifest, datetime.now(UTC))
    found = uvloop.run(preflight(job, settings, os.environ, log, probes=probe))
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_preflight(found))
    return found.exit


def policy(manifest: ManifestPath, config: Config = None, results: Results = None, as_json: Json = False) -> int:
    """Print the least-privilege RAM policy of a job, worked out offline. It is JSON, with or without --json."""
    from worker.permissions import permissions

    del as_json
    settings = settings_of(config, {"--results": results}, asks="nobody")
    job = manifest_at(manifest, datetime.now(UTC))
    can_look = settings.addressing != "cname"
    print_json(uvloop.run(permissions(job, results=settings.results, can_look=can_look)))
    return Exit.OK


def url(
    manifest: ManifestPath,
    key: Annotated[str, typer.Option(help="The source: its key, or oss://BUCKET/KEY.")],
    pipeline: Annotated[str | None, typer.Option(help="Processed by which pipeline, where there are several.")] = None,
    expires: Annotated[str, typer.Option(help="How long the URL is good for, such as 30m or 7d.")] = "1h",
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    as_json: Json = False,
) -> int:
    """Print the signed URL of a processed image, which is a secret: everybody who has it can get the image."""
    from worker.presigning import Link, presigned_url

    settings = settings_of(config, {"--endpoint": endpoint, "--region": region})
    job = manifest_at(manifest, datetime.now(UTC))
    link = Link(key, pipeline, arguments.seconds("--expires", expires))
    found = uvloop.run(presigned_url(job, settings, link, os.environ, log))
    if as_json:
        print_json({"schema": 1, "url": found})
    else:
        print_text(found)
    return Exit.OK
