"""Reading the sources of a list or a CSV file, row by row."""

import csv
import io
from collections import deque
from collections.abc import Generator, Iterator
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import BinaryIO

from worker.batch.entry import ListSource, TableSource, columns_problem
from worker.batch.planner import BadSource, bad_source
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.sources.opening import LONGEST_LINE, File, lines, opened
from worker.sources.rows import needed_columns, source_of

_BOM = b"\xef\xbb\xbf"
Row = tuple[int, list[str] | csv.Error]


def rows_of_list(entry: ListSource, file: File) -> Iterator[SourceObject | BadSource]:
    """The keys of a list, one a line. The end of a line is LF or CR LF; nothing else is stripped from a key.

    Raises:
        UsageError: The file cannot be read.
    """
    with opened(file) as content:
        for number, line in enumerate(lines(content), 1):
            place = f"{file.name}:{number}"
            data = line.removeprefix(_BOM) if number == 1 else line
            if len(data) == LONGEST_LINE:
                yield bad_source(entry.bucket, "", place, f"the line is longer than {LONGEST_LINE - 1:,} bytes")
                continue
            try:
                key = data.removesuffix(b"\n").removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                yield bad_source(entry.bucket, "", place, "the line is not UTF-8 text")
                continue
            yield SourceObject(entry.bucket, key, place=place)


def rows_of_csv(entry: TableSource, file: File, used: AbstractSet[str]) -> Iterator[SourceObject | BadSource]:
    """The rows of a CSV file, by its header or by the columns that the manifest gives; `used` are the row columns.

    Raises:
        UsageError: The file cannot be read, or its header lacks a column or names one twice.
    """
    with opened(file) as content, closing(csv_rows(content)) as rows:
        columns = entry.columns or ()
        if entry.header:
            columns = _header(file, rows)
            # Of standard input nobody could see the header before.
            if entry.columns is None and (problem := columns_problem(columns)):
                raise UsageError(file.place.problem(f"{file.name}: {problem[0]}", problem[1]))
        needed = [(name, columns.index(name)) for name in needed_columns(entry, used) if name in columns]
        for number, row in rows:
            place = f"{file.name}:{number}"
            if isinstance(row, csv.Error):
                yield bad_source(entry.bucket, "", place, f"the row is not CSV: {row}")
            elif len(row) != len(columns):
                reason = f"the row has {len(row)} fields, the table has {len(columns)} columns"
                yield bad_source(entry.bucket, "", place, reason)
            else:
                yield source_of(entry, place, {name: row[index] for name, index in needed})


def read_header(file: File) -> tuple[str, ...]:
    """The columns that the header of a CSV file names; whether they will do is the manifest's to say.

    Raises:
        UsageError: The file cannot be read, or is empty.
    """
    with opened(file) as content, closing(csv_rows(content)) as rows:
        return _header(file, rows)


def csv_rows(content: BinaryIO) -> Generator[Row, None, None]:
    """The rows of CSV, each with the number of the line it begins in.

    A row that is not CSV costs one line, whatever a quote that is never closed has swallowed behind it: reading goes on
    in the next. Bytes that are not UTF-8 become lone surrogates, which the check of keys and values refuses.
    """
    decoded = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")
    text = _Text(decoded)
    reader = csv.reader(text, strict=True)
    try:
        while True:
            text.begin_row()
            try:
                row = next(reader, None)
            except csv.Error as error:
                text.go_back()
                yield text.number, error
                continue
            if row is None:
                return
            yield text.number, row
    finally:
        decoded.detach()  # who opened the content closes it


class _Text:
    """Lines of a text, of which those of a row can be read again but for its first. `number` is that of the first."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._lines = lines(text)
        self._row: list[str] = []
        self._again: deque[str] = deque()
        self.number = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._row.append(line)
        if len(line) == LONGEST_LINE:
            message = f"a line is longer than {LONGEST_LINE - 1:,} characters"
            raise csv.Error(message)
        return line

    def begin_row(self) -> None:
        """What is read from now on belongs to another row."""
        self.number += len(self._row)
        self._row.clear()

    def go_back(self) -> None:
        """To the second line of the row."""
        self._again.extendleft(reversed(self._row[1:]))
        del self._row[1:]


def _header(file: File, rows: Iterator[Row]) -> tuple[str, ...]:
    _, header = next(rows, (1, list[str]()))
    if isinstance(header, csv.Error):
        reason = f"the header of {file.name} is not CSV: {header}"
        raise UsageError(file.place.problem(reason, "mend the file")) from header
    if not header:
        raise UsageError(file.place.problem(f"{file.name} is empty", "its first line names the columns"))
    return tuple(header)
