"""Symlinks: followed one step when they are read, themselves when they are listed or asked for."""

import pytest
from defusedxml import ElementTree

from tests.emulator.client import BOTH_STORES, KEYS, NOW, Client
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import Effect, Policy, Statement
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, ObjectType, Store, put, put_described
from worker.oss.answer import Answer, parse_error

pytestmark = BOTH_STORES
KEY, ENCODED = "dir/照片 1.jpg", "dir%2F%E7%85%A7%E7%89%87%201.jpg"


@pytest.fixture(autouse=True)
def stored(store: Store) -> None:
    put(store, "photos", KEY, b"picture", {"content-type": "image/x-test", "x-oss-meta-a": "of the picture"})


async def linked(client: Client, target: str = ENCODED, key: str = "link", **headers: str) -> Answer:
    return await client.call("PUT", "photos", key, ("symlink", ""), x_oss_symlink_target=target, **headers)


def code_of(answer: Answer) -> tuple[int, str | None]:
    return answer.status, ElementTree.fromstring(answer.body).findtext("Code") if answer.body else None


async def test_a_symlink_reads_as_its_target_described_as_itself(client: Client, store: Store) -> None:
    made = await linked(client, x_oss_meta_b="of the link", x_oss_object_acl="private", x_oss_tagging="a=b")
    assert made.status == 200
    target = await client.get("photos", KEY)
    got, head = await client.get("photos", "link"), await client.call("HEAD", "photos", "link")
    assert (got.status, got.body, head.headers["content-length"]) == (200, b"picture", "7")
    for answer in (got, head):
        assert answer.headers["etag"] == target.headers["etag"] != made.headers["etag"]
        assert answer.headers["x-oss-hash-crc64ecma"] == target.headers["x-oss-hash-crc64ecma"]
        assert answer.headers["x-oss-object-type"] == "Symlink"
        assert answer.headers["x-oss-meta-b"] == "of the link"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-oss-tagging-count"] == "1"
        assert not {"x-oss-meta-a", "x-oss-symlink-target"} & set(answer.headers)
    assert (await client.get("photos", "link", range="bytes=0-3")).body == b"pict"
    assert (await client.get("photos", "link", if_none_match=target.headers["etag"])).status == 304
    stored = store.stat("photos", "link")
    assert stored is not None
    assert (stored.description.type, stored.description.acl) == (ObjectType.SYMLINK, ACL.PRIVATE)
    assert client.seen[0] == "PutSymlink"


async def test_a_symlink_itself_is_told_where_it_is_asked_for(client: Client) -> None:
    made = await linked(client, x_oss_meta_b="of the link")
    answer = await client.get("photos", "link", ("symlink", ""))
    assert (answer.status, answer.body, answer.headers["x-oss-symlink-target"]) == (200, b"", ENCODED)
    assert (answer.headers["etag"], answer.headers["x-oss-meta-b"]) == (made.headers["etag"], "of the link")
    assert "last-modified" in answer.headers
    meta = await client.call("HEAD", "photos", "link", ("objectMeta", ""))
    assert (meta.headers["etag"], meta.headers["content-length"]) == (made.headers["etag"], "0")
    listing = ElementTree.fromstring((await client.get("photos", "", ("list-type", "2"))).body)
    found = {entry.findtext("Key"): entry.findtext("Type") for entry in listing.iter("Contents")}
    assert found == {KEY: "Normal", "link": "Symlink"}


async def test_a_symlink_that_leads_nowhere_says_so(client: Client) -> None:
    assert (await linked(client, "missing")).status == 200
    assert code_of(await client.get("photos", "link")) == (404, "SymlinkTargetNotExist")
    await linked(client, "link", "second")
    assert code_of(await client.get("photos", "second")) == (400, "InvalidTargetType")
    await linked(client, "loop", "loop")
    assert code_of(await client.get("photos", "loop")) == (400, "InvalidTargetType")
    assert code_of(await client.get("photos", "missing", ("symlink", ""))) == (404, "NoSuchKey")
    normal = await client.get("photos", KEY, ("symlink", ""))
    assert (code_of(normal), parse_error(normal).ec) == ((400, "NotSymlink"), "0043-00000101")


@pytest.mark.parametrize("target", ["", "%2Fetc%2Fpasswd", "%FF", "a" * 1025])
async def test_what_is_no_name_of_an_object_is_no_target(client: Client, target: str) -> None:
    assert code_of(await linked(client, target)) == (400, "InvalidArgument")


@pytest.mark.parametrize("target", ["..%2F..%2Fsecret", ".oss%2Fcreated", "..", "dir"])
async def test_no_target_leads_out_of_the_objects(client: Client, target: str) -> None:
    assert (await linked(client, target)).status == 200
    assert code_of(await client.get("photos", "link")) == (404, "SymlinkTargetNotExist")


@pytest.mark.parametrize("headers", [{}, {"x-oss-symlink-target": "/etc/passwd"}])
async def test_a_symlink_that_has_lost_its_target_leads_nowhere(
    client: Client, store: Store, headers: dict[str, str]
) -> None:
    put_described(store, "photos", "link", b"", Description(headers, ObjectType.SYMLINK))
    assert code_of(await client.get("photos", "link")) == (404, "SymlinkTargetNotExist")
    assert (await client.get("photos", "link", ("symlink", ""))).status == 200


async def test_an_object_is_not_replaced_by_a_symlink_if_it_may_not_be(client: Client, store: Store) -> None:
    assert code_of(await linked(client, key=KEY, x_oss_forbid_overwrite="true")) == (409, "FileAlreadyExists")
    assert (await linked(client, "other", KEY)).status == 200
    await client.put("photos", KEY, b"picture")
    stored = store.stat("photos", KEY)
    assert stored is not None
    assert stored.description.type is ObjectType.NORMAL


async def test_a_symlink_is_deleted_and_its_target_stays(client: Client, store: Store) -> None:
    await linked(client)
    assert (await client.call("DELETE", "photos", "link")).status == 204
    assert list(store.keys("photos", "", b"")) == [KEY]


async def test_a_symlink_is_not_processed(client: Client) -> None:
    await linked(client)
    answer = await client.get("photos", "link", ("x-oss-process", "image/info"))
    assert code_of(answer) == (501, "NotImplemented")
    assert b"symlink" in answer.body


@pytest.mark.parametrize(("keys", "status"), [(("link", KEY), 200), (("link",), 403), ((KEY,), 403)])
async def test_both_the_symlink_and_its_target_must_be_allowed(
    client: Client, store: Store, keys: tuple[str, ...], status: int
) -> None:
    await linked(client)
    resources = tuple(f"acs:oss:*:*:photos/{key}" for key in keys)
    access = Access((Account(KEYS, (Policy((Statement(Effect.ALLOW, ("oss:GetObject",), resources),)),)),))
    async with LocalOSS(store, access=access, clock=NOW.timestamp) as server:
        assert (await Client(server.url).get("photos", "link")).status == status
