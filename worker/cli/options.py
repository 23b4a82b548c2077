"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from worker import arguments

JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job's name, as in its manifest.")]
ManifestPath = Annotated[Path, typer.Argument(metavar="MANIFEST", help="The job's manifest.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; ./config.yaml if there is one.")]
Endpoint = Annotated[str | None, typer.Option(help="`local`, or the URL of an endpoint.")]
Region = Annotated[str | None, typer.Option(help="Region of the buckets, such as cn-hangzhou.")]
Results = Annotated[str | None, typer.Option(help="Where the results logs are: a directory, or oss://bucket/prefix.")]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Do part I of N, counted from 0; all of it, or what an Indexed Job says."
    ),
]
Processes = Annotated[str, typer.Option(metavar="P", help="Share the work among P processes; `auto`: one a core.")]
Rate = Annotated[str | None, typer.Option(help="Requests per second.")]
Concurrency = Annotated[str | None, typer.Option(help="Tasks in flight.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Send at most this many tasks.")]
MaxTasks = Annotated[int | None, typer.Option(min=0, help="Refuse a plan with more tasks.")]
MaxDuration = Annotated[str | None, typer.Option(help="Stop after this time, such as 45m or 2h.")]
Redo = Annotated[bool, typer.Option("--redo", help="Send what is saved already, too.")]
Ok = Annotated[str, typer.Option(metavar="CODES", help="Exit codes to end with 0 instead, such as 3,5.")]
Progress = Annotated[arguments.Form, typer.Option(help="How progress is shown.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output, nothing else.")]
