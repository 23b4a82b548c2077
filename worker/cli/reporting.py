"""What a run was like: `report`."""

import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from worker import arguments
from worker.cli.inputs import log, settings_of
from worker.cli.options import Config, Endpoint, JobName, Json, Region, Results
from worker.errors import Exit, UsageError
from worker.telemetry.output import print_json, print_text

_PAIRS, _MOST_PAIRS = 24, 60


def report(
    job: JobName,
    html: Annotated[
        Path | None, typer.Option(help="Where the page goes; JOB-report.html where nothing else is asked for.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all failures of the run as CSV.")] = None,
    run: Annotated[str | None, typer.Option(help="The run to report on; the newest.")] = None,
    against: Annotated[str | None, typer.Option(metavar="RUN", help="Tell what got worse since another run.")] = None,
    embed: Annotated[
        int, typer.Option(min=0, max=_MOST_PAIRS, metavar="N", help="Pairs of pictures on the page; 0 asks nobody.")
    ] = _PAIRS,
    config: Config = None,
    endpoint: Endpoint = None,
    region: Region = None,
    results: Results = None,
    as_json: Json = False,
) -> int:
    """Tell what a run was like: a page to open, its failures as CSV, all figures as JSON."""
    from worker.report.document import document
    from worker.reporting import Wanted, report_job
    from worker.telemetry.report import describe_report

    if html is not None and csv is not None and html.resolve() == csv.resolve():
        raise UsageError(f"--html and --csv name one file, {str(html)!r}", "name two: one would overwrite the other")
    if html is None and csv is None and not as_json:
        html = Path(f"{arguments.job(job)}-report.html")
    pairs = embed if html else 0
    flags = {"--endpoint": endpoint, "--region": region, "--results": results}
    settings = settings_of(config, flags, asks="service" if pairs else "results")
    wanted = Wanted(run, against, html, csv, pairs)
    found = uvloop.run(report_job(settings, arguments.job(job), wanted, os.environ, log))
    if as_json:
        print_json(document(found))
    else:
        worse = None if found.comparison is None else found.comparison.regressions
        written = [path for path in (html, csv) if path]
        print_text(describe_report(found.run.run, found.headline, found.ending.mend, worse, written))
    return Exit.OK
