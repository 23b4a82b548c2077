"""Reading the sources of a Parquet file, batch by batch. Needs pyarrow, which the extra `parquet` installs."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from worker.batch.entry import TableSource
from worker.batch.planner import BadSource
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.sources.opening import File
from worker.sources.rows import needed_columns, source_of

_BATCH = 1000


def rows_of_parquet(entry: TableSource, file: File, used: AbstractSet[str]) -> Iterator[SourceObject | BadSource]:
    """The rows of a Parquet file; `used` are the row columns. Numbers and dates are the texts that Arrow casts them to.

    Raises:
        UsageError: The file cannot be read, or a column that is used holds more than one value in a row.
    """
    arrow = _arrow(file)
    number = 0
    with _opened(file, arrow) as content:
        present = set(content.schema_arrow.names)
        needed = [name for name in needed_columns(entry, used) if name in present]
        batches = content.iter_batches(batch_size=_BATCH, columns=needed, use_threads=False)
        while (batch := _next(file, arrow, batches)) is not None:
            columns = [_texts(file, arrow, name, batch.column(name)) for name in needed]
            for row in zip(*columns, strict=True):
                number += 1
                yield source_of(entry, f"{file.name}:{number}", dict(zip(needed, row, strict=True)))


def read_schema(file: File) -> tuple[str, ...]:
    """The columns of a Parquet file.

    Raises:
        UsageError: The file cannot be read.
    """
    with _opened(file, _arrow(file)) as content:
        return tuple(content.schema_arrow.names)


def _arrow(file: File) -> Any:
    try:
        import pyarrow.parquet  # noqa: PLC0415 - an extra, and slow to import: only who reads Parquet pays for it
    except ModuleNotFoundError as error:
        reason = "Parquet is read with pyarrow, which is not installed"
        raise UsageError(file.place.problem(reason, "pip install 'oss-saveas-worker[parquet]'")) from error
    return pyarrow


def _opened(file: File, arrow: Any) -> Any:
    try:
        return arrow.parquet.ParquetFile(file.path)
    except (OSError, arrow.ArrowException) as error:
        raise _unreadable(file, error) from error


def _next(file: File, arrow: Any, batches: Iterator[Any]) -> Any:
    try:
        return next(batches, None)
    except (OSError, arrow.ArrowException) as error:
        raise _unreadable(file, error) from error


def _texts(file: File, arrow: Any, name: str, column: Any) -> list[str | None]:
    """The values of a column as texts; bytes that are not UTF-8 become lone surrogates."""
    try:
        binary = column.cast(arrow.string()) if not arrow.types.is_binary(column.type) else column
        found = binary.cast(arrow.binary()).to_pylist()
    except arrow.ArrowException as error:
        reason = f"{file.name}: the column {name!r} holds {column.type}, which cannot be written as text"
        raise UsageError(file.place.problem(reason, "make it a column of texts or numbers")) from error
    return [None if value is None else value.decode(errors="surrogateescape") for value in found]


def _unreadable(file: File, error: Exception) -> UsageError:
    what = str(error).partition("\n")[0]
    return UsageError(file.place.problem(f"{file.name} cannot be read as Parquet: {what}", "get or write it again"))
