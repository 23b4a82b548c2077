"""The entry: runs a command, and exits with its code."""

import signal
import sys
import traceback
from contextlib import suppress

import typer
from typer.exceptions import TyperException

from worker.cli.bookkeeping import compact, prune, status, verify
from worker.cli.ending import tell
from worker.cli.explaining import explain
from worker.cli.preparing import check, init, plan, policy, url, validate
from worker.cli.reporting import report
from worker.cli.running import retry, run
from worker.cli.serving import serve
from worker.errors import StopSignalError, UsageError, WorkerError
from worker.signals import NUMBERS, ignore_signals
from worker.telemetry.output import complain, open_standard_streams

app = typer.Typer(
    name="oss-saveas",
    help="Process images on Alibaba Cloud OSS and save the results as new objects, by the million.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS = (
    run,
    retry,
    verify,
    status,
    report,
    plan,
    check,
    policy,
    url,
    validate,
    init,
    compact,
    prune,
    serve,
    explain,
)
for command in _COMMANDS:
    app.command()(command)


def main() -> None:
    """Run a command and exit with its code."""
    open_standard_streams()
    for number in NUMBERS:
        signal.signal(number, _exit_interrupted)  # until a command has a better way to end
    sys.exit(int(_run_command(sys.argv[1:])))


def _exit_interrupted(_number: int, _frame: object) -> None:
    ignore_signals()
    error = StopSignalError("a signal came before there was anything to tell")
    with suppress(RuntimeError):  # it came in the midst of something that was being told
        tell(error, as_json="--json" in sys.argv[1:])
    sys.exit(int(error.exit_code))


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
    tell(ended, as_json="--json" in args)
    return ended.exit_code
