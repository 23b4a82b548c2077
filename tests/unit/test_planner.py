"""The planner: sources and pipelines to tasks."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from worker.batch.manifest import Manifest
from worker.batch.planner import BadSource, BadTask, PlannedTask, plan_source
from worker.batch.reader import parse_manifest
from worker.batch.selection import SourceObject
from worker.batch.task import Shard, Task, target_digest
from worker.oss.names import ObjectRef

ALL = Shard(0, 1)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TEXT = """
version: 1
job: nightly
bucket: photos
sources:
  - objects: [a.jpg]
  - {list: keys.txt, etag: ignore}
pipelines:
  - name: thumb
    process: image/resize,w_100
    target: {bucket: renditions, key: "thumbs/{key}"}
  - name: hero
    actions: [{format: webp}]
    revision: 3
    target: {key: "hero/{stem}.{ext}"}
"""
MANIFEST = parse_manifest(TEXT, "job.yaml", NOW)
OBJECTS, LISTED = MANIFEST.sources
A = SourceObject("photos", "dir/a.jpg", "ABC", 12, place="job.yaml:6")


def plan(
    source: SourceObject | BadSource, manifest: Manifest = MANIFEST, shard: Shard = ALL
) -> list[PlannedTask | BadTask]:
    return list(plan_source(source, OBJECTS, manifest, shard))


def bad(source: SourceObject, manifest: Manifest = MANIFEST) -> list[BadTask]:
    found = plan(source, manifest)
    assert all(isinstance(item, BadTask) for item in found)
    return [item for item in found if isinstance(item, BadTask)]


def test_a_source_goes_through_each_pipeline_in_their_order() -> None:
    ref = ObjectRef("photos", "dir/a.jpg")
    thumb, hero = ObjectRef("renditions", "thumbs/dir/a.jpg"), ObjectRef("photos", "hero/a.webp")
    assert plan(A) == [
        PlannedTask(Task("thumb", ref, "ABC", 12, "image/resize,w_100", thumb), target_digest(thumb)),
        PlannedTask(Task("hero", ref, "ABC", 12, "image/format,webp", hero, "3"), target_digest(hero)),
    ]


def test_an_entry_that_ignores_etags_has_the_empty_one_and_an_unknown_one_stays_unknown() -> None:
    ignoring = plan_source(A, LISTED, MANIFEST, ALL)
    assert [item.task.etag for item in ignoring if isinstance(item, PlannedTask)] == ["", ""]
    unknown = plan(replace(A, etag=None))
    assert [item.task.etag for item in unknown if isinstance(item, PlannedTask)] == [None, None]


@pytest.mark.parametrize(
    ("bucket", "key", "reason"),
    [
        ("photos", "", "cannot be empty"),
        ("photos", "/a.jpg", "cannot begin with"),
        ("photos", "\\a.jpg", "cannot begin with"),
        ("photos", "x" * 1024, "at most 1023 bytes"),
        ("photos", "\ud800", "UTF-8"),
        ("Photos", "a.jpg", "3 to 63 lower-case"),
        ("", "a.jpg", "3 to 63 lower-case"),
    ],
)
def test_a_row_that_names_no_object_is_one_bad_task_per_pipeline(bucket: str, key: str, reason: str) -> None:
    found = bad(SourceObject(bucket, key, place="keys.txt:7"))
    assert [item.pipeline for item in found] == ["thumb", "hero"]
    written = key.encode(errors="backslashreplace").decode()
    for item in found:
        assert (item.source.bucket, item.source.key, item.source.place) == (bucket, written, "keys.txt:7")
        assert reason in item.source.reason


def test_a_row_that_was_bad_when_it_was_read_stays_so() -> None:
    source = BadSource("photos", "", "keys.csv:3", "a row of 2 columns, not 3")
    assert plan(source) == [BadTask("thumb", source), BadTask("hero", source)]


def test_a_key_with_a_brace_is_bad_only_where_the_target_would_hold_it() -> None:
    thumb, hero = plan(replace(A, key="{year}/a.jpg"))
    assert isinstance(thumb, BadTask)
    assert thumb.pipeline == "thumb"
    assert "holds a brace, which OSS would expand" in thumb.source.reason
    assert isinstance(hero, PlannedTask)
    assert hero.task.target.key == "hero/a.webp"


def test_a_target_that_is_too_long_is_bad_though_its_source_is_not() -> None:
    long = "x" * 1020
    thumb, hero = plan(replace(A, key=long))
    assert isinstance(thumb, BadTask)
    assert "at most 1023 bytes" in thumb.source.reason
    assert thumb.source.key == long
    assert isinstance(hero, BadTask)


def test_a_row_value_that_would_change_the_recipe_is_bad() -> None:
    text = TEXT.replace("- objects: [a.jpg]", "- csv: keys.csv\n    columns: [key, width]").replace(
        "w_100", "w_{row.width}"
    )
    text = text.replace("  - {list: keys.txt, etag: ignore}\n", "")
    manifest = parse_manifest(text, "job.yaml", NOW)
    good, _ = plan(replace(A, row={"width": "77"}), manifest)
    assert isinstance(good, PlannedTask)
    assert good.task.process == "image/resize,w_77"
    for width in ("", "77/rotate,90", "77,h_1", "0", "wide"):
        thumb, hero = plan(replace(A, row={"width": width}), manifest)
        assert isinstance(thumb, BadTask), width
        assert isinstance(hero, PlannedTask), width


def test_each_task_and_each_bad_row_is_in_exactly_one_shard() -> None:
    sources = [replace(A, key=f"{number}.jpg") for number in range(20)]
    sources += [SourceObject("photos", "", place=f"keys.txt:{number}") for number in range(20)]
    whole = [item for source in sources for item in plan(source)]
    parts = [[item for source in sources for item in plan(source, shard=Shard(index, 4))] for index in range(4)]
    assert len(whole) == 80
    assert sum(map(len, parts)) == 80
    assert all(item in whole for part in parts for item in part)
    for kind in (PlannedTask, BadTask):
        assert all(any(isinstance(item, kind) for item in part) for part in parts)
    for index, part in enumerate(parts):
        assert all(Shard(index, 4).holds(item.digest) for item in part if isinstance(item, PlannedTask))
