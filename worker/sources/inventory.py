"""Reading the objects that an inventory lists: its manifest.json, then file by file, each after its checksum."""

import csv
import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from worker.batch.entry import InventorySource
from worker.batch.findings import MendableError
from worker.batch.inventory import (
    Inventory,
    InventoryFile,
    decoded_key,
    parse_inventory,
    readable_date,
    version_problem,
)
from worker.batch.planner import BadSource, bad_source
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.oss.answer import normal_etag, parse_timestamp
from worker.sources.opening import File, opened
from worker.sources.rows import size_problem
from worker.sources.tables import csv_rows

# A billion objects make some 10,000 files, of 300 bytes each in the manifest.
_MOST_BYTES = 64 << 20
_BLOCK = 1 << 20


def read_inventory(entry: InventorySource, file: File) -> Inventory:
    """The inventory that a manifest.json describes.

    Raises:
        UsageError: It cannot be read, or is not one that this entry can use.
    """
    with opened(file) as content:
        data = content.read(_MOST_BYTES)
    try:
        return parse_inventory(data, entry.bucket, entry.filters)
    except MendableError as error:
        raise UsageError(file.place.problem(f"{file.name}: {error.reason}", error.mend)) from None


def local_file(entry: InventorySource, part: InventoryFile) -> File:
    """A file of an inventory that was copied from its bucket, manifest.json and all.

    It is looked for where it lies beside manifest.json in the bucket (`../data`, of the incremental form `data`), and
    right beside it.

    Raises:
        UsageError: It is nowhere there.
    """
    directory = Path(entry.path).parent
    places = [directory.parent / "data" / part.name, directory / "data" / part.name, directory / part.name]
    path = next((path for path in places if path.is_file()), None)
    if path is None:
        reason = f"{part.name} of the inventory {entry.path} is not there"
        mend = f"put it into {places[0].parent}, or name the manifest.json in its bucket: oss://BUCKET/KEY"
        raise UsageError(entry.place.problem(reason, mend))
    return File(entry.place, str(path), str(path))


def rows_of_inventory(
    entry: InventorySource, inventory: Inventory, part: InventoryFile, file: File
) -> Iterator[SourceObject | BadSource]:
    """The rows of one file of an inventory.

    Raises:
        UsageError: The file cannot be read, or is not what the manifest.json says.
    """
    _check(part, file)
    columns = inventory.columns
    with opened(file) as content, closing(csv_rows(content)) as rows:
        for number, row in rows:
            place = f"{file.name}:{number}"
            if isinstance(row, csv.Error):
                yield bad_source(entry.bucket, "", place, f"the row is not CSV: {row}")
            elif len(row) != len(columns):
                reason = f"the row has {len(row)} fields, the inventory has {len(columns)} columns"
                yield bad_source(entry.bucket, "", place, reason)
            else:
                yield _object(entry, dict(zip(columns, row, strict=True)), place)


def _check(part: InventoryFile, file: File) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with Path(file.path).open("rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise UsageError(file.place.problem(f"{file.name} cannot be read: {error.strerror}", "get it again")) from error
    if digest.hexdigest() != part.md5:
        reason = f"{file.name} is not the file of the inventory: its MD5 is {digest.hexdigest()}, not {part.md5}"
        raise UsageError(file.place.problem(reason, "get it again"))


def _object(entry: InventorySource, fields: dict[str, str], place: str) -> SourceObject | BadSource:
    bucket, written = fields.get("Bucket", entry.bucket), fields["Key"]
    size, modified = fields.get("Size", ""), fields.get("LastModifiedDate", "")
    if bucket != entry.bucket:
        return bad_source(
            bucket, written, place, f"the row is of the bucket {bucket!r}, the inventory of {entry.bucket!r}"
        )
    try:
        key = decoded_key(written)
    except ValueError:
        return bad_source(bucket, written, place, "the key is not UTF-8 text")
    if reason := size_problem(size):
        return bad_source(bucket, key, place, reason)
    left_out = version_problem(
        fields.get("IsLatest", ""), fields.get("IsDeleteMarker", ""), fields.get("RecordType", "")
    )
    if left_out is None and not readable_date(modified, entry.filters):
        return bad_source(bucket, key, place, f"the date {modified[:40]!r} is not one, and the entry goes by it")
    return SourceObject(
        bucket,
        key,
        etag=normal_etag(fields.get("ETag", "")) or None,
        size=int(size) if size else None,
        modified=parse_timestamp(modified),
        storage_class=fields.get("StorageClass"),
        place=place,
        left_out=left_out,
    )
