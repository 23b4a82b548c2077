"""Buckets: where they are, who may do what with them, and when they can be deleted."""

import asyncio
from pathlib import Path

import pytest
from defusedxml import ElementTree

from tests.emulator.client import Client
from tests.emulator.stores import STORES
from worker.emulator import multipart
from worker.emulator.folder_store import FolderStore
from worker.emulator.layout import RESERVED
from worker.emulator.store import ACL, Description, Store, put
from worker.oss.answer import Answer, parse_error
from worker.oss.request import Request

ACLS = (ACL.PRIVATE, ACL.PUBLIC_READ, ACL.PUBLIC_READ_WRITE)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = STORES[request.param](tmp_path / "root")
    store.make_bucket("photos")
    return store


async def put_acl(client: Client, acl: str, bucket: str = "photos") -> Answer:
    return await client.call("PUT", bucket, "", ("acl", ""), x_oss_acl=acl)


async def grant(client: Client, bucket: str = "photos") -> tuple[str | None, str | None]:
    """What GetBucketAcl and GetBucketInfo say."""
    acl = ElementTree.fromstring((await client.get(bucket, "", ("acl", ""))).body)
    assert acl.tag == "AccessControlPolicy"
    assert acl.findtext("Owner/ID") == acl.findtext("Owner/DisplayName") == "1000000000000000"
    info = ElementTree.fromstring((await client.get(bucket, "", ("bucketInfo", ""))).body)
    return acl.findtext("AccessControlList/Grant"), info.findtext("Bucket/AccessControlList/Grant")


async def test_a_bucket_says_where_it_is_in_one_word(client: Client) -> None:
    root = ElementTree.fromstring((await client.get("photos", "", ("location", ""))).body)
    assert (root.tag, root.text) == ("LocationConstraint", "oss-cn-hangzhou")
    assert parse_error(await client.get("missing", "", ("location", ""))).code == "NoSuchBucket"


@pytest.mark.parametrize("acl", ACLS)
async def test_an_acl_is_kept_and_told(client: Client, store: Store, acl: ACL) -> None:
    assert await grant(client) == ("private", "private")
    assert (await put_acl(client, acl)).status == 200
    assert await grant(client) == (acl, acl)
    again = FolderStore(store.root).bucket("photos") if isinstance(store, FolderStore) else store.bucket("photos")
    assert again is not None
    assert again.acl is acl
    assert (await client.call("PUT", "photos", "", ("acl", ""))).status == 200  # without the header nothing changes
    assert await grant(client) == (acl, acl)


@pytest.mark.parametrize("acl", ACLS)
async def test_a_bucket_is_made_with_its_acl_and_made_again_with_another(client: Client, acl: ACL) -> None:
    assert (await client.call("PUT", "new-bucket", "", x_oss_acl=acl)).status == 200
    assert await grant(client, "new-bucket") == (acl, acl)
    assert (await client.call("PUT", "new-bucket")).status == 200
    assert await grant(client, "new-bucket") == (acl, acl)
    assert (await client.call("PUT", "new-bucket", "", x_oss_acl="public-read")).status == 200
    assert await grant(client, "new-bucket") == ("public-read", "public-read")


async def test_the_acl_of_a_bucket_that_is_not_there_makes_it(client: Client) -> None:
    assert parse_error(await client.get("new-bucket", "", ("acl", ""))).code == "NoSuchBucket"
    assert (await put_acl(client, "public-read", "new-bucket")).status == 200
    assert await grant(client, "new-bucket") == ("public-read", "public-read")


@pytest.mark.parametrize("acl", ["default", "Private", "everybody"])
@pytest.mark.parametrize("query", [(), (("acl", ""),)], ids=["PutBucket", "PutBucketAcl"])
async def test_what_is_no_acl_of_a_bucket_is_refused(
    client: Client, store: Store, acl: str, query: tuple[tuple[str, str], ...]
) -> None:
    answer = await client.call("PUT", "new-bucket", "", *query, x_oss_acl=acl)
    refused = parse_error(answer)
    assert (refused.http, refused.code) == (400, "InvalidArgument")
    assert refused.message == "no such bucket access control exists"
    root = ElementTree.fromstring(answer.body)
    assert (root.findtext("ArgumentName"), root.findtext("ArgumentValue")) == ("x-oss-acl", acl)
    assert store.bucket("new-bucket") is None


async def test_an_empty_bucket_is_deleted_and_can_be_made_anew(client: Client, store: Store) -> None:
    await put_acl(client, "public-read")
    store.put_style("photos", "small", "image/resize,w_20")
    for key in ("a.jpg", "dir/sub/b.jpg", "stowed//c"):
        put(store, "photos", key, b"x")
        refused = parse_error(await client.call("DELETE", "photos"))
        assert (refused.http, refused.code, refused.ec) == (409, "BucketNotEmpty", "0015-00000301")
        assert store.stat("photos", key) is not None
        assert (await client.call("DELETE", "photos", key)).status == 204
    assert (await client.call("DELETE", "photos")).status == 204
    assert store.buckets() == []
    assert parse_error(await client.call("DELETE", "photos")).code == "NoSuchBucket"
    assert parse_error(await client.put("photos", "a.jpg", b"x")).code == "NoSuchBucket"
    assert (await client.call("PUT", "photos")).status == 200
    assert await grant(client) == ("private", "private")
    assert store.styles("photos") == []
    assert list(store.keys("photos", "", b"")) == []


async def test_an_upload_in_parts_keeps_its_bucket(client: Client, store: Store) -> None:
    begun = await client.call("POST", "photos", "a.jpg", ("uploads", ""))
    upload = ("uploadId", ElementTree.fromstring(begun.body).findtext("UploadId") or "")
    assert parse_error(await client.call("DELETE", "photos")).code == "BucketNotEmpty"
    assert (await client.call("DELETE", "photos", "a.jpg", upload)).status == 204
    assert (await client.call("DELETE", "photos")).status == 204
    store.make_bucket("photos")
    assert b"<Upload>" not in (await client.get("photos", "", ("uploads", ""))).body
    assert parse_error(await client.call("DELETE", "photos", "a.jpg", upload)).code == "NoSuchUpload"


async def test_what_is_under_way_in_a_bucket_that_goes_is_told_so(client: Client, store: Store) -> None:
    for key in ("a.jpg", "dir/a.jpg", "stowed//a.jpg"):
        upload = store.upload("photos", key)
        upload.write(b"x")
        assert (await client.call("DELETE", "photos")).status == 204
        with pytest.raises((KeyError, FileNotFoundError)):  # the server tells it as NoSuchBucket
            upload.commit(Description())
        upload.discard()
        assert store.buckets() == []
        store.make_bucket("photos")
        assert list(store.keys("photos", "", b"")) == []


async def test_a_body_that_comes_too_late_for_its_bucket_is_refused(client: Client, store: Store) -> None:
    async def late() -> Answer:
        request = client.sign(Request("PUT", "photos", "a.jpg"))
        reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
        lines = ["PUT /photos/a.jpg HTTP/1.1", "host: 127.0.0.1", "content-length: 2", "connection: close"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        writer.write(("\r\n".join([*lines, "expect: 100-continue", "", ""])).encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")  # now it is being received
        await client.call("DELETE", "photos")
        writer.write(b"xy")
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = received.lstrip().partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), {}, body)

    refused = parse_error(await late())
    assert (refused.http, refused.code) == (404, "NoSuchBucket")
    assert store.buckets() == []


def test_what_a_person_has_put_there_keeps_a_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "by-hand/empty/empty").mkdir(parents=True)
    assert store.delete_bucket("by-hand")
    assert not (tmp_path / "by-hand").exists()
    for name in ("a:b.txt", "note"):
        store.make_bucket("bucket")
        path = tmp_path / "bucket/dir" / name
        path.parent.mkdir(exist_ok=True)
        if name == "note":
            path.symlink_to(tmp_path)
        else:
            path.write_bytes(b"no object: its name is no plain path")
        assert not store.delete_bucket("bucket")
        path.unlink()
        assert store.delete_bucket("bucket")
    assert list(tmp_path.iterdir()) == []


def test_half_of_a_stowed_object_does_not_keep_a_bucket(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    put(store, "bucket", "stowed//a", b"x")
    assert not store.delete_bucket("bucket")
    (stowed,) = (path for path in (tmp_path / "bucket" / RESERVED / "objects").iterdir() if path.suffix != ".key")
    stowed.unlink()  # as a kill leaves it that comes after the key was written
    assert store.delete_bucket("bucket")


def test_an_upload_that_was_only_half_begun_does_not_keep_a_bucket(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    staging = store.staging("bucket", make=True)
    assert staging is not None
    staging.make_bucket("0a" * 16)  # as a kill leaves it that comes before it says what it is to be
    assert multipart.uploads_of(store, "bucket") == []
    put(staging, "0a" * 16, "upload", b"a")
    assert [upload.key for upload in multipart.uploads_of(store, "bucket")] == ["a"]
    assert not store.delete_bucket("bucket")
    staging.delete("0a" * 16, "upload")
    assert store.delete_bucket("bucket")
    assert list(tmp_path.iterdir()) == []


def test_rubbish_for_an_acl_is_private(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket", "", ACL.PUBLIC_READ)
    for text in (b"everybody", b"default", b"\xff", b""):
        (tmp_path / "bucket" / RESERVED / "acl").write_bytes(text)
        bucket = store.bucket("bucket")
        assert bucket is not None
        assert bucket.acl is ACL.PRIVATE
