"""`explain`: codes in words."""

import difflib
from dataclasses import asdict
from typing import Annotated

import typer

from worker.cli.options import Json
from worker.errors import Exit, UnknownError
from worker.oss.codes import CODES
from worker.telemetry.explanation import explanation
from worker.telemetry.output import print_json, print_text


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
