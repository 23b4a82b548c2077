"""Inventories: the manifest.json that lists the files of one, and what a row of such a file says of an object.

Source: OSS, "Bucket inventory": files, manifest.json and fields of an inventory list; the incremental form is alike.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from worker.batch.entry import Filters
from worker.batch.findings import MendableError, shown
from worker.batch.selection import NotSelected
from worker.oss.answer import parse_timestamp

_ARN = "acs:oss:::"  # how an inventory's configuration names its destination
_MD5 = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)
_TRUE = "true"


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """One file of rows: its key in the destination bucket, and the MD5 of its bytes in lower-case hex."""

    key: str
    md5: str

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a manifest.json says: whose objects, by which columns, in which files of which bucket."""

    source_bucket: str
    destination_bucket: str
    columns: tuple[str, ...]
    files: tuple[InventoryFile, ...]


class _File(msgspec.Struct):
    key: str
    checksum: str = msgspec.field(name="MD5checksum")


class _Manifest(msgspec.Struct, rename="camel"):
    source_bucket: str
    destination_bucket: str
    file_format: str
    file_schema: str
    files: list[_File]


def parse_inventory(data: bytes, bucket: str, filters: Filters) -> Inventory:
    """The inventory of a bucket by its manifest.json.

    Raises:
        MendableError: It is not one, of another bucket, not in CSV, or lacks a column that the filters need.
    """
    try:
        found = msgspec.json.decode(data, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MendableError(f"no manifest.json of an inventory: {error}", "name the manifest.json itself") from None
    if found.source_bucket != bucket:
        reason = f"the inventory is one of the bucket {shown(found.source_bucket)}, the entry is of {bucket!r}"
        raise MendableError(reason, f"set `bucket: {found.source_bucket}`, or name another inventory")
    if found.file_format != "CSV":
        raise MendableError(f"an inventory in {shown(found.file_format)}", "have it made as CSV")
    columns = tuple(name.strip() for name in found.file_schema.split(","))
    by_size = filters.min_size is not None or filters.max_size is not None
    for name, needed in (("Key", True), ("LastModifiedDate", filters.by_time), ("Size", by_size)):
        if needed and name not in columns:
            reason = f"the inventory has no column {name}, which this entry needs"
            raise MendableError(reason, "add the field to the inventory's configuration, or leave the filter out")
    for file in found.files:
        if not _MD5.fullmatch(file.checksum) or file.key.endswith(("/", "/..", "/.")):
            raise MendableError(f"{shown(file.key)} has no MD5 checksum, or no name", "get the inventory again")
    files = tuple(InventoryFile(file.key, file.checksum.lower()) for file in found.files)
    return Inventory(bucket, found.destination_bucket.removeprefix(_ARN), columns, files)


def decoded_key(text: str) -> str:
    """A key from its URL-encoded form.

    Raises:
        ValueError: It is not UTF-8 text.
    """
    return unquote(text, errors="strict")


def version_problem(is_latest: str, is_delete_marker: str, record_type: str) -> NotSelected | None:
    """Why a row stands for no object as it is now; empty is what the inventory does not say.

    The incremental form has a row for every change, deletions included: `RecordType` says which.
    """
    if is_delete_marker.lower() == _TRUE or "delete" in record_type.lower():
        return NotSelected.DELETE_MARKER
    return NotSelected.OLD_VERSION if is_latest and is_latest.lower() != _TRUE else None


def readable_date(text: str, filters: Filters) -> bool:
    """Whether a date can be told, or need not be."""
    return not filters.by_time or parse_timestamp(text) is not None
