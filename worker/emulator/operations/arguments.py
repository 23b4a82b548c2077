"""Reading the arguments of an operation."""

import re
from collections.abc import Callable, Mapping

from worker.emulator import refusals
from worker.oss.encoding import percent


def integer(query: Mapping[str, str], name: str, *, low: int, high: int, default: int) -> int:
    """A whole number from `low` to `high`, the default where it is not given."""
    value = query.get(name, "")
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not low <= int(value) <= high:
        message = f"Argument {name} must be an integer between {low} and {high}."
        raise refusals.invalid_argument(name, value, message)
    return int(value)


def encoder(query: Mapping[str, str]) -> Callable[[str], str]:
    """How names are written into an answer: `percent` where `encoding-type=url` asks for it, else as they are."""
    encoding = query.get("encoding-type", "")
    if encoding not in ("", "url"):
        raise refusals.invalid_argument("encoding-type", encoding, "Invalid Encoding Method specified in Request.")
    return percent if encoding else str
