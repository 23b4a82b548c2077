"""A row of a table as a source, whatever the table is written in."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from worker.batch.entry import OBJECT_COLUMNS, TableSource
from worker.batch.planner import BadSource, bad_source
from worker.batch.selection import SourceObject
from worker.oss.answer import normal_etag

_SIZE = re.compile(r"[0-9]{1,14}", re.ASCII)  # no object is larger than 48.8 TB (OSS, "Limits")


def size_problem(written: str) -> str | None:
    """Why a text is not the size of an object in bytes; None where it is one, or nothing."""
    if not written or _SIZE.fullmatch(written):
        return None
    return f"the size {written[:40]!r} is not that of an object in bytes"


def needed_columns(entry: TableSource, used: AbstractSet[str]) -> tuple[str, ...]:
    """The columns of a table that are read: those of the object, and the row columns that pipelines use."""
    needed = OBJECT_COLUMNS | used
    return tuple(sorted(needed if entry.columns is None else needed & set(entry.columns)))


def source_of(entry: TableSource, place: str, fields: Mapping[str, str | None]) -> SourceObject | BadSource:
    """The source that the needed columns of a row name. None is a column without a value: not there, or null."""
    bucket, key = fields.get("bucket") or entry.bucket, fields.get("key")
    if key is None:
        return bad_source(bucket, "", place, "the row has no key")
    etag, size = fields.get("etag"), fields.get("size") or ""
    if reason := size_problem(size):
        return bad_source(bucket, key, place, reason)
    row = {name: value for name, value in fields.items() if value is not None and name not in OBJECT_COLUMNS}
    if row and any(not value.isascii() and not is_text(value) for value in row.values()):
        return bad_source(bucket, key, place, "the row is not UTF-8 text")
    return SourceObject(
        bucket,
        key,
        etag=normal_etag(etag) or None if etag else None,
        size=int(size) if size else None,
        row=row,
        place=place,
    )


def is_text(value: str) -> bool:
    """Whether a value can be written in UTF-8: bytes that were not are held as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
