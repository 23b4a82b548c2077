"""Stores keep what they are given under any key, and nothing else."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.client import Client, unsigned
from tests.examples import examples
from worker.emulator.folder_store import FolderStore
from worker.emulator.layout import plain_segments
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Content, Description, Guard, ObjectType, Store, StoredObject, put
from worker.oss.names import key_problem

HARD = ["a", "a/b", "a//b", "a/", "a/../b", "..", ".", "a/.", ".oss", ".oss/x", ".ossuary", "a\\b", "C:", "con\x01trol"]
HARD += [
    "A",
    "照片/雪 山.jpg",
    "e\u0301",
    "\u00e9",
    "+%20 (1)&='\"?#",
    "x" * 200,
    "x" * 201,
    "k" * 1023,
    "-",
    "a-b",
    "a.b",
]
SEGMENTS = st.one_of(
    st.sampled_from(
        ["a", "b", "A", "..", ".", "", ".oss", "a.b", "-", " ", "\\", ":", "\x00", "雪", "z" * 200, "z" * 201]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
KEYS = st.one_of(st.sampled_from(HARD), st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)).filter(
    lambda key: key_problem(key) is None
)

Make = Callable[[Path], Store]


def folder(root: Path) -> Store:
    return FolderStore(root)


def memory(_: Path) -> Store:
    return MemoryStore()


def body_of(content: Content | None) -> bytes:
    assert content is not None
    with content:
        return content.file.read()


def listed(store: Store, prefix: str = "", start: bytes = b"") -> list[str]:
    return list(store.keys("bucket", prefix, start))


def in_order(keys: Sequence[str] | set[str]) -> list[str]:
    return sorted(keys, key=str.encode)


@pytest.mark.parametrize("make", [folder, memory])
@settings(examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(keys=st.lists(KEYS, max_size=12), gone=st.sets(st.integers(0, 11)), prefix=KEYS, start=KEYS)
def test_any_keys_come_back_with_their_bytes_and_in_byte_order(
    make: Make, keys: list[str], gone: set[int], prefix: str, start: str
) -> None:
    with TemporaryDirectory() as directory:
        store = make(Path(directory, "root"))
        store.make_bucket("bucket")
        model: dict[str, bytes] = {}
        for index, key in enumerate(keys):
            model[key] = f"{index}:{key}".encode()
            put(store, "bucket", key, model[key], {"x-oss-meta-key": str(index)})
        for index in gone:
            if index < len(keys) and keys[index] in model:
                del model[keys[index]]
                store.delete("bucket", keys[index])
        assert {key: body_of(store.open("bucket", key)) for key in model} == model
        assert listed(store) == in_order(set(model))
        assert listed(store, prefix[:2], start.encode()) == [
            key for key in in_order(set(model)) if key.startswith(prefix[:2]) and key.encode() >= start.encode()
        ]
        assert all(store.stat("bucket", key) is None for key in keys if key not in model)
        assert [path.relative_to(directory).as_posix() for path in Path(directory).glob("*/*")] in ([], ["root/bucket"])


def test_the_hardest_keys_are_there_together_and_for_the_next_process(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    for key in HARD:
        put(store, "bucket", key, key.encode(), {"content-type": "text/plain", "x-oss-meta-a": "b"})
    again = FolderStore(tmp_path)
    assert listed(again) == in_order(HARD)
    for key in HARD:
        stored = again.stat("bucket", key)
        assert stored is not None
        assert stored.headers == {"content-type": "text/plain", "x-oss-meta-a": "b"}
        assert body_of(again.open("bucket", key)) == key.encode()


def test_a_plain_key_is_a_plain_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "dir/照片 1.jpg", b"picture")
    assert (tmp_path / "bucket/dir/照片 1.jpg").read_bytes() == b"picture"


@pytest.mark.parametrize("key", ["a/../b", "a//b", "a/", ".oss/x", "a\\b", "a:b", "x" * 201, "a\x7fb", "a\x85b", "./a"])
def test_a_key_that_is_no_safe_path_is_stowed_away_with_its_name_beside(tmp_path: Path, key: str) -> None:
    assert plain_segments(key) is None
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", key, b"bytes")
    stowed = {path.suffix: path for path in (tmp_path / "bucket/.oss/objects").iterdir()}
    assert stowed[""].read_bytes() == b"bytes"
    assert stowed[".key"].read_bytes() == key.encode()
    assert [path.name for path in (tmp_path / "bucket").iterdir()] == [".oss"]


def test_a_key_below_another_key_does_not_disturb_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"file")
    put(store, "bucket", "a/b", b"below")
    put(store, "bucket", "c/d", b"below")
    put(store, "bucket", "c", b"file")
    assert [body_of(store.open("bucket", key)) for key in ("a", "a/b", "c", "c/d")] == [
        b"file",
        b"below",
        b"file",
        b"below",
    ]
    store.delete("bucket", "a")
    assert listed(store) == ["a/b", "c", "c/d"]


def test_files_dropped_in_and_changed_by_hand_are_seen(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a.jpg", b"first", {"content-type": "image/jpeg", "x-oss-meta-a": "b"})
    (tmp_path / "bucket/sub").mkdir()
    (tmp_path / "bucket/sub/dropped.png").write_bytes(b"dropped")
    before = store.stat("bucket", "a.jpg")
    (tmp_path / "bucket/a.jpg").write_bytes(b"other bytes")
    after = store.stat("bucket", "a.jpg")
    assert before is not None
    assert after is not None
    assert before.headers["x-oss-meta-a"] == "b"
    assert after.headers == {}, "headers belong to the bytes they were stored with"
    assert before.digest.etag == "8B04D5E3775D298E78455EFC5CA404D5"
    assert before.digest.etag != after.digest.etag
    assert listed(store) == ["a.jpg", "sub/dropped.png"]


DAMAGED = [
    f'{{"files": [{described}]}}'
    for described in (
        '{"file": %s, "etag": "zz", "crc64": 1, "headers": {}}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": [1, 2]}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {"content-type": 5}}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {"a\\nb": "c"}}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {}, "type": "Odd"}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {}, "own_etag": "\\n"}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {}, "acl": "anybody"}',
        '{"file": %s, "etag": "8B04D5E3775D298E78455EFC5CA404D5", "crc64": 1, "headers": {}, "tags": [["a"]]}',
    )
]


@pytest.mark.parametrize("damaged", [*DAMAGED, "[" * 100_000])
def test_a_damaged_sidecar_costs_the_description_alone(tmp_path: Path, damaged: str) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    stored = put(store, "bucket", "a", b"first", {"x-oss-meta-a": "b"})
    (sidecar,) = (tmp_path / "bucket/.oss/headers").iterdir()
    status = (tmp_path / "bucket/a").stat()
    place = f"[{status.st_size}, {status.st_mtime_ns}, {status.st_ino}]"
    sidecar.write_text(damaged.replace("%s", place))
    found = FolderStore(tmp_path).stat("bucket", "a")
    assert found is not None
    assert (found.digest, found.description) == (stored.digest, Description())
    assert put(FolderStore(tmp_path), "bucket", "a", b"second").size == 6


def test_a_sidecar_of_an_older_version_is_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"first")
    (sidecar,) = (tmp_path / "bucket/.oss/headers").iterdir()
    status = (tmp_path / "bucket/a").stat()
    place = f"[{status.st_size}, {status.st_mtime_ns}, {status.st_ino}]"
    etag = "8B04D5E3775D298E78455EFC5CA404D5"
    sidecar.write_text(
        f'{{"files": [{{"file": {place}, "etag": "{etag}", "crc64": 1, "headers": {{"x-oss-meta-a": "b"}}}}]}}'
    )
    found = FolderStore(tmp_path).stat("bucket", "a")
    assert found is not None
    assert (found.etag, found.description) == (etag, Description({"x-oss-meta-a": "b"}))


FULL = Description(
    {"content-type": "text/x", "x-oss-meta-a": "b"},
    ObjectType.MULTIPART,
    "8B04D5E3775D298E78455EFC5CA404D5-3",
    ACL.PUBLIC_READ,
    (("b", "2"), ("a", "")),
)


@pytest.mark.parametrize("make", [folder, memory])
def test_a_description_is_kept_and_changed_while_the_bytes_stay(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    store.make_bucket("bucket")
    upload = store.upload("bucket", "a//b")
    upload.write(b"bytes")
    first = upload.commit(FULL)
    assert store.stat("bucket", "a//b") == first
    assert (first.description, first.etag) == (FULL, FULL.etag)
    changed = store.describe("bucket", "a//b", lambda described: replace(described, tags=(), acl=ACL.PRIVATE))
    assert changed == replace(first, description=replace(FULL, tags=(), acl=ACL.PRIVATE))
    assert store.stat("bucket", "a//b") == changed
    if isinstance(store, FolderStore):
        assert FolderStore(tmp_path).stat("bucket", "a//b") == changed
    touched = store.describe("bucket", "a//b", lambda described: replace(described, acl=ACL.DEFAULT), touch=True)
    assert changed is not None
    assert touched is not None
    assert touched.modified > changed.modified
    changed = replace(changed, modified=touched.modified, description=replace(FULL, tags=(), acl=ACL.DEFAULT))
    assert touched == store.stat("bucket", "a//b") == changed
    if isinstance(store, FolderStore):
        assert FolderStore(tmp_path).stat("bucket", "a//b") == changed
    assert body_of(store.open("bucket", "a//b")) == b"bytes"
    assert store.describe("bucket", "missing", lambda described: described) is None
    with pytest.raises(ZeroDivisionError):
        store.describe("bucket", "a//b", lambda _: 1 / 0)  # type: ignore[arg-type,return-value]  # it raises
    assert store.stat("bucket", "a//b") == changed


def test_a_description_that_another_process_has_changed_is_seen(tmp_path: Path) -> None:
    store, other = FolderStore(tmp_path), FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"bytes")
    assert other.stat("bucket", "a") == store.stat("bucket", "a")
    other.describe("bucket", "a", lambda _: FULL)
    found = store.stat("bucket", "a")
    assert found is not None
    assert found.description == FULL


def test_a_file_that_a_person_dropped_can_be_described_and_another_one_in_its_place_is_normal(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket/a").write_bytes(b"dropped")
    store.describe("bucket", "a", lambda _: FULL)
    found = FolderStore(tmp_path).stat("bucket", "a")
    assert found is not None
    assert (found.description, found.digest.etag) == (FULL, md5(b"dropped", usedforsecurity=False).hexdigest().upper())
    (tmp_path / "bucket/a").write_bytes(b"dropped anew")
    found = store.stat("bucket", "a")
    assert found is not None
    assert found.description == Description()


@pytest.mark.parametrize("make", [folder, memory])
def test_a_guard_sees_what_is_there_and_keeps_it(make: Make, tmp_path: Path) -> None:
    store = make(tmp_path)
    store.make_bucket("bucket")
    seen: list[StoredObject | None] = []

    def commit(guard: Guard) -> StoredObject:
        upload = store.upload("bucket", "a")
        try:
            upload.write(b"bytes")
            return upload.commit(Description(), guard)
        finally:
            upload.discard()

    def refuse(current: StoredObject | None) -> None:
        raise KeyError(current)

    first = commit(seen.append)
    second = commit(seen.append)
    assert seen == [None, first]
    with pytest.raises(KeyError):
        commit(refuse)
    assert store.stat("bucket", "a") == second


def test_what_a_person_puts_among_the_stowed_objects_is_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a/../b", b"stowed")
    objects = tmp_path / "bucket/.oss/objects"
    for name, key in (("x", b"\xff"), ("y", b"elsewhere")):
        (objects / name).write_bytes(b"dropped")
        (objects / f"{name}.key").write_bytes(key)
    assert listed(store) == ["a/../b"]


def test_a_key_whose_whole_path_is_too_long_is_an_object_like_any_other(tmp_path: Path) -> None:
    root, key = tmp_path.joinpath(*["d" * 200] * 17), "/".join(["k" * 190] * 5)
    try:
        store = FolderStore(root)
        store.make_bucket("bucket")
        put(store, "bucket", key, b"deep")
        assert listed(store) == [key]
        content = store.open("bucket", key)
        assert content is not None
        with content:
            assert content.file.read() == b"deep"
        store.delete("bucket", key)
        assert listed(store) == []
    finally:
        shutil.rmtree(tmp_path / ("d" * 200))  # not every tool can remove what lies that deep


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_bucket_made_outside_the_calendar_is_as_old_as_its_folder(tmp_path: Path, text: str) -> None:
    FolderStore(tmp_path).make_bucket("bucket")
    (tmp_path / "bucket/.oss/created").write_text(text)
    bucket = FolderStore(tmp_path).bucket("bucket")
    assert bucket is not None
    assert abs(bucket.created - time.time()) < 86_400


def test_a_file_dropped_over_a_stowed_object_takes_its_place_and_is_listed_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"in the way")
    put(store, "bucket", "a/b", b"stowed")
    (tmp_path / "bucket/a").unlink()
    (tmp_path / "bucket/a").mkdir()
    (tmp_path / "bucket/a/b").write_bytes(b"dropped")
    assert listed(store) == ["a/b"]
    assert body_of(store.open("bucket", "a/b")) == b"dropped"
    store.delete("bucket", "a/b")
    assert listed(store) == []
    assert store.stat("bucket", "a/b") is None


def test_an_object_that_finds_its_plain_path_free_again_leaves_nothing_stowed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"in the way")
    put(store, "bucket", "a/b", b"stowed")
    store.delete("bucket", "a")
    put(store, "bucket", "a/b", b"plain")
    (tmp_path / "bucket/a/b").unlink()
    assert store.stat("bucket", "a/b") is None
    assert list((tmp_path / "bucket/.oss/objects").iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    store = FolderStore(tmp_path / "root")
    store.make_bucket("bucket")
    bucket = tmp_path / "root/bucket"
    (bucket / "link").symlink_to(secret / "file")
    (bucket / "linked").symlink_to(secret)
    (tmp_path / "root/linked-bucket").symlink_to(secret)
    assert listed(store) == []
    assert store.stat("bucket", "link") is None
    assert store.stat("bucket", "linked/file") is None
    assert store.bucket("linked-bucket") is None
    put(store, "bucket", "link", b"mine")
    put(store, "bucket", "linked/file", b"mine")
    assert (secret / "file").read_bytes() == b"secret"
    assert listed(store) == ["link", "linked/file"]
    assert body_of(store.open("bucket", "linked/file")) == b"mine"


def test_what_is_no_object_is_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    (tmp_path / "bucket/empty").mkdir()
    os.mkfifo(tmp_path / "bucket/pipe")
    (tmp_path / "bucket/back\\slash").write_bytes(b"not a plain name")
    Path(os.fsdecode(os.fsencode(tmp_path / "bucket") + b"/\xff")).write_bytes(b"not UTF-8")
    (tmp_path / "file").write_bytes(b"not a bucket")
    (tmp_path / "Not-A-Bucket").mkdir()
    assert listed(store) == []
    assert store.stat("bucket", "pipe") is None
    assert [bucket.name for bucket in store.buckets()] == ["bucket"]


def test_an_upload_that_is_given_up_leaves_the_old_object_and_no_trace(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a", b"old")
    upload = store.upload("bucket", "a")
    upload.write(b"half of the new")
    upload.discard()
    assert body_of(store.open("bucket", "a")) == b"old"
    assert list((tmp_path / "bucket/.oss/uploads").iterdir()) == []


def test_what_was_opened_stays_what_it_was(tmp_path: Path) -> None:
    for store in (FolderStore(tmp_path), MemoryStore()):
        store.make_bucket("bucket")
        put(store, "bucket", "a", b"old")
        content = store.open("bucket", "a")
        put(store, "bucket", "a", b"newer")
        assert body_of(content) == b"old"
        assert body_of(store.open("bucket", "a")) == b"newer"


def test_a_deleted_object_leaves_no_folder_in_the_way_of_another(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "a/b/c", b"deep")
    store.delete("bucket", "a/b/c")
    put(store, "bucket", "a", b"file")
    assert (tmp_path / "bucket/a").read_bytes() == b"file"


def tree(root: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in [root, *root.rglob("*")])


def read_everything(store: FolderStore) -> list[object]:
    """What every method says that only reads."""
    found: list[object] = [store.buckets(), store.bucket("bucket"), store.styles("bucket"), store.style("bucket", "a")]
    for key in ("a.jpg", "missing", "a:b", "x//y"):
        content = store.open("bucket", key)
        found += [store.stat("bucket", key), content and body_of(content)]
    return [*found, listed(store), listed(store, "a")]


def test_reading_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (tmp_path / "bucket/a.jpg").write_bytes(b"dropped")
    store = FolderStore(tmp_path)
    before = tree(tmp_path)
    read_everything(store)
    store.delete("bucket", "missing")
    store.delete_style("bucket", "missing")
    assert tree(tmp_path) == before


@contextmanager
def nobody() -> Iterator[None]:
    """As a user who may not write everywhere, as root may."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_root_that_cannot_be_written_is_read_and_its_writing_refused() -> None:
    with TemporaryDirectory() as directory:
        root = Path(directory)
        store = FolderStore(root)
        store.make_bucket("bucket")
        for key in ("a.jpg", "a:b", "sub/c"):
            put(store, "bucket", key, key.encode(), {"content-type": "text/x"})
        store.put_style("bucket", "a", "image/resize,w_1")
        wanted = read_everything(store)
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for path in folders:
            path.chmod(0o555)
        try:
            with nobody():
                store = FolderStore(root)
                assert read_everything(store) == wanted
                with pytest.raises(PermissionError):
                    put(store, "bucket", "new", b"")
                with pytest.raises(PermissionError):
                    store.make_bucket("other")
                assert asyncio.run(refused_over_http(store)) == (200, 403, b"AccessDenied")
        finally:
            for path in folders:
                path.chmod(0o755)


async def refused_over_http(store: Store) -> tuple[int, int, bytes]:
    async with LocalOSS(store, auth=False) as server:
        client = Client(server.url, sign=unsigned)
        found, refused = await client.get("bucket", "a.jpg"), await client.put("bucket", "new", b"x")
    return found.status, refused.status, refused.body.partition(b"<Code>")[2].partition(b"<")[0]


def created(root: Path) -> float:
    bucket = FolderStore(root).bucket("bucket")
    assert bucket is not None
    return bucket.created


def test_a_bucket_says_when_it_was_made_whatever_happens_to_its_folder(tmp_path: Path) -> None:
    began = time.time()
    FolderStore(tmp_path).make_bucket("bucket")
    at = created(tmp_path)
    assert began - 1 <= at <= time.time()
    (tmp_path / "bucket/.oss/created").write_text("2020-02-02T02:02:02+00:00")
    (tmp_path / "bucket").chmod(0o700)
    FolderStore(tmp_path).make_bucket("bucket")
    assert created(tmp_path) == 1580608922


def test_a_folder_that_a_person_made_says_so_from_its_first_change_on(tmp_path: Path) -> None:
    for name in ("acl", "description"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_bytes(b"x")
        store = FolderStore(tmp_path)
        first = store.bucket(name)
        if name == "acl":
            store.put_acl(name, ACL.PUBLIC_READ)
        else:
            store.describe(name, "a", lambda old: old)
        assert first is not None
        assert (tmp_path / name / ".oss/created").exists()
        again = FolderStore(tmp_path).bucket(name)
        assert again is not None
        assert again.created == int(first.created)


def test_a_folder_that_a_person_made_is_a_bucket_made_when_it_was_first_seen(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    os.utime(tmp_path / "bucket", (1_580_608_922, 1_580_608_922))
    store = FolderStore(tmp_path)
    assert [bucket.created for bucket in store.buckets()] == [1580608922]
    (tmp_path / "bucket/a.jpg").write_bytes(b"dropped")
    assert [bucket.created for bucket in store.buckets()] == [1580608922]
    put(store, "bucket", "b.jpg", b"")
    assert created(tmp_path) == 1580608922, "written down with the first object"
    (tmp_path / "bucket/.oss/created").write_text("soon")
    assert abs(created(tmp_path) - time.time()) < 86_400, "what is no time is no record"
