"""Inventories as OSS delivers them: a manifest.json, and files of rows in CSV."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

FIELDS = (
    "Bucket",
    "Key",
    "VersionId",
    "IsLatest",
    "IsDeleteMarker",
    "Size",
    "StorageClass",
    "LastModifiedDate",
    "ETag",
)
FULL = "lists/photos/nightly/2026-11-22T16-00Z/manifest.json"
INCREMENTAL = "lists/photos/nightly/incremental_inventory/2026-11-22T16-0000Z/manifest.json"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The objects of one inventory, by key; `manifest` is the key of its manifest.json."""

    manifest: str
    objects: dict[str, bytes]


def row(key: str, **fields: str) -> dict[str, str]:
    """An object as it is now; names of fields are those of the inventory."""
    usual = {
        "Bucket": "photos",
        "Key": quote(key, safe=""),
        "VersionId": "v1",
        "IsLatest": "true",
        "IsDeleteMarker": "false",
        "Size": "7",
        "StorageClass": "Standard",
        "LastModifiedDate": "2026-11-20T08:00:00Z",
        "ETag": "AB12",
    }
    return {**usual, **fields}


def delivered(
    *files: Sequence[Mapping[str, str]],
    incremental: bool = False,
    columns: Sequence[str] = FIELDS,
    destination: str = "logs",
    **changes: object,
) -> Delivered:
    """An inventory of the bucket photos with these files of rows. `changes` are for its manifest.json."""
    manifest = INCREMENTAL if incremental else FULL
    above = manifest.rpartition("/")[0] if incremental else "lists/photos/nightly"
    objects: dict[str, bytes] = {}
    for number, rows in enumerate(files):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows([fields[name] for name in columns] for fields in rows)
        content = text.getvalue().encode()
        name = f"745a29e3-{number}.csv"
        if incremental:
            objects[f"{above}/data/{name}"] = content
        else:
            objects[f"{above}/data/{name}.gz"] = gzip.compress(content, mtime=0)
    said = {
        "creationTimestamp": "1642994594",
        "destinationBucket": destination,
        "fileFormat": "CSV",
        "fileSchema": ", ".join(columns),
        "files": [
            {
                "key": key,
                "size": len(content),
                "MD5checksum": hashlib.md5(content).hexdigest().upper(),  # noqa: S324 - as OSS does
            }
            for key, content in objects.items()
        ],
        "sourceBucket": "photos",
        "version": "2025-09-30" if incremental else "2019-09-01",
    }
    if incremental:
        said |= {"startTimestamp": "1642994000", "endTimestamp": "1642994594"}
    return Delivered(manifest, {**objects, manifest: json.dumps({**said, **changes}).encode()})
