"""The command line: the commands, and how they end.

Each command imports what it needs when it is called: `--help` and a wrong option do not wait for an HTTP client.
"""

import asyncio
import difflib
import gc
import json
import logging
import os
import secrets
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop
from typer.exceptions import TyperException

from worker import arguments
from worker.errors import CollisionError, Exit, Problem, UnknownError, UsageError, WorkerError
from worker.oss.codes import CODES
from worker.summary import OUTCOMES, Snapshot, Summary
from worker.telemetry.explanation import explanation
from worker.telemetry.logs import LOGGER, set_up_logs
from worker.telemetry.output import complain, open_standard_streams, print_json, print_text

if TYPE_CHECKING:
    from worker.batch.manifest import Manifest
    from worker.run import RunOptions
    from worker.settings import Settings

_DEFAULT_CONFIG = Path("config.yaml")
_TERMINATION_LOG = Path("/dev/termination-log")

app = typer.Typer(
    name="oss-saveas",
    help="Process images on Alibaba Cloud OSS and save the results as new objects, by the million.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job's name, as in its manifest.")]
ManifestPath = Annotated[Path, typer.Argument(metavar="MANIFEST", help="The job's manifest.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; ./config.yaml if there is one.")]
Endpoint = Annotated[str | None, typer.Option(help="`local`, or the URL of an endpoint.")]
Region = Annotated[str | None, typer.Option(help="Region of the buckets, such as cn-hangzhou.")]
Results = Annotated[str | None, typer.Option(help="Where the results logs are: a directory, or oss://bucket/prefix.")]
ShardOf = Annotated[str, typer.Option("--shard", metavar="I/N", help="Do part I of N, counted from 0.")]
Rate = Annotated[str | None, typer.Option(help="Requests per second.")]
Concurrency = Annotated[str | None, typer.Option(help="Tasks in flight.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Send at most this many tasks.")]
MaxTasks = Annotated[int | None, typer.Option(min=0, help="Refuse a plan with more tasks.")]
MaxDuration = Annotated[str | None, typer.Option(help="Stop after this time, such as 45m or 2h.")]
Redo = Annotated[bool, typer.Option("--redo", help="Send what is saved already, too.")]
Ok = Annotated[str, typer.Option(metavar="CODES", help="Exit codes to end with 0 instead, such as 3,5.")]
Progress = Annotated[arguments.Form, typer.Option(help="How progress is shown.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, nothing else.")]


@app.command()
def run(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = "0/1",
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
    options = _run_options(shard, limit, max_tasks, max_duration, redo=redo)
    return _run_to_its_end(manifest, _settings(config, flags), options, ok, progress, as_json=as_json)


@app.command()
def retry(
    manifest: ManifestPath,
    code: Annotated[str, typer.Option(metavar="CODES", help="Only what failed with these, such as Timeout.")] = "",
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = "0/1",
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
    options = replace(_run_options(shard, limit, max_tasks, max_duration, redo=redo), retry=True, codes=codes)
    return _run_to_its_end(manifest, _settings(config, flags), options, ok, progress, as_json=as_json)


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
    shard: str, limit: int | None, max_tasks: int | None, max_duration: str | None, *, redo: bool
) -> "RunOptions":
    from worker.run import RunOptions

    part = arguments.shard(shard)
    return RunOptions(
        run=arguments.run_name(os.environ, datetime.now(UTC)),
        proc=secrets.token_hex(4),
        shard=part,
        parallelism=arguments.parallelism(os.environ, part),
        limit=limit,
        max_tasks=max_tasks,
        max_duration_s=arguments.seconds(max_duration),
        redo=redo,
    )


def _run_to_its_end(
    manifest: Path, settings: "Settings", options: "RunOptions", ok: str, progress: arguments.Form, *, as_json: bool
) -> int:
    from worker.run import run_job
    from worker.telemetry.ending import describe_ending
    from worker.telemetry.progress import show_progress

    accepted = arguments.exit_codes(ok)
    job = _manifest(manifest, datetime.now(UTC))

    def observe(snapshot: Callable[[], Snapshot]) -> AbstractAsyncContextManager[None]:
        return show_progress(progress, snapshot)

    _look_for_garbage_seldom()
    try:
        summary = uvloop.run(run_job(job, settings, options, os.environ, observe, _log))
    except WorkerError as error:
        if error.exit_code not in accepted:
            raise
        _fail(error, as_json=as_json)
        return Exit.OK
    _leave_word(_short(summary))
    if as_json:
        print_json(summary.document())
    else:
        place = f"{settings.results.rstrip('/')}/{job.job}/{options.run}"
        print_text(describe_ending(summary, place, _local_folders(settings, job)))
    return Exit.OK if summary.exit in accepted else summary.exit


@app.command()
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
    settings = _settings(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = _manifest(manifest, now)
    found = uvloop.run(verify_job(job, settings, arguments.run_name(os.environ, now), os.environ, _log))
    _leave_word({name: value for name, value in found.document().items() if name not in {"samples", "notes"}})
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_verification(found))
    return found.exit


@app.command()
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

    settings = _settings(config, {"--results": results})
    found = uvloop.run(status_of(settings, arguments.job(job), os.environ, _log, every=every))
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_status(found))
    return found.exit


@app.command()
def plan(
    manifest: ManifestPath,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    shard: ShardOf = "0/1",
    as_json: Json = False,
) -> int:
    """Show what a run would do, by outcome, without doing it: only GET and HEAD are sent."""
    from worker.forecast import forecast
    from worker.telemetry.forecast import describe_forecast

    settings = _settings(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = _manifest(manifest, datetime.now(UTC))
    part = arguments.shard(shard)
    found = uvloop.run(forecast(job, settings, part, arguments.parallelism(os.environ, part), os.environ, _log))
    found = replace(found, notes=[*found.notes, *(problem.brief for problem in job.advice)])
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_forecast(found))
    return Exit.NOTHING_SELECTED if found.empty else Exit.OK


@app.command()
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

    settings = _settings(config, {"--endpoint": endpoint, "--region": region, "--results": results})
    job = _manifest(manifest, datetime.now(UTC))
    found = uvloop.run(preflight(job, settings, os.environ, _log, probes=probe))
    if as_json:
        print_json(found.document())
    else:
        print_text(describe_preflight(found))
    return found.exit


@app.command()
def policy(manifest: ManifestPath, config: Config = None, results: Results = None, as_json: Json = False) -> int:
    """Print the least-privilege RAM policy of a job, worked out offline. It is JSON, with or without --json."""
    from worker.permissions import permissions

    del as_json
    found, now = _settings_file(config), datetime.now(UTC)
    # Where nothing says otherwise the endpoint does not matter: nobody is asked.
    anywhere = None if found or "OSS_SAVEAS_ENDPOINT" in os.environ else "local"
    settings = _settings(config, {"--endpoint": anywhere, "--results": results})
    job = _manifest(manifest, now)
    can_look = settings.addressing != "cname"
    print_json(uvloop.run(permissions(job, results=settings.results, can_look=can_look)))
    return Exit.OK


@app.command()
def validate(manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...")], as_json: Json = False) -> int:
    """Check manifests and the files they name, without asking the service; tells all problems at once, and advice."""
    from worker.planning import with_files

    now = datetime.now(UTC)
    problems: list[str] = []
    warnings: list[str] = []
    for path in manifests:
        try:
            warnings += map(str, with_files(_manifest(path, now)).advice)
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


@app.command()
def init(directory: Annotated[Path, typer.Argument(metavar="[DIRECTORY]", help="Where to.")] = Path()) -> int:
    """Write a commented manifest, job.yaml, and its settings, config.yaml. Nothing is overwritten."""
    from worker.starter import write_starter

    written = write_starter(directory)
    place = "" if directory == Path() else f"cd {shlex.quote(str(directory))} && "
    print_text("\n".join([*(f"wrote {path}" for path in written), f"next: {place}oss-saveas run {written[0].name}"]))
    return Exit.OK


@app.command()
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

    settings = _settings(config, {"--results": results})
    done = uvloop.run(compact_job(settings, arguments.job(job), quarantine, os.environ, _log))
    if as_json:
        print_json(done.document())
    else:
        print_text(describe_compaction(done))
    return Exit.OK


@app.command()
def prune(
    job: JobName,
    keep_days: Annotated[int, typer.Option(min=1, help="Keep the segments of runs that were written to since.")],
    config: Config = None,
    results: Results = None,
    as_json: Json = False,
) -> int:
    """Delete the segments of old runs, which a checkpoint covers; the newest run stays, and so do all summaries."""
    from worker.telemetry.upkeep import describe_pruning
    from worker.upkeep import prune_job

    settings = _settings(config, {"--results": results})
    done = uvloop.run(prune_job(settings, arguments.job(job), keep_days, os.environ, _log))
    if as_json:
        print_json(done.document())
    else:
        print_text(describe_pruning(done))
    return Exit.OK


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any.")] = 0,
    root: Annotated[Path, typer.Option(help="Folder of the buckets.")] = Path("local-oss"),
    memory: Annotated[bool, typer.Option("--memory", help="Keep everything in memory instead.")] = False,
    access_key_id: Annotated[str, typer.Option(envvar="OSS_ACCESS_KEY_ID", help="The key that may do all.")] = "",
    access_key_secret: Annotated[str, typer.Option(envvar="OSS_ACCESS_KEY_SECRET", help="Its secret.")] = "",
    region: Annotated[str, typer.Option(help="Region of buckets that are in no other.")] = "cn-hangzhou",
    policies: Annotated[Path | None, typer.Option(help="Further access keys, and what each may do.")] = None,
    faults: Annotated[Path | None, typer.Option(help="What goes wrong on purpose.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask nobody for a signature.")] = False,
) -> int:
    """Serve the local OSS: checks signatures, really processes pictures. Ends with SIGTERM or SIGINT."""
    from worker.emulator.app import ServeOptions
    from worker.emulator.app import serve as serve_local_oss

    set_up_logs("auto", "info")
    options = ServeOptions(
        root=None if memory else root,
        host=host,
        port=port,
        region=region,
        access_key_id=access_key_id,
        access_key_secret=access_key_secret,
        auth=not no_auth,
        policies=policies,
        faults=faults,
    )

    async def serve_until_signal() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        # A task, not a coroutine, which would be left without anybody who awaits it where serving fails.
        until = loop.create_task(ended.wait())
        await serve_local_oss(options, ready=lambda url: print_text(f"listening on {url}"), until=until)

    uvloop.run(serve_until_signal())
    return Exit.OK


@app.command()
def explain(code: Annotated[str, typer.Argument(metavar="CODE")], as_json: Json = False) -> int:
    """Explain an error code of OSS or of the worker, or an exit code: its cause and its mend."""
    found = explanation(code)
    if found is None:
        near = difflib.get_close_matches(code, CODES, n=1)
        mend = f"\n    mend: did you mean {near[0]}?" if near else ""
        message = f"nothing is known about {code!r}{mend}"
        raise UnknownError(message)
    if as_json:
        print_json({"schema": 1, **asdict(found)})
    else:
        print_text(str(found))
    return Exit.OK


def main() -> None:
    """Run a command and exit with its code."""
    open_standard_streams()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_interrupted)  # until a command has a better way to end
    sys.exit(int(_run_command(sys.argv[1:])))


def _exit_interrupted(_number: int, _frame: object) -> None:
    sys.exit(int(Exit.INTERRUPTED))


def _run_command(args: list[str]) -> int:
    ended: WorkerError
    try:
        result = typer.main.get_command(app).main(args, prog_name="oss-saveas", standalone_mode=False)
    except TyperException as error:
        # Typer's own code for these would be 2.
        ended = UsageError(error.format_message(), "see `oss-saveas --help`")
    except WorkerError as error:
        ended = error
    except Exception as error:  # noqa: BLE001 - the last resort: a bug, told as one, with its exit code
        traceback.print_exception(error)
        complain("error: this is a bug in oss-saveas: please report it with the lines above; running again is safe")
        ended = WorkerError(f"{type(error).__name__}: {error}")
    else:
        return int(result or 0)
    _fail(ended, as_json="--json" in args)
    return ended.exit_code


def _fail(error: WorkerError, *, as_json: bool) -> None:
    if isinstance(error, UsageError):
        complain(str(error))
    elif error.exit_code is not Exit.UNEXPECTED:
        complain(f"error: {error}")
    ending: dict[str, object] = {
        "schema": 1,
        "outcome": OUTCOMES[error.exit_code],
        "exit": int(error.exit_code),
        "first_error": {"message": str(error)},
    }
    if isinstance(error, CollisionError):
        ending["collides"] = error.collides
    _leave_word(ending)
    if as_json:
        print_json(ending)


def _settings(config: Path | None, flags: dict[str, str | None]) -> "Settings":
    from worker.settings.loading import load_settings

    path = _settings_file(config)
    text = None if path is None else _read(path)
    settings, warnings = load_settings(text, str(path or _DEFAULT_CONFIG), os.environ, flags)
    set_up_logs(settings.log.format, settings.log.level)
    for warning in warnings:
        _log(warning, level=logging.WARNING)
    return settings


def _settings_file(config: Path | None) -> Path | None:
    """The settings file: one that is named has to be there."""
    path = config or Path(os.environ.get("OSS_SAVEAS_CONFIG") or _DEFAULT_CONFIG)
    wanted = config is not None or "OSS_SAVEAS_CONFIG" in os.environ
    return path if wanted or path.exists() else None


def _look_for_garbage_seldom() -> None:
    # What there is now stays to the end. Of a task little is left that only the collector finds, and looking for it
    # every 700 objects took a twentieth of the time (bench/README.md).
    gc.freeze()
    gc.set_threshold(5000)


def _local_folders(settings: "Settings", job: "Manifest") -> list[str]:
    """Where a person can open what a local run saved; nothing for the service itself."""
    if settings.endpoint != "local":
        return []
    buckets = {pipeline.target_bucket or job.bucket for pipeline in job.pipelines}
    return [str(Path(settings.local.root) / bucket) for bucket in sorted(buckets)]


def _manifest(path: Path, now: datetime) -> "Manifest":
    from worker.batch.reader import parse_manifest

    return parse_manifest(_read(path), str(path), now)


def _read(path: Path) -> str:
    from worker.batch import document

    try:
        with path.open("rb") as file:
            data = file.read(document.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", "check the path", str(path))) from error
    return document.decode(data, str(path))


def _log(message: str, level: int = logging.INFO, **fields: object) -> None:
    logging.getLogger(LOGGER).log(level, message, extra=fields)


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


def _leave_word(ending: dict[str, object]) -> None:
    """Tell Kubernetes how it ended, in one line, where it asks for it."""
    if _TERMINATION_LOG.exists():
        with suppress(OSError):
            _TERMINATION_LOG.write_text(json.dumps(ending) + "\n")
