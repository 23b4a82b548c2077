"""How a command ends: its exit code, what it says, and the line that it leaves for Kubernetes."""

import json
from contextlib import suppress
from pathlib import Path

from worker.errors import CollisionError, Exit, UsageError, WorkerError
from worker.signals import ignore_signals
from worker.summary import OUTCOMES
from worker.telemetry.output import complain, print_json

_TERMINATION_LOG = Path("/dev/termination-log")


def tell(error: WorkerError, *, as_json: bool) -> None:
    """Tell of an error that ends a command."""
    if isinstance(error, UsageError):
        complain(str(error))
    elif error.exit_code is not Exit.UNEXPECTED:
        complain(f"error: {error}")
    ending = ending_by(error)
    leave_word(ending)
    if as_json:
        print_json(ending)


def ending_by(error: WorkerError) -> dict[str, object]:
    """What is left of a command that an error ends."""
    ending: dict[str, object] = {
        "schema": 1,
        "outcome": OUTCOMES[error.exit_code],
        "exit": int(error.exit_code),
        "first_error": {"message": str(error)},
    }
    if isinstance(error, CollisionError):
        ending["collides"] = error.collides
    return ending


def leave_word(ending: dict[str, object]) -> None:
    """Tell Kubernetes how it ended, in one line, where it asks for it. From here on no signal makes it another end."""
    ignore_signals()
    if _TERMINATION_LOG.exists():
        with suppress(OSError):
            _TERMINATION_LOG.write_text(json.dumps(ending) + "\n")
