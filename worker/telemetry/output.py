"""Output: the two standard streams, whatever became of them."""

import io
import json
import os
import sys
from contextlib import suppress

from worker.escape import escape, escape_json


def open_standard_streams() -> None:
    """Stand-ins for closed streams, whose numbers the next file would take; and no text that cannot be told."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - a descriptor, open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(text: str) -> None:
    """Tell trouble on standard error; what came from outside cannot move the cursor."""
    with suppress(OSError):  # nobody hears it: the exit code still tells
        print("\n".join(escape(line) for line in text.split("\n")), file=sys.stderr)  # noqa: T201 - this module's work


def print_text(text: str) -> None:
    """Print for who reads standard output, if anybody does."""
    try:
        print(text, flush=True)  # noqa: T201 - likewise
    except OSError:
        # Who read our output has gone, which changes nothing of what was done. Nothing more may go into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(found: dict[str, object]) -> None:
    """Print one JSON object, in plain ASCII where the terminal's encoding may lack a letter; it may be a terminal."""
    print_text(escape_json(json.dumps(found, ensure_ascii=sys.stdout.encoding.lower() != "utf-8", indent=2)))
