"""Reading the sources of a list or a CSV file, row by row."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from worker.batch.entry import OBJECT_COLUMNS, STANDARD_INPUT, CsvSource, ListSource, columns_problem
from worker.batch.planner import BadSource, bad_source
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.oss.answer import normal_etag

_SIZE = re.compile(r"[0-9]{1,14}", re.ASCII)  # no object is larger than 48.8 TB (OSS, "Limits")
_BOM = b"\xef\xbb\xbf"


def rows_of_list(entry: ListSource) -> Iterator[SourceObject | BadSource]:
    """The keys of a list, one a line. The end of a line is LF or CR LF; nothing else is stripped from a key.

    Raises:
        UsageError: The file cannot be opened.
    """
    with _opened(entry) as lines:
        for number, line in enumerate(lines, 1):
            place = f"{entry.path}:{number}"
            data = line.removeprefix(_BOM) if number == 1 else line
            try:
                key = data.removesuffix(b"\n").removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                yield bad_source(entry.bucket, "", place, "the line is not UTF-8 text")
                continue
            yield SourceObject(entry.bucket, key, place=place)


def rows_of_csv(entry: CsvSource) -> Iterator[SourceObject | BadSource]:
    """The rows of a CSV file, by its header or by the columns that the manifest gives.

    Raises:
        UsageError: The file cannot be opened, or its header lacks a column or names one twice.
    """
    with _opened(entry) as binary:
        # Bytes that are not UTF-8 become lone surrogates, which the check of keys refuses for the one row.
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        columns = _columns(entry, reader)
        while True:
            place = f"{entry.path}:{reader.line_num + 1}"
            try:
                row = next(reader, None)
            except csv.Error as error:
                reason = f"the row, to line {reader.line_num}, is not CSV: {error}"
                yield bad_source(entry.bucket, "", place, reason)
                continue
            if row is None:
                return
            yield _source(entry, columns, row, place)


def read_header(entry: CsvSource) -> tuple[str, ...]:
    """The columns that the header of a CSV file names; whether they will do is the manifest's to say.

    Raises:
        UsageError: The file cannot be read, or is empty.
    """
    with _opened(entry) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        return _header(entry, csv.reader(text, strict=True))


def check_readable(entry: ListSource | CsvSource) -> None:
    """Raise UsageError unless the file of an entry can be opened."""
    with _opened(entry):
        pass


def _columns(entry: CsvSource, reader: Iterator[list[str]]) -> tuple[str, ...]:
    if not entry.header:
        return entry.columns or ()
    columns = _header(entry, reader)
    # Of standard input nobody could see the header before.
    if entry.columns is None and (problem := columns_problem(columns)):
        raise UsageError(entry.place.problem(f"{entry.path}: {problem[0]}", problem[1]))
    return columns


def _header(entry: CsvSource, reader: Iterator[list[str]]) -> tuple[str, ...]:
    try:
        columns = tuple(next(reader, []))
    except csv.Error as error:
        reason = f"the header of {entry.path} is not CSV: {error}"
        raise UsageError(entry.place.problem(reason, "mend the file")) from error
    if not columns:
        raise UsageError(entry.place.problem(f"{entry.path} is empty", "its first line names the columns"))
    return columns


def _source(entry: CsvSource, columns: tuple[str, ...], row: list[str], place: str) -> SourceObject | BadSource:
    if len(row) != len(columns):
        reason = f"the row has {len(row)} fields, the table has {len(columns)} columns"
        return bad_source(entry.bucket, "", place, reason)
    fields = dict(zip(columns, row, strict=True))
    bucket, key = fields.get("bucket") or entry.bucket, fields["key"]
    size = fields.get("size", "")
    if size and not _SIZE.fullmatch(size):
        return bad_source(bucket, key, place, f"the size {size[:40]!r} is not that of an object in bytes")
    extra = {name: value for name, value in fields.items() if name not in OBJECT_COLUMNS}
    if any(not value.isascii() and not _is_text(value) for value in extra.values()):
        return bad_source(bucket, key, place, "the row is not UTF-8 text")
    return SourceObject(
        bucket,
        key,
        etag=normal_etag(fields.get("etag", "")) or None,
        size=int(size) if size else None,
        row=extra,
        place=place,
    )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _opened(entry: ListSource | CsvSource) -> Iterator[BinaryIO]:
    if entry.path == STANDARD_INPUT:
        # Not sys.stdin itself: a thread that still waits for it holds its lock, and the interpreter cannot end.
        with open(sys.stdin.fileno(), "rb", closefd=False) as file:
            yield file
        return
    try:
        with Path(entry.path).open("rb") as file:
            yield file
    except (OSError, UnicodeEncodeError) as error:  # the latter: a name that this locale cannot write
        mend = "paths are relative to the manifest's own directory"
        problem = entry.place.problem(f"{entry.path} cannot be read: {getattr(error, 'strerror', error)}", mend)
        raise UsageError(problem) from error
