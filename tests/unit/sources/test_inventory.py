"""Inventories: of what bucket, by which columns, file by file, none before its checksum is right."""

import asyncio
import hashlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.inventories import FIELDS, Delivered, delivered, row
from tests.unit.sources.bucket import Bucket
from tests.unit.sources.jobs import PIPELINE, manifest
from tests.unit.sources.jobs import inventory as inventory_at
from worker.batch.planner import BadSource
from worker.batch.selection import NotSelected, SourceObject
from worker.batch.task import Shard
from worker.errors import UsageError
from worker.planning import with_files
from worker.sources.enumeration import Enumeration
from worker.sources.files import Files, local
from worker.sources.inventory import read_inventory, rows_of_inventory
from worker.sources.opening import File


def read(
    job_sources: str, bucket: Bucket, directory: Path | None = None
) -> tuple[list[SourceObject | BadSource], Enumeration]:
    """The sources that were selected, and what was counted."""
    job = manifest(job_sources, directory=directory)

    async def main() -> tuple[list[SourceObject | BadSource], Enumeration]:
        with Files(bucket) as files:
            enumeration = Enumeration(job, Shard(0, 1), bucket, files, ())
            return [source async for source, _ in enumeration.planned()], enumeration

    return asyncio.run(main())


def from_bucket(inventory: Delivered, filters: str = "") -> tuple[list[SourceObject | BadSource], Enumeration]:
    return read(f"{{inventory: 'oss://logs/{inventory.manifest}'{filters}}}", Bucket(contents=inventory.objects))


def copied(inventory: Delivered, directory: Path) -> Path:
    for key, content in inventory.objects.items():
        (directory / key).parent.mkdir(parents=True, exist_ok=True)
        (directory / key).write_bytes(content)
    return directory / inventory.manifest


def keys(found: list[SourceObject | BadSource]) -> list[str]:
    return [source.key if isinstance(source, SourceObject) else f"!{source.reason}" for source in found]


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("here", [False, True])
def test_the_objects_of_all_files_are_sources_with_all_that_is_known_of_them(
    tmp_path: Path, here: bool, incremental: bool
) -> None:
    inventory = delivered(
        [row("dir/雪 +%.jpg")], [row("b.jpg", ETag="", Size=""), row("c.jpg")], incremental=incremental
    )
    if here:
        found, counted = read(f"inventory: '{copied(inventory, tmp_path)}'", Bucket())
    else:
        found, counted = from_bucket(inventory)
    first, second, third = found
    assert isinstance(first, SourceObject)
    assert (first.bucket, first.key, first.etag, first.size) == ("photos", "dir/雪 +%.jpg", "AB12", 7)
    assert (first.modified, first.storage_class) == (datetime(2026, 11, 20, 8, tzinfo=UTC), "Standard")
    assert first.place.endswith("745a29e3-0.csv:1" if incremental else "745a29e3-0.csv.gz:1")
    assert isinstance(second, SourceObject)
    assert (second.key, second.etag, second.size) == ("b.jpg", None, None)
    assert third.key == "c.jpg"
    assert (counted.listed, counted.selected) == (3, 3)


def test_what_is_no_object_as_it_is_now_is_left_out_and_counted() -> None:
    rows = [
        row("a.jpg"),
        row("a.jpg", IsLatest="False"),
        row("b.jpg", IsDeleteMarker="True", Size="0"),
        row("c.jpg", StorageClass="Archive"),
        row("d/"),
        row("e.txt"),
        row("f.jpg", Size="0"),
    ]
    found, counted = from_bucket(delivered(rows))
    assert keys(found) == ["a.jpg"]
    assert counted.not_selected == {
        NotSelected.OLD_VERSION: 1,
        NotSelected.DELETE_MARKER: 1,
        NotSelected.ARCHIVED: 1,
        NotSelected.DIRECTORY: 1,
        NotSelected.NOT_AN_IMAGE: 1,
        NotSelected.EMPTY: 1,
    }
    assert counted.listed == counted.selected + counted.not_selected.total() == 7


def test_deletions_of_the_incremental_form_are_no_objects() -> None:
    columns = (*FIELDS, "RecordType")
    rows = [row("a.jpg", RecordType="PutObject"), row("b.jpg", RecordType="DeleteObject")]
    found, counted = from_bucket(delivered(rows, incremental=True, columns=columns))
    assert keys(found) == ["a.jpg"]
    assert counted.not_selected == {NotSelected.DELETE_MARKER: 1}


def test_filters_apply_as_to_a_prefix() -> None:
    rows = [
        row("a.jpg"),
        row("draft/a.jpg"),
        row("new.jpg", LastModifiedDate="2026-11-23T07:00:00.000Z"),
        row("large.jpg", Size="2000000"),
    ]
    found, counted = from_bucket(delivered(rows), ', exclude: ["draft/*"], modified_before: 1d, max_size: 1MB')
    assert keys(found) == ["a.jpg"]
    assert counted.not_selected == {NotSelected.FILTERED: 3}


@pytest.mark.parametrize(
    ("fields", "filters", "reason"),
    [
        ({"Key": "%FF.jpg"}, "", "the key is not UTF-8 text"),
        ({"Bucket": "other"}, "", "the row is of the bucket 'other', the inventory of 'photos'"),
        ({"Size": "7k"}, "", "the size '7k' is not that of an object in bytes"),
        ({"Size": "9" * 5000}, "", "9' is not that of an object in bytes"),
        ({"LastModifiedDate": "yesterday"}, ", modified_after: 7d", "the date 'yesterday' is not one"),
    ],
)
def test_a_bad_row_says_why_and_where_and_the_others_go_on(fields: dict[str, str], filters: str, reason: str) -> None:
    found, _ = from_bucket(delivered([row("a.jpg"), row("bad.jpg", **fields), row("b.jpg")]), filters)
    good, bad, next_good = found
    assert isinstance(bad, BadSource)
    assert reason in bad.reason
    assert bad.place.endswith(".csv.gz:2")
    assert (good.key, next_good.key) == ("a.jpg", "b.jpg")


def test_rows_of_another_form_are_bad_one_by_one() -> None:
    inventory = delivered([row("a.jpg")], fileSchema="Bucket, Key")
    assert keys(from_bucket(inventory)[0]) == ["!the row has 9 fields, the inventory has 2 columns"]


def test_no_row_of_a_file_is_trusted_before_its_checksum_is_right() -> None:
    inventory = delivered([row("a.jpg")], [row("b.jpg")])
    data = sorted(key for key in inventory.objects if key.endswith(".gz"))
    inventory.objects[data[1]] = inventory.objects[data[0]]
    job = manifest(f"inventory: 'oss://logs/{inventory.manifest}'")
    bucket = Bucket(contents=inventory.objects)
    seen: list[str] = []

    async def main() -> None:
        with Files(bucket) as files:
            async for source, _ in Enumeration(job, Shard(0, 1), bucket, files, ()).planned():
                seen.append(source.key)

    with pytest.raises(UsageError, match=r"745a29e3-1\.csv\.gz is not the file of the inventory: its MD5 is"):
        asyncio.run(main())
    assert seen == ["a.jpg"]


def test_files_are_fetched_at_their_turn_and_take_no_room_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inventory = delivered(*([row(f"{number}.jpg")] for number in range(4)))
    most = 0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, sum(len(files) for _, _, files in os.walk(tmp_path)))

    bucket = Bucket(contents=inventory.objects, before=look)
    found, _ = read(f"inventory: 'oss://logs/{inventory.manifest}'", bucket)
    assert keys(found) == [f"{number}.jpg" for number in range(4)]
    assert most == 2  # the manifest.json, and the file that is being fetched
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "filters", "reason"),
    [
        ({"sourceBucket": "other"}, "", "the inventory is one of the bucket 'other', the entry is of 'photos'"),
        ({"fileFormat": "ORC"}, "", "an inventory in 'ORC'"),
        ({"fileSchema": "Bucket, Size"}, "", "has no column Key"),
        ({"fileSchema": "Bucket, Key"}, ", min_size: 1", "has no column Size"),
        ({"fileSchema": "Bucket, Key"}, ", max_size: 1", "has no column Size"),
        ({"fileSchema": "Bucket, Key"}, ", modified_before: 1d", "has no column LastModifiedDate"),
        ({"files": [{"key": "a.csv.gz"}]}, "", "no manifest.json of an inventory"),
        ({"files": [{"key": "a.csv.gz", "MD5checksum": ""}]}, "", "'a.csv.gz' has no MD5 checksum"),
        ({"files": [{"key": "data/..", "MD5checksum": "0" * 32}]}, "", "no name"),
        ({"fileSchema": None}, "", "no manifest.json of an inventory"),
    ],
)
def test_a_manifest_json_that_cannot_be_used_is_told_before_anything_is_sent(
    tmp_path: Path, changes: dict[str, object], filters: str, reason: str
) -> None:
    path = copied(delivered([row("a.jpg")], **changes), tmp_path)  # type: ignore[arg-type]  # changes are of manifest.json
    with pytest.raises(UsageError, match=reason) as caught:
        with_files(manifest(f"{{inventory: '{path}'{filters}}}", PIPELINE, tmp_path))
    assert caught.value.problems[0].line == 5
    assert caught.value.problems[0].mend


def test_a_manifest_json_may_be_nested_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"more": ' + "[" * 5000)
    with pytest.raises(UsageError, match=r"no manifest\.json of an inventory"):
        with_files(manifest(f"{{inventory: '{path}'}}", PIPELINE, tmp_path))


def test_a_file_that_was_not_copied_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    path = copied(delivered([row("a.jpg")]), tmp_path)
    (data,) = (tmp_path / "lists/photos/nightly/data").iterdir()
    data.unlink()
    with pytest.raises(UsageError, match=r"745a29e3-0\.csv\.gz of the inventory .* is not there"):
        with_files(manifest(f"inventory: '{path}'", PIPELINE, tmp_path))
    (path.parent / data.name).touch()
    with_files(manifest(f"inventory: '{path}'", PIPELINE, tmp_path))


def test_the_name_of_the_destination_may_be_that_of_a_resource() -> None:
    inventory = delivered([row("a.jpg")], destination="acs:oss:::logs")
    found, _ = from_bucket(inventory)
    assert keys(found) == ["a.jpg"]


def test_a_row_that_is_not_csv_costs_one_line() -> None:
    inventory = delivered([row("a.jpg"), row("b.jpg")], incremental=True)
    (data,) = (key for key in inventory.objects if key.endswith(".csv"))
    content = b'"photos","broken\n' + inventory.objects[data]
    said = inventory.objects[inventory.manifest].decode()
    old, new = (
        hashlib.md5(text, usedforsecurity=False).hexdigest().upper() for text in (inventory.objects[data], content)
    )
    inventory.objects[data] = content
    inventory.objects[inventory.manifest] = said.replace(old, new).encode()
    first, *others = keys(from_bucket(inventory)[0])
    assert first.startswith("!the row is not CSV")
    assert others == ["a.jpg", "b.jpg"]


def test_a_file_that_is_gone_when_its_turn_comes_is_told(tmp_path: Path) -> None:
    path = copied(delivered([row("a.jpg")]), tmp_path)
    entry = inventory_at(str(path))
    file = File(entry.place, "data.csv.gz", str(tmp_path / "none"))
    inventory = read_inventory(entry, local(entry))
    with pytest.raises(UsageError, match=r"data\.csv\.gz cannot be read: No such file"):
        list(rows_of_inventory(entry, inventory, inventory.files[0], file))
