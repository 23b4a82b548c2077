"""ListObjects and ListObjectsV2: every parameter, against a plain model of what a page is."""

import asyncio
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from hypothesis import example, given
from hypothesis import strategies as st

from tests.emulator.client import Client
from tests.examples import examples
from worker.emulator.access.accounts import Account
from worker.emulator.access.identity import Identity
from worker.emulator.budget import SHARED
from worker.emulator.call import Call, Service
from worker.emulator.folder_store import FolderStore
from worker.emulator.layout import stowed_name
from worker.emulator.memory_store import MemoryStore
from worker.emulator.operations.listing import list_objects, page_of
from worker.emulator.store import Store, StoredObject, put
from worker.oss.request import Request
from worker.oss.signing import Credentials

KEYS = st.lists(st.text("ab/-", min_size=1, max_size=6).filter(lambda key: key[0] != "/"), max_size=25, unique=True)


def model(keys: Sequence[str], prefix: str, delimiter: str, start: str) -> list[str]:
    """What a listing without pages holds: objects and common prefixes, told apart by `|`."""
    entries = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix) or key.encode() <= start.encode():
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = f"|{key[: end + len(delimiter)]}" if end >= 0 else key
        if entry not in entries:
            entries.append(entry)
    return entries


def filled(store: Store, keys: Sequence[str]) -> Store:
    store.make_bucket("bucket")
    for key in keys:
        put(store, "bucket", key, b"")
    return store


@examples(120)
@given(
    keys=KEYS,
    prefix=st.sampled_from(["", "a", "a/", "b-", "a/b"]),
    delimiter=st.sampled_from(["", "/", "-", "ab", "b/"]),
    start=st.sampled_from(["", "a", "a/", "a/b", "b"]),
    limit=st.integers(1, 4),
    on_disk=st.booleans(),
)
def test_pages_together_are_the_whole_listing(
    keys: list[str], prefix: str, delimiter: str, start: str, limit: int, on_disk: bool
) -> None:
    with TemporaryDirectory() as directory:
        store = filled(FolderStore(Path(directory)) if on_disk else MemoryStore(), keys)
        found: list[str] = []
        following: bytes | None = start.encode() + b"\0" if start else b""
        while following is not None:
            page = page_of(store, "bucket", prefix=prefix, delimiter=delimiter, start=following, limit=limit)
            assert len(page.entries) <= limit
            assert page.following is None or len(page.entries) == limit
            found += [entry.key if isinstance(entry, StoredObject) else f"|{entry}" for entry in page.entries]
            following = page.following
        assert found == model(keys, prefix, delimiter, start)


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def first_page(store: Store, query: dict[str, str]) -> Element:
    with ThreadPoolExecutor(1) as pictures:
        service = Service(store, ("cn-hangzhou",), time.time, pictures, SHARED, threading.Event())
        identity = Identity(Account(Credentials("", "")))
        answer = await list_objects(Call(Request("GET", "bucket"), query, {}, nothing(), service, identity))
    assert isinstance(answer.body, bytes)
    return ElementTree.fromstring(answer.body)


async def all_pages(store: Store, query: dict[str, str]) -> list[str]:
    """The entries of all pages of ListObjects, each begun where NextMarker says."""
    found: list[str] = []
    while True:
        root = await first_page(store, query)
        page = [*texts(root, "Contents/Key"), *(f"|{prefix}" for prefix in texts(root, "CommonPrefixes/Prefix"))]
        page.sort(key=lambda entry: entry.removeprefix("|").encode())
        assert len(page) <= int(query["max-keys"])
        assert not set(page) & set(found)
        found += page
        following = texts(root, "NextMarker")
        assert texts(root, "IsTruncated") == ["true" if following else "false"]
        if not following:
            return found
        assert following == [page[-1].removeprefix("|")]
        query = {**query, "marker": following[0]}


@examples(200)
@example(keys=["a/x", "a/y", "b"], prefix="", delimiter="/", start="", limit=1, on_disk=False)
@given(
    keys=KEYS,
    prefix=st.sampled_from(["", "a", "a/", "b-", "a/b"]),
    delimiter=st.sampled_from(["", "/", "-", "ab", "b/"]),
    start=st.sampled_from(["", "a", "aa", "b", "ba"]),
    limit=st.integers(1, 4),
    on_disk=st.booleans(),
)
def test_pages_by_marker_together_are_the_whole_listing(
    keys: list[str], prefix: str, delimiter: str, start: str, limit: int, on_disk: bool
) -> None:
    with TemporaryDirectory() as directory:
        store = filled(FolderStore(Path(directory)) if on_disk else MemoryStore(), keys)
        query = {"prefix": prefix, "delimiter": delimiter, "marker": start, "max-keys": f"{limit}"}
        assert asyncio.run(all_pages(store, query)) == model(keys, prefix, delimiter, start)


async def listing(client: Client, *query: tuple[str, str], version: int = 2) -> Element:
    answer = await client.get("photos", "", *([("list-type", "2")] if version == 2 else []), *query)
    assert answer.status == 200, answer.body
    return ElementTree.fromstring(answer.body)


def texts(root: Element, path: str) -> list[str]:
    return [element.text or "" for element in root.findall(path)]


async def test_a_listing_says_all_that_is_documented(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a/1.jpg", b"12345")
    put(store, "photos", "a/2.jpg", b"")
    put(store, "photos", "b.jpg", b"")
    root = await listing(client, ("prefix", "a"), ("delimiter", "."), ("start-after", "a/"), ("fetch-owner", "true"))
    assert {child.tag for child in root} == {
        *("Name", "Prefix", "StartAfter", "MaxKeys", "Delimiter", "IsTruncated", "KeyCount", "CommonPrefixes")
    }
    assert texts(root, "CommonPrefixes/Prefix") == ["a/1.", "a/2."]
    assert texts(root, "KeyCount") == ["2"]
    root = await listing(client, ("max-keys", "1"), ("fetch-owner", "true"))
    assert {child.tag for child in root.findall("Contents/*")} == {
        *("Key", "LastModified", "ETag", "Type", "Size", "StorageClass", "Owner")
    }
    assert texts(root, "Contents/ETag") == ['"827CCB0EEA8A706C4C34A16891F84E7B"']
    assert texts(root, "Contents/Size") == ["5"]
    assert texts(root, "Contents/LastModified") == ["2026-11-23T08:30:00.000Z"]
    assert texts(root, "IsTruncated") == ["true"]


async def test_a_listing_by_marker_says_all_that_is_documented(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a/1.jpg", b"12345")
    put(store, "photos", "a/2.jpg", b"")
    query = [("prefix", "a"), ("delimiter", "."), ("marker", "a/"), ("max-keys", "1")]
    root = await listing(client, *query, version=1)
    assert [child.tag for child in root] == [
        *("Name", "Prefix", "Marker", "MaxKeys", "Delimiter", "IsTruncated", "NextMarker", "CommonPrefixes")
    ]
    assert [texts(root, tag) for tag in ("Marker", "NextMarker", "CommonPrefixes/Prefix")] == [
        ["a/"],
        ["a/1."],
        ["a/1."],
    ]
    root = await listing(client, version=1)
    assert {child.tag for child in root.findall("Contents/*")} == {
        *("Key", "LastModified", "ETag", "Type", "Size", "StorageClass", "Owner")
    }
    assert texts(root, "Contents/Owner/ID") == ["1000000000000000"] * 2
    # What was not asked for is there, and empty (documented).
    assert [texts(root, tag) for tag in ("Marker", "Delimiter", "MaxKeys")] == [[""], [""], ["100"]]
    assert texts(root, "IsTruncated") == ["false"]
    assert texts(root, "NextMarker") == []


async def test_the_token_goes_on_where_the_page_ended(client: Client, store: MemoryStore) -> None:
    keys = sorted((f"照片 {index}+&.jpg" for index in range(7)), key=str.encode)
    for key in keys:
        put(store, "photos", key, b"")
    found, token = [], ""
    while True:
        query = [("max-keys", "3"), ("encoding-type", "url")]
        root = await listing(client, *query, *([("continuation-token", token)] if token else []))
        found += [unquote(key) for key in texts(root, "Contents/Key")]
        assert texts(root, "ContinuationToken") == ([token] if token else [])
        (token,) = texts(root, "NextContinuationToken") or [""]
        if not token:
            break
    assert found == keys


async def test_start_after_is_not_listed_itself(client: Client, store: MemoryStore) -> None:
    for key in ("a", "a\x01", "b"):
        put(store, "photos", key, b"")
    root = await listing(client, ("start-after", "a"), ("encoding-type", "url"))
    assert texts(root, "Contents/Key") == ["a%01", "b"]


async def test_without_max_keys_a_page_has_a_hundred(client: Client, store: MemoryStore) -> None:
    for index in range(101):
        put(store, "photos", f"{index}", b"")
    root = await listing(client)
    assert len(texts(root, "Contents/Key")) == 100
    assert texts(root, "MaxKeys") == ["100"]


async def test_encoded_listings_encode_all_that_holds_keys(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "é/a\x01b.jpg", b"")
    put(store, "photos", "é/a&/c", b"")
    query = (("encoding-type", "url"), ("prefix", "é/"), ("delimiter", "/"), ("start-after", "é/a"))
    root = await listing(client, *query)
    assert texts(root, "EncodingType") == ["url"]
    assert texts(root, "Prefix") == ["%C3%A9%2F"]
    assert texts(root, "Delimiter") == ["%2F"]
    assert texts(root, "StartAfter") == ["%C3%A9%2Fa"]
    assert texts(root, "Contents/Key") == ["%C3%A9%2Fa%01b.jpg"]
    assert texts(root, "CommonPrefixes/Prefix") == ["%C3%A9%2Fa%26%2F"]
    by_marker = (("encoding-type", "url"), ("prefix", "é/"), ("delimiter", "/"), ("marker", "é/a"), ("max-keys", "1"))
    root = await listing(client, *by_marker, version=1)
    assert texts(root, "EncodingType") == ["url"]
    assert [texts(root, tag)[0] for tag in ("Prefix", "Delimiter", "Marker")] == ["%C3%A9%2F", "%2F", "%C3%A9%2Fa"]
    assert texts(root, "Contents/Key") == texts(root, "NextMarker") == ["%C3%A9%2Fa%01b.jpg"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max-keys", value) for value in ("0", "1001", "-1", "x", "1.5", "²")),
        ("encoding-type", "base64"),
        ("continuation-token", "!"),
        *((name, "x" * 1024) for name in ("prefix", "delimiter", "marker", "start-after")),
    ],
)
async def test_bad_arguments_are_refused_by_name(client: Client, name: str, value: str) -> None:
    query = [] if name == "marker" else [("list-type", "2")]
    answer = await client.get("photos", "", *query, (name, value))
    assert answer.status == 400
    assert ElementTree.fromstring(answer.body).findtext("Code") == "InvalidArgument"
    assert ElementTree.fromstring(answer.body).findtext("ArgumentName") == name


async def test_a_key_that_xml_cannot_hold_is_never_listed_as_another(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a\x01b", b"")
    answer = await client.get("photos", "", ("list-type", "2"))
    assert b"<Key>a&#x1;b</Key>" in answer.body
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(answer.body)


async def test_buckets_are_listed_by_name_and_page(client: Client, store: MemoryStore) -> None:
    for name in ("renditions", "archive", "photos-2"):
        store.make_bucket(name)
    root = ElementTree.fromstring((await client.get("")).body)
    assert texts(root, "Buckets/Bucket/Name") == ["archive", "photos", "photos-2", "renditions"]
    assert texts(root, "IsTruncated") == ["false"]
    root = ElementTree.fromstring((await client.get("", "", ("prefix", "photos"), ("max-keys", "1"))).body)
    assert texts(root, "Buckets/Bucket/Name") == ["photos"]
    assert texts(root, "NextMarker") == ["photos"]
    root = ElementTree.fromstring((await client.get("", "", ("prefix", "photos"), ("marker", "photos"))).body)
    assert texts(root, "Buckets/Bucket/Name") == ["photos-2"]


async def test_a_bucket_says_where_it_is(client: Client) -> None:
    root = ElementTree.fromstring((await client.get("photos", "", ("bucketInfo", ""))).body)
    assert texts(root, "Bucket/Location") == ["oss-cn-hangzhou"]
    assert texts(root, "Bucket/ExtranetEndpoint") == ["oss-cn-hangzhou.aliyuncs.com"]
    assert texts(root, "Bucket/CreationDate") == ["2026-11-23T08:30:00.000Z"]


async def test_listing_does_not_read_objects_beyond_the_page(tmp_path: Path) -> None:
    store = filled(FolderStore(tmp_path), [f"{index:03}" for index in range(50)])
    unreadable = tmp_path / "bucket/030"
    unreadable.unlink()
    unreadable.mkdir()
    (unreadable / "x").symlink_to("/nowhere")
    page = page_of(store, "bucket", prefix="", delimiter="", start=b"", limit=30)
    assert [entry.key for entry in page.entries if isinstance(entry, StoredObject)][-1] == "029"
    assert page.following == b"031"


class CountingStore(FolderStore):
    """Counts the objects that are looked at, and the directories that are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.looked_at = 0

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        self.looked_at += 1
        return super().stat(bucket, key)


@pytest.fixture
def short_lived() -> Iterator[Path]:
    """A folder that is gone at once: many files are not kept for a look at them."""
    with TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.mark.parametrize(
    "per_folder", [pytest.param(60, id="few"), pytest.param(1000, id="100,000", marks=pytest.mark.chaos)]
)
def test_a_page_looks_at_its_own_objects_and_holds_few_names(short_lived: Path, per_folder: int) -> None:
    store = CountingStore(short_lived)
    store.make_bucket("bucket")
    for folder in range(100):
        path = short_lived / f"bucket/{folder:02d}"
        path.mkdir()
        for number in range(per_folder):
            os.close(os.open(path / f"{number:03d}.jpg", os.O_CREAT))
    listed = partial(page_of, store, "bucket", prefix="", delimiter="", limit=per_folder)
    listed(start=b"")  # what is imported and remembered once is not of the page
    store.looked_at = 0
    tracemalloc.start()
    try:
        page = listed(start=b"50/030.jpg")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [entry.key for entry in page.entries if isinstance(entry, StoredObject)][:: per_folder - 1] == [
        "50/030.jpg",
        "51/029.jpg",
    ]
    assert page.following == b"51/030.jpg"
    assert store.looked_at == per_folder
    assert peak < 100_000 + per_folder * 5000, "all keys alone would take more"
    folders = page_of(store, "bucket", prefix="", delimiter="/", start=b"", limit=1000)
    assert len(folders.entries) == 100
    assert store.looked_at == per_folder, "folders are told without looking at any object"


def crammed(root: Path | None, count: int) -> Store:
    """So many objects: in the folder, half of them are stowed away."""
    if root is None:
        return filled(MemoryStore(), [f"{number:06d}{':'[number % 2 :]}" for number in range(count)])
    store = FolderStore(root)
    store.make_bucket("bucket")
    put(store, "bucket", "stowed:", b"")  # and with it the folders for such
    folder, stowed = root / "bucket", root / "bucket/.oss/objects"
    for number in range(count):
        key = f"{number:06d}{':'[number % 2 :]}"
        if number % 2:
            os.close(os.open(folder / key, os.O_CREAT))
        else:
            os.close(os.open(stowed / stowed_name(key), os.O_CREAT))
            (stowed / f"{stowed_name(key)}.key").write_bytes(key.encode())
    for path in (folder, stowed):
        os.utime(path, (0, 0))  # as if nothing had changed for long
    return store


def work_of(store: Store, start: bytes, delimiter: str = "") -> int:
    """How many functions are called to make a page of a hundred."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        page = page_of(store, "bucket", prefix="", delimiter=delimiter, start=start, limit=100)
    finally:
        sys.setprofile(None)
    assert len(page.entries) == 100
    return calls


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "folder"])
@pytest.mark.parametrize("count", [4000, pytest.param(100_000, marks=pytest.mark.chaos)])
def test_a_page_costs_the_same_wherever_it_is_and_however_many_objects_there_are(
    short_lived: Path, count: int, on_disk: bool
) -> None:
    for name in ("small", "large"):
        (short_lived / name).mkdir()
    small = crammed(short_lived / "small" if on_disk else None, 400)
    large = crammed(short_lived / "large" if on_disk else None, count)
    starts = [b"", f"{count // 2:06d}".encode(), f"{count - 150:06d}".encode()]
    for delimiter in ("", "0:", ":"):
        least = work_of(small, b"", delimiter) and work_of(small, b"", delimiter)  # the second time: all is warm
        for start in starts:
            work_of(large, start, delimiter)
            assert work_of(large, start, delimiter) < 1.1 * least + 100


def test_keys_may_come_and_go_while_they_are_listed(tmp_path: Path) -> None:
    for store in (MemoryStore(), FolderStore(tmp_path)):
        filled(store, [f"{number:04d}:" for number in range(500)])
        found = []
        for key in store.keys("bucket", "", b""):
            found.append(key)
            if key == "0010:":
                store.delete("bucket", "0005:")
                store.delete("bucket", "0400:")
                put(store, "bucket", "0003:a", b"")
        assert len(found) == len(set(found))
        assert set(found) >= {f"{number:04d}:" for number in range(500)} - {"0005:", "0400:"}


def test_stowed_keys_are_seen_when_another_process_writes_them(tmp_path: Path) -> None:
    store, other = filled(FolderStore(tmp_path), ["a:"]), FolderStore(tmp_path)
    assert list(store.keys("bucket", "", b"")) == ["a:"]
    put(other, "bucket", "b:", b"")
    assert list(store.keys("bucket", "", b"")) == ["a:", "b:"]
    other.delete("bucket", "a:")
    assert list(store.keys("bucket", "", b"")) == ["b:"]
