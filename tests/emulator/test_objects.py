"""Operations on objects: what goes in comes out, whole, in part, or not if a condition does not hold."""

import asyncio
import base64
import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from defusedxml import ElementTree
from fastcrc.crc64 import xz as crc64

from tests.emulator.client import Client, unsigned
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.operations import writing
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, ObjectType, Store, put, put_described
from worker.emulator.tags import MAX_TAG_KEY, MAX_TAG_VALUE
from worker.oss.request import Request

BODY = bytes(range(256)) * 4
ETAG = f'"{hashlib.md5(BODY, usedforsecurity=False).hexdigest().upper()}"'
MODIFIED = "Mon, 23 Nov 2026 08:30:00 GMT"
HARD_KEYS = [
    *(
        "a b.jpg",
        "a+b.jpg",
        "100%.jpg",
        "%2F",
        "a%20b",
        "照片/雪 山.jpg",
        "a/../b",
        "../b",
        "./c",
        "a//b",
        "a/",
        "é\u0301",
    ),
    *(
        "'quoted' \"twice\"",
        "(1)[2]{3}",
        "a?b=c&d#e",
        "tab\tnew\nline\r\x01\x7f",
        "~!$*;:@,",
        "back\\slash",
        "k" * 1023,
    ),
    "雪" * 341,
]


@pytest.fixture(autouse=True)
def stored(store: MemoryStore) -> None:
    put(store, "photos", "a.bin", BODY, {"content-type": "image/x-test", "x-oss-meta-place": "here"})


def content_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def code_of(body: bytes) -> str | None:
    return ElementTree.fromstring(body).findtext("Code")


@pytest.mark.parametrize("key", HARD_KEYS)
async def test_any_key_survives_the_way_there_and_back(client: Client, store: MemoryStore, key: str) -> None:
    assert (await client.put("photos", key, key.encode())).status == 200
    assert [found for found in store.keys("photos", "", b"") if found != "a.bin"] == [key]
    assert (await client.get("photos", key)).body == key.encode()
    assert (await client.call("DELETE", "photos", key)).status == 204
    assert (await client.get("photos", key)).status == 404


async def test_put_answers_the_checksums_that_sdks_compare(client: Client) -> None:
    answer = await client.put("photos", "new", BODY, content_md5=content_md5(BODY))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == ETAG
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64(BODY))
    # The check value of CRC-64/XZ, which is what OSS calls CRC64-ECMA.
    check = await client.put("photos", "check", b"123456789")
    assert check.headers["x-oss-hash-crc64ecma"] == str(0x995DC9BBDF1939FA)


async def test_put_refuses_a_body_that_is_not_what_its_md5_says(client: Client, store: MemoryStore) -> None:
    answer = await client.put("photos", "new", BODY, content_md5=content_md5(b""))
    assert (answer.status, code_of(answer.body)) == (400, "InvalidDigest")
    assert store.stat("photos", "new") is None


async def test_put_keeps_headers_and_get_gives_them_back(client: Client) -> None:
    headers = {"content_type": "text/x-a", "cache_control": "no-cache", "x_oss_meta_who": "me"}
    await client.put("photos", "new", b"", **headers)
    answer = await client.get("photos", "new")
    assert answer.headers["content-type"] == "text/x-a"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-oss-meta-who"] == "me"
    answer = await client.get(
        "photos", "new", ("response-content-type", "text/y"), ("response-expires", "later\r\nx: y")
    )
    assert answer.headers["content-type"] == "text/y"
    assert answer.headers["expires"] == "later  x: y"
    assert "x" not in answer.headers


@pytest.mark.parametrize("name", ["callback", "callback-var"])
async def test_nobody_is_called_back_and_that_is_said(client: Client, store: MemoryStore, name: str) -> None:
    answer = await client.post("photos", "new", b"x", (name, "eyJ9"), method="PUT")
    assert (answer.status, code_of(answer.body)) == (501, "NotImplemented")
    assert f"the argument {name} of PutObject".encode() in answer.body
    assert store.stat("photos", "new") is None


async def test_without_a_content_type_the_extension_says_it(client: Client) -> None:
    await client.put("photos", "new.webp", b"")
    await client.put("photos", "new", b"")
    assert (await client.get("photos", "new.webp")).headers["content-type"] == "image/webp"
    assert (await client.get("photos", "new")).headers["content-type"] == "application/octet-stream"


async def test_head_says_what_get_says_without_the_body(client: Client) -> None:
    got, head = await client.get("photos", "a.bin"), await client.call("HEAD", "photos", "a.bin")
    changing = {"x-oss-request-id", "x-oss-server-time"}
    assert {**head.headers} | dict.fromkeys(changing) == {**got.headers} | dict.fromkeys(changing)
    assert head.headers["content-length"] == "1024"
    assert head.headers["last-modified"] == MODIFIED
    assert head.headers["etag"] == ETAG
    assert head.headers["x-oss-meta-place"] == "here"
    assert head.headers["x-oss-object-type"] == "Normal"
    assert head.headers["content-md5"] == content_md5(BODY)


async def test_only_what_was_put_at_once_tells_its_md5(client: Client, store: MemoryStore) -> None:
    await client.call("POST", "photos", "log", ("append", ""), ("position", "0"))
    await client.call("PUT", "photos", "to log", ("symlink", ""), x_oss_symlink_target="log")
    await client.call("PUT", "photos", "to a", ("symlink", ""), x_oss_symlink_target="a.bin")
    put_described(store, "photos", "parts", BODY, Description(type=ObjectType.MULTIPART, etag=f"{ETAG[1:-1]}-1"))
    told = {key: (await client.call("HEAD", "photos", key)).headers.get("content-md5") for key in ("log", "parts")}
    assert told == {"log": None, "parts": None}
    assert "content-md5" not in (await client.get("photos", "to log")).headers
    assert (await client.get("photos", "to a")).headers["content-md5"] == content_md5(BODY)
    assert "content-md5" not in (await client.get("photos", "a.bin", range="bytes=0-9")).headers


async def test_object_meta_is_brief(client: Client) -> None:
    answer = await client.call("HEAD", "photos", "a.bin", ("objectMeta", ""))
    assert (answer.status, answer.headers["content-length"], answer.headers["etag"]) == (200, "1024", ETAG)
    assert "x-oss-meta-place" not in answer.headers
    assert client.seen == ["GetObjectMeta"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        *[("bytes=0-0", 0, 0), ("bytes=0-1023", 0, 1023), ("bytes=5-9", 5, 9), ("bytes=1000-", 1000, 1023)],
        *[("bytes=-1", 1023, 1023), ("bytes=-1024", 0, 1023)],
    ],
)
async def test_a_range_answers_its_bytes(client: Client, asked: str, first: int, last: int) -> None:
    answer = await client.get("photos", "a.bin", range=asked)
    assert (answer.status, answer.body) == (206, BODY[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/1024"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1024",
        "bytes=1024-",
        "bytes=9-5",
        "bytes=-",
        "bytes=-0",
        "bytes=-1025",
        "0-1",
        "bytes=0-1,3-4",
        "rows=0-1",
    ],
)
async def test_a_range_outside_the_object_is_ignored_as_documented(client: Client, asked: str) -> None:
    answer = await client.get("photos", "a.bin", range=asked)
    assert (answer.status, answer.body) == (200, BODY)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    ("asked", "status", "range_told"),
    [
        ("bytes=1000-2000", 206, "bytes 1000-1023/1024"),
        ("bytes=-2000", 206, "bytes 0-1023/1024"),
        ("bytes=1024-2000", 416, "bytes */1024"),
        ("bytes=9-5", 200, None),
    ],
)
async def test_the_standard_range_behaviour_on_demand(
    client: Client, asked: str, status: int, range_told: str | None
) -> None:
    answer = await client.get("photos", "a.bin", range=asked, x_oss_range_behavior="standard")
    assert (answer.status, answer.headers.get("content-range")) == (status, range_told)


BEFORE, AFTER = "Mon, 23 Nov 2026 08:29:59 GMT", "Mon, 23 Nov 2026 08:30:01 GMT"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_match": ETAG}, 200),
        ({"if_match": ETAG.strip('"').lower()}, 200),
        ({"if_match": '"other", ' + ETAG}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"other"'}, 412),
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": '"other"'}, 200),
        ({"if_modified_since": MODIFIED}, 304),
        ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_unmodified_since": MODIFIED}, 200),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_match": ETAG, "if_unmodified_since": BEFORE}, 200),
        ({"if_none_match": '"other"', "if_modified_since": AFTER}, 200),
    ],
)
async def test_conditions(client: Client, method: str, headers: dict[str, str], status: int) -> None:
    answer = await client.call(method, "photos", "a.bin", **headers)
    assert answer.status == status
    if status == 304:
        assert answer.headers["etag"] == ETAG


async def test_a_large_object_is_streamed_whole(client: Client) -> None:
    body = bytes(1 << 20) + BODY * 2000
    await client.put("photos", "large", body)
    answer = await client.get("photos", "large", range=f"bytes=1048570-{len(body) - 2}")
    assert answer.body == body[1048570:-1]


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(client: Client, store: MemoryStore) -> None:
    headers = (("content-length", str(writing.MAX_OBJECT + 1)),)
    request = client.sign(Request("PUT", "photos", "large"))
    lines = [f"{name}: {value}" for name, value in (*request.headers, *headers)]
    head = "\r\n".join(["PUT /photos/large HTTP/1.1", "host: 127.0.0.1", "connection: close", *lines, "", ""])
    answer = await client.exchange(head.encode(), hurries=True)
    assert (answer.status, code_of(answer.body)) == (400, "EntityTooLarge")
    assert store.stat("photos", "large") is None


async def test_a_client_that_waits_to_be_asked_is_asked(client: Client, store: MemoryStore) -> None:
    request = client.sign(Request("PUT", "photos", "asked"))
    lines = [
        f"{name}: {value}" for name, value in (*request.headers, ("expect", "100-continue"), ("content-length", "3"))
    ]
    head = "\r\n".join(["PUT /photos/asked HTTP/1.1", "host: 127.0.0.1", "connection: close", *lines, "", ""])
    address = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head.encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await writer.wait_closed()
    content = store.open("photos", "asked")
    assert content is not None
    assert content.file.read() == b"abc"


async def test_a_broken_off_body_stores_nothing(client: Client, store: MemoryStore) -> None:
    request = client.sign(Request("PUT", "photos", "half"))
    lines = [f"{name}: {value}" for name, value in (*request.headers, ("transfer-encoding", "chunked"))]
    head = "\r\n".join(["PUT /photos/half HTTP/1.1", "host: 127.0.0.1", "connection: close", *lines, "", ""])
    await client.exchange(head.encode() + b"3\r\nabc\r\nnot a length\r\n")
    assert store.stat("photos", "half") is None


@pytest.mark.parametrize(
    "header",
    [
        *["x-oss-storage-class: IA", "x-oss-server-side-encryption: AES256"],
        *["x-oss-callback: e30=", "x-oss-symlink-target: a"],
    ],
)
async def test_put_refuses_by_name_what_it_would_have_to_ignore(
    client: Client, store: MemoryStore, header: str
) -> None:
    name, _, value = header.partition(": ")
    answer = await client.put("photos", "new", b"", **{name: value})
    assert (answer.status, code_of(answer.body)) == (501, "NotImplemented")
    assert header in (ElementTree.fromstring(answer.body).findtext("Message") or "")
    assert store.stat("photos", "new") is None


async def test_put_keeps_acl_and_tags(client: Client, store: MemoryStore) -> None:
    tags = "colour=dark%20red&size=1+2&%E9%9B%AA&sign=%2B-%3D._%3A%2F"
    assert (await client.put("photos", "new", b"", x_oss_tagging=tags, x_oss_object_acl="public-read")).status == 200
    stored = store.stat("photos", "new")
    assert stored is not None
    assert stored.description.acl is ACL.PUBLIC_READ
    assert stored.description.tags == (("colour", "dark red"), ("size", "1 2"), ("雪", ""), ("sign", "+-=._:/"))
    assert (await client.get("photos", "new")).headers["x-oss-tagging-count"] == "4"
    assert "x-oss-tagging-count" not in (await client.get("photos", "a.bin")).headers


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("x-oss-tagging", "a=b=c", "InvalidTag"),
        ("x-oss-tagging", "=b", "InvalidTag"),
        ("x-oss-tagging", "a=1&a=2", "InvalidTag"),
        ("x-oss-tagging", "a=%3C", "InvalidTag"),
        ("x-oss-tagging", "&".join("abcdefghijk"), "InvalidTag"),
        ("x-oss-tagging", "a" * (MAX_TAG_KEY + 1), "InvalidTag"),
        ("x-oss-tagging", "a=" + "b" * (MAX_TAG_VALUE + 1), "InvalidTag"),
        ("x-oss-object-acl", "anybody", "InvalidArgument"),
    ],
)
async def test_put_refuses_tags_and_acl_that_may_not_be(
    client: Client, store: MemoryStore, name: str, value: str, code: str
) -> None:
    answer = await client.put("photos", "new", b"", **{name: value})
    assert (answer.status, code_of(answer.body)) == (400, code)
    assert store.stat("photos", "new") is None


async def test_the_most_that_tags_may_be_is_taken(client: Client) -> None:
    tags = "&".join(f"{letter * MAX_TAG_KEY}={letter * MAX_TAG_VALUE}" for letter in "abcdefghij")
    assert (await client.put("photos", "new", b"", x_oss_tagging=tags)).status == 200


@pytest.mark.parametrize("first", ["link", "a"])
async def test_the_time_of_a_symlink_is_that_of_the_later_of_the_two(first: str) -> None:
    times = iter(range(0, 10_000, 100))
    store = MemoryStore(clock=lambda: float(next(times)))
    store.make_bucket("photos")
    async with LocalOSS(store, auth=False) as server:
        client = Client(server.url, sign=unsigned)
        for key in (first, "a" if first == "link" else "link"):
            if key == "link":
                await client.call("PUT", "photos", key, ("symlink", ""), x_oss_symlink_target="a")
            else:
                await client.put("photos", key, b"")
        assert (await client.get("photos", "link")).headers["last-modified"] == "Thu, 01 Jan 1970 00:03:20 GMT"


async def test_the_meta_of_an_object_has_no_body_however_it_is_asked_for(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a", b"bytes")
    head = await client.call("HEAD", "photos", "a", ("objectMeta", ""))
    got = await client.get("photos", "a", ("objectMeta", ""))
    assert (head.headers["content-length"], got.headers["content-length"]) == ("5", "0")
    assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize(("size", "status"), [(8_000, 200), (8_192, 400)])
async def test_put_takes_eight_kibibytes_of_metadata(
    client: Client, store: MemoryStore, size: int, status: int
) -> None:
    answer = await client.put("photos", "a", b"x", x_oss_meta_a="v" * (size // 2), x_oss_meta_b="v" * (size // 2))
    assert answer.status == status
    assert (store.stat("photos", "a") is not None) is (status == 200)
    if status == 400:
        assert (code_of(answer.body), answer.headers["x-oss-ec"]) == ("InvalidArgument", "0011-00000002")


async def test_put_leaves_what_is_there_if_it_is_told_to(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "there", b"old")
    answer = await client.put("photos", "there", b"new", x_oss_forbid_overwrite="true")
    assert (answer.status, code_of(answer.body)) == (409, "FileAlreadyExists")
    assert answer.headers["x-oss-ec"] == "0026-00000002"
    assert (await client.get("photos", "there")).body == b"old"
    for value in ("false", "FALSE"):
        assert (await client.put("photos", "there", b"newer", x_oss_forbid_overwrite=value)).status == 200
    assert (await client.put("photos", "other", b"first", x_oss_forbid_overwrite="true")).status == 200
    answer = await client.put("photos", "there", b"", x_oss_forbid_overwrite="yes")
    assert (answer.status, code_of(answer.body)) == (400, "InvalidArgument")
    assert (await client.get("photos", "there")).body == b"newer"


@pytest.mark.parametrize("kind", ["memory", "folder"])
async def test_of_many_who_put_at_once_without_overwriting_one_wins(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else FolderStore(tmp_path)
    store.make_bucket("photos")
    async with LocalOSS(store, auth=False) as server:
        client = Client(server.url, sign=unsigned)
        bodies = [bytes([65 + index]) * 1000 for index in range(12)]
        puts = [client.put("photos", "one/a", body, x_oss_forbid_overwrite="true") for body in bodies]
        answers = await asyncio.gather(*puts)
        (winner,) = [index for index, answer in enumerate(answers) if answer.status == 200]
        assert {answer.status for answer in answers} == {200, 409}
        assert (await client.get("photos", "one/a")).body == bodies[winner]
    if kind == "folder":
        assert list((tmp_path / "photos/.oss/uploads").iterdir()) == []


async def test_put_bucket_can_be_repeated_and_refuses_bad_names(client: Client, store: MemoryStore) -> None:
    assert (await client.call("PUT", "new-bucket")).status == 200
    assert (await client.call("PUT", "new-bucket")).status == 200
    assert store.bucket("new-bucket") is not None
    for name in ("ab", "Photos", "-photos", "pho_tos", ".."):
        answer = await client.call("PUT", name)
        assert (answer.status, code_of(answer.body)) == (400, "InvalidBucketName")
