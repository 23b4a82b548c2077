"""A tour of everything that the local OSS does, guided by each official SDK in turn."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable

import pytest
from alibabacloud_oss_v2.aio import AsyncClient

from tests.witness.conftest import KEYS
from tests.witness.guides import GUIDES, LACKING, Guide, Head, Page
from tests.witness.sdks import NODE_MODULES, Refused, SavedAs
from worker.emulator.operations import OPERATIONS
from worker.emulator.server import LocalOSS
from worker.emulator.store import Store
from worker.oss.names import ObjectRef
from worker.oss.process import saveas

Stop = Callable[[Guide], None]
PART = b"0123456789" * 10_240  # 100 KiB, the least that a part may have which is not the last
BODY = bytes(range(256)) * 8
KEY = "dir/照片 +1.bin"


def etag_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest().upper()


def list_buckets(guide: Guide) -> None:
    assert guide.list_buckets() == ["photos", "renditions"]


def put_bucket(guide: Guide) -> None:
    guide.put_bucket("new-bucket", "public-read")
    assert guide.get_bucket_acl("new-bucket") == "public-read"
    assert "new-bucket" in guide.list_buckets()
    guide.delete_bucket("new-bucket")


def delete_bucket(guide: Guide) -> None:
    guide.put_bucket("new-bucket", "private")
    guide.delete_bucket("new-bucket")
    assert "new-bucket" not in guide.list_buckets()
    guide.put_object(KEY, BODY, {})
    with pytest.raises(Refused) as caught:
        guide.delete_bucket("photos")
    assert (caught.value.http, caught.value.code) == (409, "BucketNotEmpty")


def bucket_acl(guide: Guide) -> None:
    for acl in ("public-read-write", "public-read", "private"):
        guide.put_bucket_acl("photos", acl)
        assert guide.get_bucket_acl("photos") == acl


def get_bucket_location(guide: Guide) -> None:
    assert guide.get_bucket_location("photos") == "oss-cn-hangzhou"


def get_bucket_info(guide: Guide) -> None:
    assert guide.get_bucket_info("photos") == ("oss-cn-hangzhou", "private")
    with pytest.raises(Refused) as caught:
        guide.get_bucket_info("not-there")
    assert (caught.value.http, caught.value.code) == (404, "NoSuchBucket")


def listed(guide: Guide, ask: Callable[[str, str, str, int], Page]) -> None:
    keys = ["list/a", "list/b c+d", "list/sub/e", "list/sub/f", "list/照片/g"]
    for key in keys:
        guide.put_object(key, b"", {})
    assert ask("list/", "", "", 100) == Page(keys, [], "")
    found, prefixes, following, count = list[str](), list[str](), "", 0
    while following or not count:
        page = ask("list/", "/", following, 1)
        found, prefixes, following, count = found + page.keys, prefixes + page.prefixes, page.following, count + 1
    assert (found, prefixes, count) == (keys[:2], ["list/sub/", "list/照片/"], 4)


def list_objects(guide: Guide) -> None:
    listed(guide, guide.list_objects)


def list_objects_v2(guide: Guide) -> None:
    listed(guide, guide.list_objects_v2)


def styles(guide: Guide) -> None:
    guide.put_style("small", "image/resize,w_40")
    assert guide.get_style("small") == "image/resize,w_40"
    assert guide.list_style() == ["small"]
    guide.delete_style("small")
    assert guide.list_style() == []


def objects(guide: Guide) -> None:
    guide.put_object(KEY, BODY, {"place": "here"})
    assert guide.get_object(KEY) == BODY
    assert guide.head_object(KEY) == Head(len(BODY), etag_of(BODY), "Normal", {"place": "here"}, 0)
    assert guide.get_object_meta(KEY) == (len(BODY), etag_of(BODY))
    guide.delete_object(KEY)
    with pytest.raises(Refused) as caught:
        guide.get_object(KEY)
    assert (caught.value.http, caught.value.code) == (404, "NoSuchKey")


def copy_object(guide: Guide) -> None:
    guide.put_object(KEY, BODY, {"place": "here"})
    guide.copy_object(KEY, "copy/雪 +.bin")
    assert guide.get_object("copy/雪 +.bin") == BODY
    assert guide.head_object("copy/雪 +.bin").meta == {"place": "here"}


def append_object(guide: Guide) -> None:
    guide.delete_object("log")
    assert guide.append_object("log", 0, b"one") == 3
    assert guide.append_object("log", 3, b"two") == 6
    assert guide.get_object("log") == b"onetwo"
    assert guide.head_object("log").type == "Appendable"
    with pytest.raises(Refused) as caught:
        guide.append_object("log", 3, b"three")
    assert (caught.value.http, caught.value.code) == (409, "PositionNotEqualToLength")


def symlinks(guide: Guide) -> None:
    guide.put_object(KEY, BODY, {})
    guide.put_symlink("link", KEY)
    assert guide.get_symlink("link") == KEY
    assert guide.get_object("link") == BODY
    assert guide.head_object("link").type == "Symlink"


def object_acl(guide: Guide) -> None:
    guide.put_object(KEY, BODY, {})
    assert guide.get_object_acl(KEY) == "default"
    for acl in ("public-read", "private", "default"):
        guide.put_object_acl(KEY, acl)
        assert guide.get_object_acl(KEY) == acl


def tags(guide: Guide) -> None:
    guide.put_object(KEY, BODY, {})
    guide.put_object_tagging(KEY, {"a": "1", "b c": "d/e=f"})
    assert guide.get_object_tagging(KEY) == {"a": "1", "b c": "d/e=f"}
    assert guide.head_object(KEY).tags == 2
    guide.delete_object_tagging(KEY)
    assert guide.get_object_tagging(KEY) == {}


def delete_multiple_objects(guide: Guide) -> None:
    keys = ["many/a", "many/b & <c>", "many/照片 +"]
    for key in keys:
        guide.put_object(key, b"", {})
    assert guide.delete_multiple_objects(keys, quiet=False) == keys
    assert guide.list_objects("many/", "", "", 10).keys == []


def uploads_in_parts(guide: Guide) -> None:
    guide.put_object("source", BODY, {})
    upload = guide.initiate(KEY)
    assert guide.list_uploads("dir/") == [(KEY, upload)]
    etags = [guide.upload_part(KEY, upload, 1, PART), guide.upload_part_copy(KEY, upload, 2, "source", 10, 99)]
    assert guide.list_parts(KEY, upload) == [(1, len(PART)), (2, 90)]
    etag = guide.complete(KEY, upload, etags)
    assert guide.get_object(KEY) == PART + BODY[10:100]
    assert guide.head_object(KEY) == Head(len(PART) + 90, etag, "Multipart", {}, 0)
    assert guide.list_uploads("") == []
    upload = guide.initiate(KEY)
    guide.upload_part(KEY, upload, 1, PART)
    guide.abort(KEY, upload)
    assert guide.list_uploads("") == []
    with pytest.raises(Refused) as caught:
        guide.list_parts(KEY, upload)
    assert (caught.value.http, caught.value.code) == (404, "NoSuchUpload")


def process_object(guide: Guide) -> None:
    target = ObjectRef("renditions", "thumbs/小 1.png")
    saved = guide.process_object("picture.jpg", saveas("image/resize,w_40/format,png", target))
    assert saved == SavedAs("renditions", target.key, saved.size, "OK")
    assert saved.size > 0


def async_process_object(guide: Guide) -> None:
    with pytest.raises(Refused) as caught:
        guide.async_process_object("picture.jpg", saveas("image/resize,w_40", ObjectRef("renditions", "b.jpg")))
    assert (caught.value.http, caught.value.code) == (400, "InvalidArgument")


# Where the tour stops, and what is to be seen there.
TOUR: dict[Stop, tuple[str, ...]] = {
    list_buckets: ("ListBuckets",),
    put_bucket: ("PutBucket",),
    delete_bucket: ("DeleteBucket",),
    bucket_acl: ("PutBucketAcl", "GetBucketAcl"),
    get_bucket_location: ("GetBucketLocation",),
    get_bucket_info: ("GetBucketInfo",),
    list_objects: ("ListObjects",),
    list_objects_v2: ("ListObjectsV2",),
    styles: ("PutStyle", "GetStyle", "ListStyle", "DeleteStyle"),
    objects: ("PutObject", "GetObject", "HeadObject", "GetObjectMeta", "DeleteObject"),
    copy_object: ("CopyObject",),
    append_object: ("AppendObject",),
    symlinks: ("PutSymlink", "GetSymlink"),
    object_acl: ("PutObjectAcl", "GetObjectAcl"),
    tags: ("PutObjectTagging", "GetObjectTagging", "DeleteObjectTagging"),
    delete_multiple_objects: ("DeleteMultipleObjects",),
    uploads_in_parts: (
        *("InitiateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"),
        *("AbortMultipartUpload", "ListParts", "ListMultipartUploads"),
    ),
    process_object: ("ProcessObject",),
    async_process_object: ("AsyncProcessObject",),
}


def lacking(name: str) -> dict[str, str]:
    """Of what a guide says of itself that its SDK has not."""
    return LACKING.get(name) or LACKING.get(name.rpartition(" ")[0]) or {}


@pytest.fixture
async def toured(store: Store) -> AsyncIterator[tuple[str, list[str]]]:
    """A server, and the operations that it is asked for."""
    seen: list[str] = []
    async with LocalOSS(store, [KEYS], on_request=lambda operation, _: seen.append(operation)) as server:
        yield server.url, seen


@pytest.mark.parametrize("name", GUIDES)
async def test_an_sdk_leads_through_everything(
    name: str, toured: tuple[str, list[str]], store: Store, jpeg: bytes
) -> None:
    url, seen = toured
    with GUIDES[name](url, KEYS) as guide:
        await asyncio.to_thread(guide.put_object, "picture.jpg", jpeg, {})
        for stop, sights in TOUR.items():
            if set(sights) & set(lacking(name)):
                assert set(sights) <= set(lacking(name)), "half of a stop cannot be left out"
                continue
            seen.clear()
            try:
                await asyncio.to_thread(stop, guide)
            except Exception as error:
                raise AssertionError(f"{stop.__name__}, after {seen}: {error!r}") from error
            assert set(sights) <= set(seen), stop.__name__


def test_the_tour_leaves_nothing_out() -> None:
    sights = [sight for each in TOUR.values() for sight in each]
    assert sorted(sights) == sorted(OPERATIONS)


def test_what_an_sdk_is_said_to_lack_it_lacks() -> None:
    assert not [name for name in LACKING["v2 async"].values() if hasattr(AsyncClient, name)]


def test_what_ali_oss_is_said_to_lack_it_lacks() -> None:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "ali-oss").is_dir():
        pytest.skip("ali-oss: there is no node on this machine, or it is not installed")
    names = json.dumps(list(LACKING["ali-oss"].values()))
    script = f"const OSS = require('ali-oss'); console.log({names}.filter((name) => OSS.prototype[name]).length)"
    ran = subprocess.run([node, "-e", script], env={"NODE_PATH": str(NODE_MODULES)}, capture_output=True, check=True)
    assert ran.stdout.strip() == b"0"


@pytest.mark.parametrize("name", ["v2 sync", "ali-oss V4"])
async def test_quietly_many_objects_go(name: str, toured: tuple[str, list[str]], store: Store) -> None:
    with GUIDES[name](toured[0], KEYS) as guide:
        await asyncio.to_thread(guide.put_object, KEY, BODY, {})
        deleted = await asyncio.to_thread(lambda: guide.delete_multiple_objects([KEY], quiet=True))
    assert deleted == []
    assert store.stat("photos", KEY) is None
