"""Everything that a manifest's sources hold: counted, selected, each task once; and the spool with its proof."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.bucket import Bucket
from tests.unit.sources.jobs import PIPELINE, manifest
from worker.batch.entry import PrefixSource
from worker.batch.manifest import Manifest
from worker.batch.planner import BadTask, PlannedTask
from worker.batch.proof import own_targets
from worker.batch.selection import NotSelected
from worker.batch.task import Shard, target_digest
from worker.errors import UsageError
from worker.oss.names import ObjectRef
from worker.sources.enumeration import Enumeration, Planned
from worker.sources.files import Files
from worker.sources.proving import Proof

WHOLE = Shard(0, 1)


def enumeration(job: Manifest, keys: list[str] | None = None, shard: Shard = WHOLE, **sizes: int) -> Enumeration:
    bucket = Bucket(keys or [], {name.replace("__", "/") + ".jpg": size for name, size in sizes.items()})
    return Enumeration(job, shard, bucket, Files(bucket), own_targets(job))


def names(items: list[Planned]) -> list[str]:
    return [
        item.task.target.key if isinstance(item, PlannedTask) else f"!{item.source.key}: {item.source.reason}"
        for item in items
    ]


async def streamed(tested: Enumeration) -> list[Planned]:
    return [item async for item in tested.streamed()]


def spooled(tested: Enumeration, guarded: list[PrefixSource] | None = None) -> tuple[list[Planned], int]:
    async def main() -> tuple[list[Planned], int]:
        with Proof(guarded or []) as spool:
            await spool.fill(tested)
            return [item async for item in spool.tasks()], spool.count

    return asyncio.run(main())


async def test_it_is_known_which_pipeline_writes_a_target() -> None:
    pipelines = PIPELINE + PIPELINE.partition("\n")[2].replace("small", "big")
    job = manifest("prefix: in/", pipelines)
    keys = ["in/a.jpg", "in/b.jpg"]
    tested = enumeration(job, keys)
    assert len(await streamed(tested)) == 4
    with Proof([]) as spool:
        await spool.fill(enumeration(job, keys))
        for writer_of in (tested.writer_of, spool.writer_of):
            for name in ("small", "big"):
                assert writer_of(target_digest(ObjectRef("renditions", f"{name}/in/b.jpg"))) == name
            assert writer_of(target_digest(ObjectRef("renditions", "small/in/c.jpg"))) is None


async def test_what_was_listed_is_what_was_selected_and_what_was_not() -> None:
    job = manifest('prefix: in/\n{prefix: other/, exclude: ["*draft*"]}')
    tested = enumeration(
        job, ["in/a.jpg", "in/b.txt", "in/dir/", "in/zero.jpg", "other/draft.png", "other/x.png"], in__zero=0
    )
    assert names(await streamed(tested)) == ["small/in/a.jpg", "small/other/x.png"]
    assert tested.not_selected == {
        NotSelected.NOT_AN_IMAGE: 1,
        NotSelected.DIRECTORY: 1,
        NotSelected.EMPTY: 1,
        NotSelected.FILTERED: 1,
    }
    assert (tested.listed, tested.selected, tested.duplicates, tested.empty) == (6, 2, 0, [])


async def test_sources_met_again_are_one_task_and_counted_apart() -> None:
    tested = enumeration(manifest("prefix: in/\nobjects: [in/a.jpg, b.jpg]"), ["in/a.jpg"])
    assert names(await streamed(tested)) == ["small/in/a.jpg", "small/b.jpg"]
    assert (tested.listed, tested.selected, tested.duplicates) == (3, 3, 1)


async def test_entries_that_select_nothing_are_told_unless_that_is_normal() -> None:
    job = manifest("prefix: in/\nprefix: nothing/\n{prefix: none/, empty: ok}\n{prefix: new/, modified_after: 7d}")
    tested = enumeration(job, ["in/a.jpg"])
    await streamed(tested)
    assert tested.empty == [job.sources[1]]


async def test_the_entries_of_a_shard_are_judged_before_sharding() -> None:
    for index in range(5):
        tested = enumeration(manifest("prefix: in/"), ["in/a.jpg"], Shard(index, 5))
        await streamed(tested)
        assert (tested.selected, tested.empty) == (1, [])


@given(count=st.integers(1, 7), keys=st.sets(st.text("abc/", min_size=1, max_size=5), max_size=20))
def test_the_tasks_of_all_shards_are_those_of_the_whole(count: int, keys: set[str]) -> None:
    job = manifest("prefix: in/")
    listed = [f"in/{key}_.jpg" for key in keys]
    whole = asyncio.run(streamed(enumeration(job, listed)))
    parts = [asyncio.run(streamed(enumeration(job, listed, Shard(index, count)))) for index in range(count)]
    assert Counter(names([item for part in parts for item in part])) == Counter(names(whole))
    assert len(whole) == len(keys)


async def test_bad_rows_are_a_failure_for_each_pipeline(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_bytes(b"a.jpg\n/bad.jpg\n\n" + b"x" * 1024 + b"\n")
    two = PIPELINE + PIPELINE.replace("pipelines:\n", "").replace("small", "large")
    tested = enumeration(manifest("list: keys.txt", two, tmp_path))
    found = await streamed(tested)
    bad = [item for item in found if isinstance(item, BadTask)]
    assert (len(found), len(bad), tested.selected) == (8, 6, 4)
    assert {item.source.place for item in bad} == {f"{tmp_path}/keys.txt:{number}" for number in (2, 3, 4)}
    assert {item.pipeline for item in bad} == {"small", "large"}


async def test_own_targets_are_not_sources() -> None:
    job = manifest(
        'prefix: ""',
        PIPELINE.replace("bucket: renditions, ", ""),
        more="allow: [target-in-source]\n",
    )
    tested = enumeration(job, ["a.jpg", "small/a.jpg"])
    assert names(await streamed(tested)) == ["small/a.jpg"]
    assert tested.not_selected == {NotSelected.OWN_TARGET: 1}


STEM = PIPELINE.replace("{key}", "{stem}.jpg")


def test_a_spool_gives_back_all_tasks_in_their_order() -> None:
    keys = [f"in/{number:05}.jpg" for number in range(2500)]
    job = manifest("prefix: in/\nobjects: [z.jpg, a.jpg]")
    tasks, count = spooled(enumeration(job, keys))
    direct = asyncio.run(streamed(enumeration(job, keys)))
    assert tasks == direct
    assert count == len(tasks) == 2502


def test_a_spool_keeps_rows_that_are_bad_and_counts_duplicates(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_bytes(b"a.jpg\na.jpg\n\nb.jpg\n\xff\n")
    tested = enumeration(manifest("list: keys.txt", directory=tmp_path))
    tasks, count = spooled(tested)
    assert names(tasks) == [
        "small/a.jpg",
        "!: an object key cannot be empty",
        "small/b.jpg",
        "!: the line is not UTF-8 text",
    ]
    assert (count, tested.duplicates) == (4, 1)


def test_two_sources_with_one_target_are_a_collision_that_names_both() -> None:
    with pytest.raises(UsageError) as caught:
        spooled(enumeration(manifest("objects: [a.jpg, a.png, b.jpg]", STEM)))
    assert "a.jpg" in str(caught.value)
    assert "a.png" in str(caught.value)
    (problem,) = caught.value.problems
    assert "small/{stem}.jpg" in problem.excerpt[problem.column - 1 :]


def test_different_rows_with_one_target_are_a_collision(tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_bytes(b"a.jpg,4\na.jpg,5\n")
    by_row = PIPELINE.replace("w_4", "w_{row.width}").replace("small/{key}", "{key}.jpg")
    with pytest.raises(UsageError, match="two tasks write"):
        spooled(enumeration(manifest("{csv: keys.csv, columns: [key, width]}", by_row, tmp_path)))


def test_no_more_problems_are_told_than_anybody_reads() -> None:
    keys = ", ".join(f"{number}.{kind}" for number in range(100) for kind in ("jpg", "png"))
    with pytest.raises(UsageError) as caught:
        spooled(enumeration(manifest(f"objects: [{keys}]", STEM)))
    assert len(caught.value.problems) == 20


def test_a_template_that_collides_everywhere_is_not_read_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "keys.txt").write_text("".join(f"{number}/a.jpg\n" for number in range(5000)))
    tested = enumeration(manifest("list: keys.txt", STEM, tmp_path))
    with pytest.raises(UsageError) as caught:
        spooled(tested)
    assert len(caught.value.problems) == 20
    assert tested.listed < 2000


def test_tasks_met_again_in_a_later_batch_are_duplicates(tmp_path: Path) -> None:
    lines = "".join(f"{number}.jpg\n" for number in range(1500))
    (tmp_path / "keys.txt").write_text(lines + lines)
    tested = enumeration(manifest("list: keys.txt", directory=tmp_path))
    tasks, count = spooled(tested)
    assert (len(tasks), count, tested.duplicates, tested.listed) == (1500, 1500, 1500, 3000)


def test_a_target_that_is_a_source_is_refused() -> None:
    at_home = PIPELINE.replace("bucket: renditions, ", "").replace("small/{key}", "{stem}.png")
    with pytest.raises(UsageError, match="is its own source"):
        spooled(enumeration(manifest("objects: [a.png]", at_home)))
    with pytest.raises(UsageError, match="is a source of this job, too"):
        spooled(enumeration(manifest("objects: [a.jpg, x/a.png, a.png]", at_home)))


def test_a_target_below_a_source_prefix_is_refused() -> None:
    job = manifest("objects: [in/a.jpg]\nprefix: out/", PIPELINE.replace("bucket: renditions", "bucket: photos"))
    guarded = [PrefixSource(job.sources[0].place, "photos", "small/in/")]
    with pytest.raises(UsageError, match="below a source prefix"):
        spooled(enumeration(job), guarded)


def test_a_spool_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(UsageError):
        spooled(enumeration(manifest("objects: [a.jpg, a.png]", STEM)))
    spooled(enumeration(manifest("objects: [a.jpg]")))
    assert list(tmp_path.iterdir()) == []
