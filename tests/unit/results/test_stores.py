"""Both kinds of store keep the same promises."""

import os
from pathlib import Path

import pytest

from tests.fakes import refused, script
from tests.unit.results.objects import LOST, Objects
from worker.errors import AccessError, UsageError
from worker.oss.answer import Answer
from worker.results.directory import DirectoryStore
from worker.results.store import GoneError, Store, Stored, StoreError, TakenError


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return DirectoryStore(tmp_path / "copies") if request.param == "directory" else Objects().store()


async def names(store: Store, below: str = "") -> list[str]:
    return sorted(file.name for file in await store.files(below))


async def test_where_nothing_was_written_there_is_nothing(store: Store) -> None:
    assert await store.files() == []
    assert await store.files("checkpoint/") == []


async def test_what_is_created_is_listed_and_read(store: Store) -> None:
    for number in range(8):  # more than a page of the bucket
        await store.create(f"run-{number}/a.jsonl", b"0123456789")
    await store.create("checkpoint/1.json", b"")
    assert await names(store) == ["checkpoint/1.json", *(f"run-{number}/a.jsonl" for number in range(8))]
    (listed,) = await store.files("checkpoint/")
    assert (listed.name, listed.size) == ("checkpoint/1.json", 0)
    file = next(file for file in await store.files() if file.name == "run-3/a.jsonl")
    assert file.size == 10
    assert await store.read(file, 0, 100) == b"0123456789"
    assert await store.read(file, 3, 4) == b"3456"


async def test_a_name_is_given_once_but_the_same_content_twice_is_no_trouble(store: Store) -> None:
    for _ in range(2):
        await store.create("run/a.jsonl", b"one")
        await store.create("run/empty.jsonl", b"")
    for other in (b"two", b"three", b""):
        with pytest.raises(TakenError):
            await store.create("run/a.jsonl", other)
    assert await names(store) == ["run/a.jsonl", "run/empty.jsonl"]
    (file, _) = sorted(await store.files(), key=lambda file: file.name)
    assert await store.read(file, 0, 10) == b"one"


async def test_what_is_gone_is_told_as_gone(store: Store) -> None:
    await store.create("run/a.jsonl", b"one")
    (file,) = await store.files()
    for _ in range(2):
        await store.delete(file.name)
    assert await names(store) == []
    with pytest.raises(GoneError):
        await store.read(file, 0, 3)


async def test_a_directory_leaves_out_what_is_being_written_and_says_where_a_file_is(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.a.jsonl.123").write_bytes(b"half")
    (tmp_path / "run/broken.jsonl").symlink_to(tmp_path / "nowhere")
    assert await names(store) == []
    assert store.path("run/a.jsonl") == f"{tmp_path}/run/a.jsonl"


async def test_a_directory_that_cannot_be_read_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(StoreError, match="Is a directory"):
        await DirectoryStore(tmp_path).read(
            Stored("run", 5, (await DirectoryStore(tmp_path.parent).files())[0].modified), 0, 5
        )


async def test_a_file_system_without_links_gives_names_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)  # not ours: there is no such file system at hand
    store = DirectoryStore(tmp_path)
    for _ in range(2):
        await store.create("run/a.jsonl", b"one")
    with pytest.raises(TakenError):
        await store.create("run/a.jsonl", b"two")
    assert await names(store) == ["run/a.jsonl"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["a.jsonl"]


async def test_a_put_that_landed_though_its_answer_was_lost_is_recognised() -> None:
    objects = Objects(lands=True)
    objects.trouble = lambda request: LOST if request.method == "PUT" and len(objects.asked) == 1 else None
    store = objects.store()
    with pytest.raises(StoreError, match=r"oss://results/logs/copies/run/a\.jsonl: ConnectionLost"):
        await store.create("run/a.jsonl", b"one")
    await store.create("run/a.jsonl", b"one")
    assert objects.contents == {"logs/copies/run/a.jsonl": b"one"}
    # Whoever writes has a patience of its own.
    assert objects.impatient == len(objects.asked)


@pytest.mark.parametrize("listing", [True, False])
async def test_that_a_put_has_landed_is_not_taken_for_granted(listing: bool) -> None:
    objects = Objects({"logs/copies/run/a.jsonl": b"one"})
    objects.trouble = lambda request: LOST if request.method == "GET" and bool(request.query) is listing else None
    with pytest.raises(StoreError, match="ConnectionLost"):
        await objects.store().create("run/a.jsonl", b"one")


async def test_a_bucket_is_below_its_prefix() -> None:
    objects = Objects({"other": b"", "logs/copies2/run/a.jsonl": b"", "copies/run/b.jsonl": b"b"})
    assert await names(objects.store()) == []
    store = objects.store("copies")
    assert await names(store) == ["run/b.jsonl"]
    assert store.path("run/b.jsonl") == "oss://results/copies/run/b.jsonl"


async def test_reading_says_whose_fault_it_is() -> None:
    objects = Objects({"logs/copies/run/a.jsonl": b"one"})
    store = objects.store()
    (file,) = await store.files()
    cases: list[tuple[Answer, type[Exception], str]] = [
        (refused(404, "NoSuchBucket"), UsageError, "the bucket 'results' does not exist"),
        (refused(403, "SignatureDoesNotMatch"), AccessError, "mend: "),
        (refused(403, "AccessDenied"), StoreError, "mend: allow oss:ListObjects"),
        (refused(503, "ServiceUnavailable"), StoreError, "ServiceUnavailable"),
    ]
    for refusal, kind, text in cases:
        objects.trouble = script(refusal)
        with pytest.raises(kind, match=text):
            await store.files()
        with pytest.raises(kind, match=text):
            await store.read(file, 0, 3)
        # Who writes tries again, whatever it is.
        with pytest.raises(StoreError):
            await store.create("run/b.jsonl", b"two")
        with pytest.raises(StoreError):
            await store.delete("run/b.jsonl")


async def test_a_short_piece_is_no_answer() -> None:
    objects = Objects({"logs/copies/run/a.jsonl": b"one"})
    store = objects.store()
    (file,) = await store.files()
    objects.contents["logs/copies/run/a.jsonl"] = b"one and more"
    assert await store.read(file, 0, 100) == b"one"
    objects.trouble = lambda _: refused(206, "")
    with pytest.raises(StoreError, match="bytes of an object, where 3 are due"):
        await store.read(file, 0, 3)
