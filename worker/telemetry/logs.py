"""Logs on standard error: text for people, JSON lines for machines, by Python's own logging."""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from typing import Literal, TextIO

from worker.escape import escape

LOGGER = "oss_saveas"
# What every LogRecord has; the rest was given as `extra` and belongs into the line.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NO_WORD = re.compile(r'[\s"=]|^$')


def set_up_logs(form: Literal["auto", "text", "json"], level: str) -> None:
    """Send the program's log to standard error; `auto` is text on a terminal and JSON elsewhere."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logger = logging.getLogger(LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


@contextmanager
def logs_to(stream: TextIO) -> Iterator[None]:
    """Within, the program's log goes to this stream, and so does whatever else is written to standard error."""
    handlers = [each for each in logging.getLogger(LOGGER).handlers if isinstance(each, logging.StreamHandler)]
    before = [(each, each.setStream(stream)) for each in handlers]
    try:
        with redirect_stderr(stream):
            yield
    finally:
        for handler, its_own in before:
            handler.setStream(its_own or sys.stderr)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"at": at, "level": record.levelname.lower(), "message": record.getMessage(), **_fields(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={_word(value)}" for name, value in _flat("", _fields(record)))
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")  # noqa: DTZ006 - local time is meant
        line = escape(f"{at} {record.levelname.lower():7} {record.getMessage()} {fields}".rstrip())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Fields within fields by names with dots, as people write them of the results log: `source.key`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _flat(f"{prefix}.{number}", inner)
    else:
        yield prefix, value


def _word(value: object) -> str:
    """A value that cannot be taken for several fields."""
    text = str(value)
    return f'"{text.replace(chr(34), chr(92) + chr(34))}"' if _NO_WORD.search(text) else text
