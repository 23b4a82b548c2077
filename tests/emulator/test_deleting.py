"""DeleteMultipleObjects: all that are named, or none."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest
from defusedxml import ElementTree

from tests.emulator.client import Client, unsigned
from tests.emulator.stores import STORES
from worker.emulator.store import ACL, Store, put
from worker.oss.answer import Answer, parse_error
from worker.oss.request import Request

KEYS = ["a.jpg", "a b+c%20.jpg", "照片/雪 山.jpg", "a/../b", " blank ", "a&<b>"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = STORES[request.param](tmp_path / "root")
    store.make_bucket("photos")
    for key in (*KEYS, "kept.jpg"):
        put(store, "photos", key, b"x")
    return store


def content_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def body_of(keys: Iterable[str], quiet: str = "false") -> bytes:
    objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
    return f"<Delete><Quiet>{quiet}</Quiet>{objects}</Delete>".encode()


async def delete(
    client: Client, body: bytes, *query: tuple[str, str], md5: str | None = "", of: str = "photos"
) -> Answer:
    if md5 == "":
        md5 = content_md5(body)
    headers = () if md5 is None else (("content-md5", md5),)
    return await client.send(Request("POST", of, "", (("delete", ""), *query), headers, body))


def left(store: Store) -> list[str]:
    return list(store.keys("photos", "", b""))


async def test_all_that_are_named_are_gone_and_told(client: Client, store: Store) -> None:
    answer = await delete(client, body_of([*KEYS, "never there"]))
    assert answer.status == 200
    root = ElementTree.fromstring(answer.body)
    assert [root.tag, *(child.tag for child in root)] == ["DeleteResult", *["Deleted"] * 7]
    assert [key.text for key in root.findall("Deleted/Key")] == [*KEYS, "never there"]
    assert left(store) == ["kept.jpg"]


async def test_keys_are_told_encoded_where_that_is_asked_for(client: Client) -> None:
    answer = await delete(client, body_of(["a b+c%20.jpg"]), ("encoding-type", "url"))
    root = ElementTree.fromstring(answer.body)
    assert root.findtext("EncodingType") == "url"
    assert root.findtext("Deleted/Key") == "a%20b%2Bc%2520.jpg"
    assert unquote(root.findtext("Deleted/Key") or "") == "a b+c%20.jpg"
    assert parse_error(await delete(client, body_of(["a"]), ("encoding-type", "base64"))).code == "InvalidArgument"


async def test_quietly_nothing_is_told(client: Client, store: Store) -> None:
    answer = await delete(client, body_of(KEYS, "true"))
    assert (answer.status, answer.body) == (200, b"")
    assert left(store) == ["kept.jpg"]


async def test_a_thousand_keys_are_deleted_and_no_more(client: Client, store: Store) -> None:
    names = [f"{number:04d}" for number in range(1001)]
    refused = parse_error(await delete(client, body_of([*KEYS, *names])))
    assert (refused.http, refused.code) == (400, "MalformedXML")
    assert len(left(store)) == len(KEYS) + 1
    assert (await delete(client, body_of([*KEYS, *names[len(KEYS) : 1000]]))).status == 200
    assert left(store) == ["kept.jpg"]


@pytest.mark.parametrize(
    ("body", "ec"),
    [
        (b"", "0016-00000608"),
        (b"<Delete>", "0016-00000608"),
        (b"<Remove><Object><Key>a.jpg</Key></Object></Remove>", "0016-00000608"),
        (b"<Delete></Delete>", "0015-00000231"),
        (b"<Delete><Object><Key>a.jpg</Key></Object><Object/></Delete>", "0016-00000613"),
        (b"<Delete><Object><Key>a.jpg</Key></Object><Object><Key/></Object></Delete>", "0016-00000613"),
        (b"<Delete><Object><Key>a.jpg</Key></Object>" + b" " * (2 << 20) + b"</Delete>", "0015-00000231"),
        (b"<Delete><Object><Key>a.jpg</Key></Object>" + b"<a/>" * 100_000 + b"</Delete>", "0016-00000608"),
    ],
)
async def test_what_is_no_list_of_keys_deletes_nothing(client: Client, store: Store, body: bytes, ec: str) -> None:
    refused = parse_error(await delete(client, body))
    assert (refused.http, refused.code, refused.ec) == (400, "MalformedXML", ec)
    assert len(left(store)) == len(KEYS) + 1


async def test_the_body_needs_its_md5(client: Client, store: Store) -> None:
    missing = await delete(client, body_of(KEYS), md5=None)
    refused = parse_error(missing)
    assert (refused.http, refused.code, refused.ec) == (400, "MissingArgument", "0016-00000606")
    assert refused.message == "Missing Some Required Arguments."
    assert ElementTree.fromstring(missing.body).findtext("ArgumentName") == "Content-MD5"
    wrong = parse_error(await delete(client, body_of(KEYS), md5="1B2M2Y8AsgTpgAmY7PhCfg=="))
    assert (wrong.http, wrong.code) == (400, "InvalidDigest")
    assert len(left(store)) == len(KEYS) + 1


async def test_a_key_that_can_be_none_and_a_version_delete_nothing(client: Client, store: Store) -> None:
    assert parse_error(await delete(client, body_of(["a.jpg", "/a"]))).code == "InvalidObjectName"
    version = b"<Object><Key>a.jpg</Key><VersionId>CAEQ</VersionId></Object>"
    assert parse_error(await delete(client, b"<Delete>" + version + b"</Delete>")).code == "NotImplemented"
    assert len(left(store)) == len(KEYS) + 1
    null = b"<Delete>" + version.replace(b"CAEQ", b"null") + b"</Delete>"
    assert (await delete(client, null)).status == 200
    assert len(left(store)) == len(KEYS)


async def test_the_bucket_has_to_be_there(client: Client) -> None:
    assert parse_error(await delete(client, body_of(["a"]), of="missing")).code == "NoSuchBucket"


async def test_who_has_not_signed_learns_nothing_of_a_bucket(client: Client, store: Store) -> None:
    stranger = Client(client.url, sign=unsigned)
    for bucket in ("photos", "not-there"):
        answer = await stranger.post(bucket, "", b"no XML", ("delete", ""))
        assert (answer.status, parse_error(answer).code) == (403, "AccessDenied")
    store.put_acl("photos", ACL.PUBLIC_READ_WRITE)
    answer = await stranger.post("photos", "", b"no XML", ("delete", ""))
    assert (answer.status, parse_error(answer).code) == (400, "MissingArgument")
