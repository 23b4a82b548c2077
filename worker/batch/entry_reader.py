"""Reads the source entries of a manifest."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict

from worker.batch.document import Path, Place
from worker.batch.entry import (
    STANDARD_INPUT,
    Empty,
    Filters,
    InventorySource,
    ListSource,
    ObjectsSource,
    PrefixSource,
    Source,
    TableForm,
    TableSource,
    columns_problem,
    object_of,
)
from worker.batch.findings import GIVEN, Findings, MendableError, check_bucket, checked, nearest, shown
from worker.batch.quantity import moment, size
from worker.oss.names import MAX_KEY_BYTES, bucket_problem, key_problem

_STRICT = ConfigDict(extra="forbid")
_Bucket = Annotated[Annotated[str, checked(check_bucket)] | None, GIVEN]
_Empty = Annotated[Empty | None, GIVEN]
_Etag = Annotated[Literal["ignore"] | None, GIVEN]


def _check_prefix(prefix: str) -> None:
    if prefix.startswith(("/", "\\")):
        raise MendableError("no key begins with '/' or '\\'", 'leave it out; "" is the whole bucket')
    if len(prefix.encode()) > MAX_KEY_BYTES:
        raise MendableError(f"no key is longer than {MAX_KEY_BYTES} bytes", "shorten the prefix")


def _check_pattern(pattern: str) -> None:
    if not pattern:
        raise MendableError("an empty pattern matches no key", "leave it out")


def _check_key(key: str) -> None:
    if reason := key_problem(key):
        raise MendableError(f"{shown(key)} is no object key: {reason}", "write the key as it stands in the bucket")


def _check_path(path: str) -> None:
    if not path:
        raise MendableError("no file is named", "name a file, oss://BUCKET/KEY, or - for standard input")
    if "\0" in path:
        raise MendableError(f"{shown(path)} names no file", "leave out the character U+0000")
    source = object_of(path)
    if source and (reason := bucket_problem(source.bucket) or key_problem(source.key)):
        raise MendableError(f"{shown(path)} names no object: {reason}", "write oss://BUCKET/KEY")


def _check_parquet(path: str) -> None:
    if path == STANDARD_INPUT:
        raise MendableError("Parquet is read from its end, which standard input does not have", "name a file")
    _check_path(path)


# Whether a text is a moment does not depend on when it is now.
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_Moment = Annotated[Annotated[str, checked(partial(moment, now=_ANY_MOMENT))] | None, GIVEN]
_Size = Annotated[Annotated[str, checked(size)] | None, GIVEN]
_Patterns = tuple[Annotated[str, checked(_check_pattern)], ...]
_File = Annotated[str, checked(_check_path)]
_Columns = Annotated[tuple[str, ...] | None, GIVEN]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filtered:
    __pydantic_config__: ClassVar = _STRICT
    bucket: _Bucket = None
    include: _Patterns = ()
    exclude: _Patterns = ()
    ignore_case: bool = False
    modified_after: _Moment = None
    modified_before: _Moment = None
    min_size: _Size = None
    max_size: _Size = None
    empty: _Empty = None
    etag: _Etag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix(_Filtered):
    prefix: Annotated[str, checked(_check_prefix)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inventory(_Filtered):
    inventory: _File


@dataclass(frozen=True, slots=True)
class _Objects:
    __pydantic_config__: ClassVar = _STRICT
    objects: tuple[Annotated[str, checked(_check_key)], ...]
    bucket: _Bucket = None
    etag: _Etag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    __pydantic_config__: ClassVar = _STRICT
    bucket: _Bucket = None
    empty: _Empty = None
    etag: _Etag = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _List(_Named):
    list: _File


@dataclass(frozen=True, slots=True, kw_only=True)
class _Csv(_Named):
    csv: _File
    columns: _Columns = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jsonl(_Named):
    jsonl: _File
    columns: _Columns = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parquet(_Named):
    parquet: Annotated[str, checked(_check_parquet)]


_Table = _Csv | _Jsonl | _Parquet
_Shape = _Prefix | _Objects | _List | _Table | _Inventory
_SHAPES: Mapping[str, type[_Shape]] = {
    "prefix": _Prefix,
    "objects": _Objects,
    "list": _List,
    "csv": _Csv,
    "jsonl": _Jsonl,
    "parquet": _Parquet,
    "inventory": _Inventory,
}


@dataclass(frozen=True, slots=True)
class EntryReader:
    """Reads the source entries of a manifest; `default_bucket` is its own `bucket`, empty where it has none."""

    findings: Findings
    default_bucket: str
    now: datetime

    def read(self) -> tuple[Source, ...]:
        """All entries that are right; problems with the others go to the findings."""
        count = self.findings.length(("sources",))
        return tuple(source for index in range(count) if (source := self._entry(("sources", index))))

    def _entry(self, path: Path) -> Source | None:
        kind = self._kind(path)
        shape = self.findings.check(_SHAPES[kind], path) if kind else None
        if shape is None:
            return None
        bucket = self._bucket(path, shape)
        place = self.findings.document.place(path)
        ignore = shape.etag == "ignore"
        match shape:
            case _Objects():
                places = self._keys((*path, "objects"), shape.objects)
                return ObjectsSource(place, bucket, shape.objects, places, etag_ignore=ignore)
            case _List():
                return ListSource(place, bucket, self._path(shape.list), shape.empty or "fail", ignore)
            case _Prefix() | _Inventory():
                filters = self._filters(path, shape)
                empty = shape.empty or ("ok" if filters.by_time else "fail")
                if isinstance(shape, _Inventory):
                    return InventorySource(place, bucket, self._path(shape.inventory), filters, empty, ignore)
                return PrefixSource(place, bucket, shape.prefix, filters, empty, ignore)
            case _:
                return self._table(path, shape, bucket)

    def _table(self, path: Path, shape: _Table, bucket: str) -> TableSource:
        columns = None if isinstance(shape, _Parquet) else shape.columns
        if columns is not None and (problem := columns_problem(columns)):
            self.findings.add((*path, "columns"), *problem)
        form: TableForm
        match shape:
            case _Csv():
                form, file, header = "csv", shape.csv, columns is None
            case _Jsonl():
                form, file, header = "jsonl", shape.jsonl, False
            case _:
                form, file, header = "parquet", shape.parquet, False
        place, empty = self.findings.document.place(path), shape.empty or "fail"
        return TableSource(
            place,
            bucket,
            self._path(file),
            form,
            columns,
            header=header,
            empty=empty,
            etag_ignore=shape.etag == "ignore",
        )

    def _kind(self, path: Path) -> str | None:
        names = self.findings.keys(path)
        kinds = [name for name in names if name in _SHAPES]
        if len(kinds) > 1:
            reason = f"an entry is of one kind, this one is of {' and '.join(map(repr, kinds))}"
            self.findings.add(path, reason, "make an entry of each")
        elif not kinds and not isinstance(self.findings.document.get(path), dict):
            return "prefix"  # whatever it is: its shape says that a mapping is due
        elif not kinds:
            unknown = next((name for name in names if nearest(name, _SHAPES).startswith("did")), "")
            self.findings.add(path, "this entry names no source", nearest(unknown, _SHAPES))
        else:
            return kinds[0]
        return None

    def _bucket(self, path: Path, shape: _Shape) -> str:
        if shape.bucket is not None:
            return shape.bucket
        # The columns of Parquet, or of a header, are known later.
        columns = shape.columns if isinstance(shape, _Csv | _Jsonl) else None
        in_table = isinstance(shape, _Table) and (columns is None or "bucket" in columns)
        if not self.default_bucket and not in_table:
            self.findings.add(path, "this entry has no bucket", "add `bucket: ...` to it, or to the manifest")
        return self.default_bucket

    def _keys(self, path: Path, keys: tuple[str, ...]) -> tuple[Place, ...]:
        if not keys:
            self.findings.add(path, "the list of objects is empty", "name keys, or leave the entry out")
        document = self.findings.document
        return tuple(Place(document.file, *document.mark((*path, index))) for index in range(len(keys)))

    def _filters(self, path: Path, shape: _Prefix | _Inventory) -> Filters:
        after = shape.modified_after and moment(shape.modified_after, self.now)
        before = shape.modified_before and moment(shape.modified_before, self.now)
        if after and before and after >= before:
            reason = "no moment is after this and before 'modified_before'"
            self.findings.add((*path, "modified_after"), reason, "swap them")
        low = None if shape.min_size is None else size(shape.min_size)
        high = None if shape.max_size is None else size(shape.max_size)
        if low is not None and high is not None and low > high:
            self.findings.add((*path, "min_size"), "'min_size' is larger than 'max_size'", "swap them")
        return Filters(shape.include, shape.exclude, shape.ignore_case, after or None, before or None, low, high)

    def _path(self, file: str) -> str:
        base = posixpath.dirname(self.findings.document.file)
        return file if file == STANDARD_INPUT or object_of(file) else posixpath.join(base, file)
