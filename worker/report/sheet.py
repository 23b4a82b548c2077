"""The failures of a run as CSV, safe to be opened by a spreadsheet."""

import csv
from typing import TextIO

from worker.batch.record import Record
from worker.escape import escape

COLUMNS = (
    "at",
    "pipeline",
    "code",
    "http",
    "permanent",
    "message",
    "source_bucket",
    "source_key",
    "source_size",
    "target_bucket",
    "target_key",
    "attempts",
    "duration_ms",
    "request_id",
    "process",
)
# What spreadsheets take for the beginning of a formula: OWASP, "CSV Injection"; the last four are full-width.
_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def cell(value: object) -> str:
    """A value as a cell: on one line, and never a formula."""
    text = escape("" if value is None else str(value))
    # What is escaped begins with a backslash by now; so does nothing that a spreadsheet calculates.
    return f"'{text}" if text.startswith(_FORMULAS) else text


class Sheet:
    """Writes a line for each failure to an open file, beneath the names of the columns."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(COLUMNS)

    def add(self, line: Record) -> None:
        """Write a failure."""
        error, target = line.error, line.target
        row = (
            line.at,
            line.pipeline,
            error and error.code,
            error and error.http,
            error and str(error.permanent).lower(),
            error and error.message,
            line.source.bucket,
            line.source.key,
            line.source.size,
            target and target.bucket,
            target and target.key,
            line.attempts,
            line.duration_ms,
            line.request_id,
            line.process,
        )
        self._writer.writerow([cell(value) for value in row])
