"""Source entries: what a manifest says about where its source objects are found."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from worker.batch.document import Place
from worker.batch.findings import shown
from worker.oss.names import ObjectRef

Empty = Literal["fail", "ok"]
TableForm = Literal["csv", "jsonl", "parquet"]
_OSS = "oss://"
_SHOWN_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class Filters:
    """What a listing leaves out. Patterns are fnmatch on the whole key; sizes are bytes, inclusive.

    `modified_after` itself is in and `modified_before` is out, so that windows that adjoin neither lose nor repeat.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_case: bool = False
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    min_size: int | None = None
    max_size: int | None = None

    @property
    def by_time(self) -> bool:
        """Whether a run that finds nothing is normal."""
        return self.modified_after is not None or self.modified_before is not None


@dataclass(frozen=True, slots=True)
class PrefixSource:
    """The objects of a bucket whose keys begin with `prefix`, by ListObjectsV2."""

    place: Place
    bucket: str
    prefix: str
    filters: Filters = field(default_factory=Filters)
    empty: Empty = "fail"
    etag_ignore: bool = False


@dataclass(frozen=True, slots=True)
class ObjectsSource:
    """Objects named in the manifest itself; `places` says where each key stands, without excerpts."""

    place: Place
    bucket: str
    keys: tuple[str, ...]
    places: tuple[Place, ...]
    empty: Empty = "fail"
    etag_ignore: bool = False


@dataclass(frozen=True, slots=True)
class ListSource:
    """A text file with one key a line.

    `path` is from where the program was started, an object (`oss://bucket/key`), or `-`: standard input.
    """

    place: Place
    bucket: str
    path: str
    empty: Empty = "fail"
    etag_ignore: bool = False


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table with a key in each row, as CSV, as JSON objects one a line, or as Parquet.

    `columns` is None until they are known: from the header of CSV (`header`: its first line is one), or from the schema
    of Parquet. JSON lines say theirs row by row: they stay unknown unless the manifest names those that are to be read.
    `bucket` is empty where the manifest names none: then a column `bucket` has to. Columns other than `key`, `bucket`,
    `etag` and `size` are row columns.
    """

    place: Place
    bucket: str
    path: str
    form: TableForm
    columns: tuple[str, ...] | None = None
    header: bool = True
    empty: Empty = "fail"
    etag_ignore: bool = False

    @property
    def may_name_buckets(self) -> bool:
        """Whether rows can come from other buckets than `bucket`."""
        return self.columns is None or "bucket" in self.columns


@dataclass(frozen=True, slots=True)
class InventorySource:
    """The objects of a bucket as an inventory of it lists them; `path` is that of its manifest.json."""

    place: Place
    bucket: str
    path: str
    filters: Filters = field(default_factory=Filters)
    empty: Empty = "fail"
    etag_ignore: bool = False

    @property
    def prefix(self) -> str:
        """An inventory may hold any key of its bucket."""
        return ""


STANDARD_INPUT = "-"
OBJECT_COLUMNS = frozenset({"key", "bucket", "etag", "size"})

# A bucket seen as a whole: judged object by object, and filtered.
BucketSource = PrefixSource | InventorySource
# What is read from a file: local, an object (`oss://bucket/key`), or standard input.
FileSource = ListSource | TableSource | InventorySource
Source = PrefixSource | ObjectsSource | FileSource


def is_standard_input(entry: Source) -> bool:
    """Whether the sources of an entry come through standard input."""
    return isinstance(entry, FileSource) and entry.path == STANDARD_INPUT


def object_of(path: str) -> ObjectRef | None:
    """The object that the path of a file names; None for a local file."""
    if not path.startswith(_OSS):
        return None
    return ObjectRef(*path.removeprefix(_OSS).partition("/")[::2])


def columns_problem(columns: tuple[str, ...]) -> tuple[str, str] | None:
    """Reason and mend where these cannot be the columns of a table, or None."""
    twice = next((name for index, name in enumerate(columns) if name in columns[:index]), None)
    if twice is not None:
        return f"the column {shown(twice)} stands twice", "give each column a name of its own"
    if "" in columns:
        return "a column has no name", "give each column a name of its own"
    if "key" not in columns:
        there = ", ".join(map(shown, columns[:_SHOWN_COLUMNS]))
        return f"no column is named 'key', the first are {there}", "name the column of the keys 'key'"
    return None
