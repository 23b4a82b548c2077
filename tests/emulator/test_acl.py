"""ACLs are obeyed: what anybody may do without signing, and a key that no policy lets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from defusedxml import ElementTree

from tests.emulator.client import KEYS, NOW, Client, unsigned
from tests.emulator.pictures import jpeg
from tests.emulator.stores import STORES
from tests.emulator.test_deleting import body_of, content_md5
from worker.emulator import multipart
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import FULL_ACCESS, Effect, Policy, Statement
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, Store, put
from worker.oss.answer import Answer, parse_error
from worker.oss.request import Request

READS = {
    "GetObject": Request("GET", "photos", "a.jpg"),
    "GetObject, processed": Request("GET", "photos", "a.jpg", (("x-oss-process", "image/resize,w_20"),)),
    "HeadObject": Request("HEAD", "photos", "a.jpg"),
    "GetObjectMeta": Request("GET", "photos", "a.jpg", (("objectMeta", ""),)),
    "ListObjects": Request("GET", "photos"),
    "ListObjectsV2": Request("GET", "photos", query=(("list-type", "2"),)),
}
UPLOAD = "0" * 32
SOURCE = (("x-oss-copy-source", "/photos/a.jpg"),)
GONE = body_of(["a.jpg"])
WRITES = {
    "PutObject": Request("PUT", "photos", "new.jpg", body=b"x"),
    "CopyObject": Request("PUT", "photos", "new.jpg", headers=SOURCE),
    "AppendObject": Request("POST", "photos", "new.log", (("append", ""), ("position", "0")), body=b"x"),
    "PutSymlink": Request("PUT", "photos", "link", (("symlink", ""),), (("x-oss-symlink-target", "a.jpg"),)),
    "AbortMultipartUpload": Request("DELETE", "photos", "parts", (("uploadId", UPLOAD),)),
    "InitiateMultipartUpload": Request("POST", "photos", "new.jpg", (("uploads", ""),)),
    "DeleteObject": Request("DELETE", "photos", "a.jpg"),
    "DeleteMultipleObjects": Request(
        "POST", "photos", "", (("delete", ""),), (("content-md5", content_md5(GONE)),), body=GONE
    ),
}
NEVER = {
    "ListBuckets": Request("GET"),
    "PutBucket": Request("PUT", "new-bucket"),
    "DeleteBucket": Request("DELETE", "photos"),
    "GetBucketInfo": Request("GET", "photos", query=(("bucketInfo", ""),)),
    "GetBucketAcl": Request("GET", "photos", query=(("acl", ""),)),
    "PutBucketAcl": Request("PUT", "photos", query=(("acl", ""),), headers=(("x-oss-acl", "public-read-write"),)),
    "GetBucketLocation": Request("GET", "photos", query=(("location", ""),)),
    "ListStyle": Request("GET", "photos", query=(("style", ""),)),
    "ProcessObject": Request("POST", "photos", "a.jpg", (("x-oss-process", ""),), body=b"x-oss-process=image/info"),
    "ListMultipartUploads": Request("GET", "photos", query=(("uploads", ""),)),
    "PutObject, with tags": Request("PUT", "photos", "tagged.jpg", headers=(("x-oss-tagging", "a=b"),)),
    "what is not there": Request("GET", "photos", query=(("policy", ""),)),
}
REQUESTS = READS | WRITES | NEVER
ALLOWED = {
    ACL.PRIVATE: frozenset[str](),
    ACL.PUBLIC_READ: frozenset(READS),
    ACL.PUBLIC_READ_WRITE: frozenset(READS | WRITES),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = STORES[request.param](tmp_path / "root")
    store.make_bucket("photos")
    return store


@pytest.fixture
def anybody(client: Client) -> Client:
    return replace(client, sign=unsigned)


def code_of(answer: Answer) -> str:
    return "" if answer.status < 300 else parse_error(answer).code


@pytest.mark.parametrize("acl", ALLOWED)
async def test_anybody_may_do_what_the_acl_of_the_bucket_says_and_nothing_else(
    anybody: Client, store: Store, acl: ACL
) -> None:
    for name, request in REQUESTS.items():
        put(store, "photos", "a.jpg", jpeg(60, 40))
        multipart.initiate(store, multipart.MultipartUpload("photos", "parts", UPLOAD, 0, Description()))
        store.put_acl("photos", acl)
        answer = await anybody.send(request)
        if name in ALLOWED[acl]:
            assert answer.status in {200, 204}, name
            continue
        assert answer.status == 403, name
        if request.method != "HEAD":
            refused = parse_error(answer)
            assert (refused.code, refused.ec) == ("AccessDenied", "0003-00000001"), name
            assert refused.message == "You have no right to access this object because of bucket acl."
            assert b"AccessDeniedDetail" not in answer.body
        assert store.stat("photos", "a.jpg") is not None
        assert multipart.find(store, "photos", "parts", UPLOAD).key == "parts"
        assert store.stat("photos", "new.jpg") is None or acl is ACL.PUBLIC_READ_WRITE
        bucket = store.bucket("photos")
        assert bucket is not None
        assert bucket.acl is acl


async def test_the_acl_of_an_object_goes_before_that_of_its_bucket(
    client: Client, anybody: Client, store: Store
) -> None:
    for acl, reads, writes in (
        (ACL.PRIVATE, False, False),
        (ACL.PUBLIC_READ, True, False),
        (ACL.PUBLIC_READ_WRITE, True, True),
    ):
        for bucket_acl in (ACL.PRIVATE, ACL.PUBLIC_READ_WRITE):
            store.put_acl("photos", bucket_acl)
            await client.put("photos", "a.jpg", b"x", x_oss_object_acl=acl)
            assert (code_of(await anybody.get("photos", "a.jpg")) == "") is reads
            assert (code_of(await anybody.send(WRITES["DeleteMultipleObjects"])) == "") is writes
            await client.put("photos", "a.jpg", b"x", x_oss_object_acl=acl)
            assert (code_of(await anybody.call("DELETE", "photos", "a.jpg")) == "") is writes
            await client.put("photos", "a.jpg", b"x", x_oss_object_acl=acl)
            assert (code_of(await anybody.put("photos", "a.jpg", b"new")) == "") is writes
            assert code_of(await anybody.get("photos", "")) == ("AccessDenied" if bucket_acl is ACL.PRIVATE else "")
    store.put_acl("photos", ACL.PUBLIC_READ_WRITE)
    put(store, "photos", "b.jpg", b"x")
    await client.put("photos", "a.jpg", b"x", x_oss_object_acl="private")
    both = body_of(["b.jpg", "a.jpg"])
    request = Request("POST", "photos", "", (("delete", ""),), (("content-md5", content_md5(both)),), both)
    assert code_of(await anybody.send(request)) == "AccessDenied"
    assert store.stat("photos", "b.jpg") is not None


async def test_nobody_asks_for_headers_of_the_answer_without_signing(
    client: Client, anybody: Client, store: Store
) -> None:
    put(store, "photos", "a.jpg", b"x")
    store.put_acl("photos", ACL.PUBLIC_READ)
    override = ("response-content-type", "text/html")
    assert code_of(await anybody.get("photos", "a.jpg", override)) == "InvalidRequest"
    assert (await client.get("photos", "a.jpg", override)).headers["content-type"] == "text/html"


async def test_the_acl_of_an_object_is_told_to_its_owner_only(client: Client, anybody: Client, store: Store) -> None:
    put(store, "photos", "a.jpg", b"x")
    store.put_acl("photos", ACL.PUBLIC_READ_WRITE)
    refused = parse_error(await anybody.get("photos", "a.jpg", ("acl", "")))
    assert (refused.http, refused.code, refused.ec) == (403, "AccessDenied", "0003-00000007")
    for method, query in (("PUT", "acl"), ("PUT", "tagging"), ("GET", "tagging"), ("DELETE", "tagging")):
        answer = await anybody.call(method, "photos", "a.jpg", (query, ""), x_oss_object_acl="public-read")
        assert code_of(answer) == "AccessDenied"
    assert (await client.get("photos", "a.jpg", ("acl", ""))).status == 200


async def test_a_wrong_signature_is_not_nobodys(client: Client, store: Store) -> None:
    put(store, "photos", "a.jpg", b"x")
    store.put_acl("photos", ACL.PUBLIC_READ_WRITE)
    signed = client.sign(Request("GET", "photos", "a.jpg"))
    forged = signed.with_headers(("authorization", dict(signed.headers)["authorization"][:-1] + "0"))
    assert code_of(await replace(client, sign=unsigned).send(forged)) == "SignatureDoesNotMatch"


async def test_what_is_not_there_is_told_to_who_may_read(anybody: Client, store: Store) -> None:
    assert code_of(await anybody.get("photos", "missing")) == "AccessDenied"
    store.put_acl("photos", ACL.PUBLIC_READ)
    assert code_of(await anybody.get("photos", "missing")) == "NoSuchKey"
    assert code_of(await anybody.get("no-such-bucket", "missing")) == "AccessDenied"


@asynccontextmanager
async def limited(*policies: Policy) -> AsyncIterator[tuple[Client, Store]]:
    store = MemoryStore()
    store.make_bucket("photos", acl=ACL.PUBLIC_READ)
    put(store, "photos", "a.jpg", jpeg(60, 40))
    async with LocalOSS(store, access=Access((Account(KEYS, policies),)), clock=NOW.timestamp) as server:
        yield Client(server.url), store


async def test_a_key_without_policies_may_do_what_anybody_may() -> None:
    async with limited() as (client, _):
        for name, request in REQUESTS.items():
            answer = await client.send(request)
            assert answer.status == 200 if name in READS else answer.status in {403, 501}, name


async def test_a_deny_wins_over_an_acl() -> None:
    deny = Policy((Statement(Effect.DENY, ("oss:GetObject",), ("acs:oss:*:*:photos/*",)),))
    async with limited(FULL_ACCESS, deny) as (client, _):
        answer = await client.get("photos", "a.jpg")
        assert code_of(answer) == "AccessDenied"
        assert ElementTree.fromstring(answer.body).findtext(".//NoPermissionType") == "ExplicitDeny"


async def test_to_make_a_bucket_again_with_another_acl_needs_the_right_to_change_it() -> None:
    allow = Policy((Statement(Effect.ALLOW, ("oss:PutBucket",), ("*",)),))
    async with limited(allow) as (client, store):
        assert (await client.call("PUT", "photos")).status == 200
        assert (await client.call("PUT", "photos", "", x_oss_acl="public-read")).status == 200
        answer = await client.call("PUT", "photos", "", x_oss_acl="private")
        assert ElementTree.fromstring(answer.body).findtext(".//AuthAction") == "oss:PutBucketAcl"
        bucket = store.bucket("photos")
        assert bucket is not None
        assert bucket.acl is ACL.PUBLIC_READ
        assert (await client.call("PUT", "new-bucket", "", x_oss_acl="public-read")).status == 200
    allow = Policy((Statement(Effect.ALLOW, ("oss:PutBucketAcl",), ("*",)),))
    async with limited(allow) as (client, store):
        answer = await client.call("PUT", "new-bucket", "", ("acl", ""), x_oss_acl="public-read")
        assert ElementTree.fromstring(answer.body).findtext(".//AuthAction") == "oss:PutBucket"
        assert store.bucket("new-bucket") is None
