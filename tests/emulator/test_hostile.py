"""Hostile requests, pictures apart: always a proper OSS error; never a 500, a traceback, or a file outside the root."""

import asyncio
import gzip
import logging
import os
import random
import resource
import select
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from defusedxml import ElementTree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.client import Client, unsigned
from tests.emulator.hostile import bombs, whole_png
from tests.emulator.pictures import jpeg
from worker.emulator.budget import SHARED
from worker.emulator.folder_store import FolderStore
from worker.emulator.operations import writing
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request

LIMIT_S = 60


@asynccontextmanager
async def served(root: Path, *, auth: bool = False, idle_s: float = 30) -> AsyncIterator[Client]:
    store = FolderStore(root)
    store.make_bucket("photos")
    put(store, "photos", "a.jpg", jpeg(60, 40))
    async with LocalOSS(store, auth=auth, idle_s=idle_s) as server:
        yield Client(server.url, sign=unsigned)


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Path]:
    """The root's neighbours: what they were before, they are after; and the server's log told of no bug."""
    (tmp_path / "secret").write_bytes(b"secret of the outside")
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour/a").write_bytes(b"secret of the outside")
    before = outer(tmp_path)
    with caplog.at_level(logging.ERROR):
        yield tmp_path
    assert outer(tmp_path) == before
    assert caplog.text == ""


def outer(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and folder / "root" not in path.parents)
    return {str(path): path.read_bytes() for path in files}


def check_proper(answer: Answer, method: str = "GET") -> None:
    assert answer.status < 500 or answer.status == 501, answer.body
    assert b"Traceback" not in answer.body
    assert b"secret of the outside" not in answer.body
    if answer.status >= 400 and method != "HEAD":
        root = ElementTree.fromstring(answer.body)
        assert root.tag == "Error"
        assert root.findtext("Code")
        assert answer.headers["content-type"] == "application/xml"
        assert answer.headers["x-oss-request-id"] == root.findtext("RequestId")
        assert answer.headers["server"] == "AliyunOSS"


TRAVERSALS = [
    "../secret",
    "..",
    "../../../../../../../../etc/passwd",
    "a/../../secret",
    "a/../../../secret",
    "./../secret",
    ".oss/headers/x",
    ".oss/../../secret",
    "..\\secret",
    "a\0b",
    "a/\0/../../secret",
    "//secret",
    "~/secret",
    "file:///etc/passwd",
    "C:\\secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "\u2025/secret",
    "\uff0e\uff0e/secret",
    "a" * 1023,
    "/".join(["d"] * 500),
    "a\r\nset-cookie: x",
    "\ud7ff\ufffe\U0010ffff",
    "\u202egpj.a",
]


@pytest.mark.parametrize("key", TRAVERSALS)
async def test_keys_stay_inside_the_root(outside: Path, key: str) -> None:
    async with served(outside / "root") as client:
        for encoded in (quote(key, safe=""), quote(key, safe="/.")):
            target = f"/photos/{encoded}"
            stored = await client.send_raw("PUT", target, body=b"mine")
            check_proper(stored)
            found = await client.send_raw("GET", target)
            check_proper(found)
            if stored.status == 200:
                assert found.body == b"mine"
                check_proper(await client.send_raw("HEAD", target), "HEAD")
                listed = await client.send_raw("GET", "/photos?list-type=2&encoding-type=url")
                assert quote(key, safe="") in listed.body.decode()
                assert (await client.send_raw("DELETE", target)).status == 204


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_key_without_a_bucket_is_not_the_list_of_buckets(outside: Path, method: str) -> None:
    async with served(outside / "root") as client:
        answer = await client.send_raw(method, "//a.jpg")
        check_proper(answer)
        assert answer.status == 400
        assert b"<Code>InvalidBucketName</Code>" in answer.body


@pytest.mark.parametrize(
    "bucket", ["..", ".", "%2e%2e", "..%2fneighbour", "%2e%2e%2f", "photos%2f..", "%00", ".oss", "a%0ab"]
)
async def test_buckets_stay_inside_the_root(outside: Path, bucket: str) -> None:
    async with served(outside / "root") as client:
        for method, target in (
            ("GET", f"/{bucket}/secret"),
            ("GET", f"/{bucket}/neighbour/a"),
            ("PUT", f"/{bucket}/secret"),
            ("PUT", f"/{bucket}"),
            ("GET", f"/{bucket}?list-type=2"),
            ("GET", f"/{bucket}?style"),
            ("DELETE", f"/{bucket}/secret"),
        ):
            answer = await client.send_raw(method, target)
            check_proper(answer)
            assert answer.status in {400, 404}, target
        host = await client.send_raw("GET", "/secret", (("host", f"{bucket}.oss-cn-hangzhou.aliyuncs.com"),))
        check_proper(host)
        assert host.status in {400, 404}


@pytest.mark.parametrize(
    "target", [ObjectRef("..", "secret"), ObjectRef("photos", "../secret"), ObjectRef("", "../../x")]
)
async def test_targets_of_saveas_stay_inside_the_root(outside: Path, target: ObjectRef) -> None:
    async with served(outside / "root") as client:
        check_proper(await client.process("photos", "a.jpg", saveas("image/resize,w_20", target)))


@pytest.mark.parametrize("name", ["../../secret", "..", ".", "a/b", "%2e%2e", "\0", "x" * 300])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_styles_stay_inside_the_root(outside: Path, method: str, name: str) -> None:
    async with served(outside / "root") as client:
        body = b"<Style><Content>image/rotate,90</Content></Style>" if method == "PUT" else b""
        answer = await client.send(Request(method, "photos", "", (("style", ""), ("styleName", name)), (), body))
        check_proper(answer)
        assert answer.status == 400
        check_proper(await client.process("photos", "a.jpg", f"style/{name}"))


HEADERS = [
    b"x-oss-meta-a: " + b"v" * 20_000,
    b"\r\n".join(b"x-oss-meta-%d: v" % number for number in range(1000)),
    b"x-oss-meta-\xff: v",
    b"x-oss-meta-a: \xff\xfe",
    b"range: bytes=99999999999999999999999-",
    b"range: bytes=-99999999999999999999999",
    b"range: bytes=" + b"9" * 5000 + b"-",
    b"range: bytes=--1",
    b"range: bytes=\xb2-\xb3",
    b"if-modified-since: the day before yesterday",
    b"if-modified-since: Mon, 99 Foo 99999 99:99:99 GMT",
    b"if-unmodified-since: Mon, 01 Jan 0001 00:00:00 +9999",
    b"if-match: " + b'"' * 5000,
    b"content-md5: not base64",
    b"content-type: a\tb",
    b"content-length: -1",
    b"content-length: 1e3",
    b"content-length: 99999999999999999999999999",
    b"content-length: \xb2",
    b"content-length: 1\r\ncontent-length: 2",
    b"transfer-encoding: chunked\r\ncontent-length: 3",
    b"transfer-encoding: rot13",
    b"expect: a-miracle",
    b"upgrade: websocket\r\nconnection: upgrade",
    b"authorization: OSS4-HMAC-SHA256 Credential=a/b/c/d/e,Signature=" + b"0" * 64,
    b"authorization: OSS :",
    b"authorization: OSS4-HMAC-SHA256 ",
    b"authorization: Basic \xff",
    b"x-oss-date: 99999999T999999Z\r\nauthorization: OSS4-HMAC-SHA256 Credential=a/99999999/r/oss/aliyun_v4_request",
    b"x-oss-forbid-overwrite: \xff",
    b"host: " + b"a" * 5000,
    b"host: \xff\xff",
    b"host: [::1",
    b"host: photos..oss-cn-hangzhou.aliyuncs.com",
    b": no name",
    b"no colon",
    b" folded: a",
    b"a\0b: c",
]


@pytest.mark.parametrize("auth", [False, True])
@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:40]))
async def test_absurd_headers_are_answered_properly(outside: Path, header: bytes, auth: bool) -> None:
    async with served(outside / "root", auth=auth, idle_s=0.5) as client:
        for line in (b"GET /photos/a.jpg", b"PUT /photos/new", b"POST /photos/a.jpg?x-oss-process"):
            sent = line + b" HTTP/1.1\r\nconnection: close\r\n"
            sent += b"" if header.startswith(b"host") else b"host: 127.0.0.1\r\n"
            check_proper(await exchanged(client, sent + header + b"\r\n\r\n"))
        assert auth or (await client.get("photos", "a.jpg")).status == 200


async def exchanged(client: Client, sent: bytes) -> Answer:
    reader, writer = await asyncio.open_connection(sock=connected(client, sent[:_AT_ONCE]))
    try:
        writer.write(sent[_AT_ONCE:])
        async with asyncio.timeout(LIMIT_S):
            received = await reader.read()
    finally:
        writer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    names = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), names, body)


_AT_ONCE = 16 << 10  # bytes that a connection takes although nobody reads them yet


def connected(client: Client, sent: bytes) -> socket.socket:
    """A connection on which something lies before the server looks at it: no pause of this machine is the client's."""
    parts = urlsplit(client.url)
    connection = socket.create_connection((parts.hostname, parts.port))
    connection.sendall(sent)
    return connection


@pytest.mark.parametrize(
    "line",
    [
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1",
        b"GET /photos?" + b"a=b&" * 30_000 + b" HTTP/1.1",
        b"GET",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /photos/%zz HTTP/1.1",
        b"GET /photos/% HTTP/1.1",
        b"GET photos HTTP/1.1",
        b"GET http://[bad/photos HTTP/1.1",
        b"GET http://user:password@127.0.0.1/photos HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT example.com:443 HTTP/1.1",
        b"BREW /pot HTTP/1.1",
        b"GET / HTTP/0.9",
        b"PRI * HTTP/2.0",
        b"GET /photos?list-type=2&continuation-token=" + b"%00" * 50 + b" HTTP/1.1",
        b"GET /photos?list-type=2&max-keys=" + b"9" * 5000 + b" HTTP/1.1",
        b"GET /photos?list-type=2&prefix=%00&delimiter=%00&start-after=%00 HTTP/1.1",
        b"GET /?prefix=%00&marker=%ff HTTP/1.1",
        b"GET /photos/a.jpg?x-oss-process=" + b"image/resize,w_1%7C" * 2000 + b" HTTP/1.1",
        b"GET /photos/a.jpg?x-oss-process=%00 HTTP/1.1",
        b"GET /photos/a.jpg?response-content-type=a%0d%0aset-cookie:%20x HTTP/1.1",
        b"GET /photos/a.jpg?Expires=99999999999999999999&OSSAccessKeyId=a&Signature=b HTTP/1.1",
    ],
    ids=lambda line: repr(line[:50]),
)
async def test_absurd_request_lines_are_answered_properly(outside: Path, line: bytes) -> None:
    for auth in (False, True):
        async with served(outside / "root", auth=auth) as client:
            answer = await exchanged(client, line + b"\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            check_proper(answer)
            assert "set-cookie" not in answer.headers


async def test_oversized_bodies_are_refused_without_being_stored(outside: Path) -> None:
    async with served(outside / "root", idle_s=1) as client:
        large = bytes((1 << 20) + 1)
        for method, target, body in (
            ("POST", "/photos/a.jpg?x-oss-process", b"x-oss-process=" + large),
            ("PUT", "/photos?style&styleName=a", b"<Style><Content>" + large + b"</Content></Style>"),
            ("PUT", "/new-bucket", b" " * len(large)),
        ):
            answer = await client.send_raw(method, target, body=body)
            check_proper(answer)
            assert ElementTree.fromstring(answer.body).findtext("Code") == "EntityTooLarge"
        # Told by the length alone: half a gigabyte need not be sent.
        head = f"PUT /photos/large HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {writing.MAX_OBJECT + 1}\r\n"
        answer = await exchanged(client, f"{head}connection: close\r\nexpect: 100-continue\r\n\r\n".encode())
        assert ElementTree.fromstring(answer.body).findtext("Code") == "EntityTooLarge"
        assert not (outside / "root/photos/large").exists()
        assert list((outside / "root/photos/.oss/uploads").iterdir()) == []
        assert not (outside / "root/new-bucket").exists()


async def test_a_packed_body_is_kept_as_it_was_sent(outside: Path) -> None:
    async with served(outside / "root") as client:
        packed = gzip.compress(bytes(100_000_000))
        assert (await client.put("photos", "packed", packed, content_encoding="gzip")).status == 200
        answer = await client.get("photos", "packed")
        assert (answer.body, answer.headers["content-encoding"]) == (packed, "gzip")


async def test_slow_clients_are_cut_off_and_disturb_nobody(outside: Path) -> None:
    head = b"PUT /photos/slow HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n"
    async with served(outside / "root", idle_s=0.5) as client:
        slow = [connected(client, (b"", b"GET / HT", head, head + b"some")[index % 4]) for index in range(60)]
        request = b"GET /photos/a.jpg HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
        assert (await exchanged(client, request)).status == 200
        received = await asyncio.gather(*map(until_closed, slow))
        assert [told for index, told in enumerate(received) if index % 4 < 2] == [b""] * 30
        for told in (told for index, told in enumerate(received) if index % 4 >= 2):
            assert told.startswith(b"HTTP/1.1 400 ")
            assert b"<Code>RequestTimeout</Code>" in told
        assert list((outside / "root/photos/.oss/uploads").iterdir()) == []


async def until_closed(connection: socket.socket) -> bytes:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    finally:
        writer.close()


def lazy_client(client: Client, target: str) -> socket.socket:
    """A client that asks and never reads."""
    return connected(client, f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())


def cut_off(lazy: Sequence[socket.socket]) -> None:
    """Wait until the server has reset these connections; nothing is read."""
    for connection in lazy:
        poll = select.poll()
        poll.register(connection, 0)  # errors are always told
        assert poll.poll(LIMIT_S * 1000)


async def test_a_client_that_never_reads_is_cut_off_and_holds_up_nobody(outside: Path) -> None:
    async with served(outside / "root", idle_s=0.5) as client:
        (outside / "root/photos/large").write_bytes(bytes(30_000_000))
        lazy = [lazy_client(client, "/photos/large") for _ in range(20)]
        assert (await client.get("photos", "a.jpg")).status == 200
        await asyncio.to_thread(cut_off, lazy)
        for connection in lazy:
            connection.close()


async def test_the_server_stops_at_once_whoever_does_not_read(outside: Path) -> None:
    async with served(outside / "root", idle_s=3600) as client:
        (outside / "root/photos/large").write_bytes(bytes(30_000_000))
        lazy = lazy_client(client, "/photos/large")
        assert await asyncio.to_thread(lazy.recv, 1) == b"H"
        began = time.monotonic()
    assert time.monotonic() - began < LIMIT_S
    lazy.close()


async def test_the_server_gives_up_what_it_draws_when_it_stops(outside: Path) -> None:
    async with served(outside / "root") as client:
        await client.put("photos", "wide.png", whole_png(30_000, 8_000))
        process = f"image{'/sharpen,100' * 3}/format,jpg"  # a minute of work
        drawn = asyncio.create_task(client.process("photos", "wide.png", saveas(process, ObjectRef("photos", "out"))))
        await asyncio.to_thread(until_something_is_drawn)
    with pytest.raises(IndexError):  # no answer
        await drawn
    assert not (outside / "root/photos/out").exists()
    assert SHARED.free == SHARED.total


def until_something_is_drawn() -> None:
    while SHARED.free == SHARED.total:
        time.sleep(0.01)


@pytest.mark.parametrize(("name", "data"), [*bombs(), ("broken.jpg", jpeg(600, 400)[:2000])])
async def test_pictures_that_lie_are_refused_over_http_as_documented(outside: Path, name: str, data: bytes) -> None:
    async with served(outside / "root") as client:
        await client.put("photos", name, data)
        target = ObjectRef("photos", "out")
        for process in ("image/resize,w_100", "image/rotate,90"):
            answer = await client.process("photos", name, saveas(process, target))
            check_proper(answer)
            assert answer.status == 400
            assert ElementTree.fromstring(answer.body).findtext("Code") in {"MemLimitExceeded", "ImageDamage"}
        assert (await client.get("photos", "out")).status == 404


BOMB = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><R>&a;</R>',
        f'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">{BOMB}]><R>&j;</R>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><R/>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]><R/>',
        "<R>" * 20_000,
        "\ufeff<R/>",
        "<R xmlns='" + "a" * 1000 + "'/>",
    ],
    ids=lambda body: body[:30],
)
async def test_entities_in_bodies_are_refused(outside: Path, body: str) -> None:
    async with served(outside / "root") as client:
        style, bucket = body.replace("R", "Style"), body.replace("R", "CreateBucketConfiguration")
        for target, sent in (("/photos?style&styleName=a", style), ("/new-bucket", bucket)):
            answer = await client.send_raw("PUT", target, body=sent.encode())
            check_proper(answer)
            assert b"root:" not in answer.body
            if "ENTITY" in body:
                assert ElementTree.fromstring(answer.body).findtext("Code") == "MalformedXML"


METHODS = ["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH"]
SUBRESOURCES = [
    "",
    "style",
    "styleName=a",
    "list-type=2",
    "x-oss-process",
    "bucketInfo",
    "uploads",
    "acl",
    "objectMeta",
]


async def fuzz(client: Client, chance: random.Random, count: int) -> None:
    alphabet = [*"/.%?&=,|_-+*{}()[]'\"\\ :;@#~", "..", "%00", "%2f", "%2e", "%ff", "a", "photos", "照", "\u202e"]
    for _ in range(count):
        noise = "".join(chance.choices(alphabet, k=chance.randrange(30)))
        path = quote(noise, safe="%/.,=&?-_~") if chance.random() < 0.8 else quote(noise, safe="")
        query = "&".join(chance.choices(SUBRESOURCES, k=chance.randrange(3)))
        bucket = chance.choice(["photos", "photos", "missing", "..", ""])
        method = chance.choice(METHODS)
        body = chance.randbytes(chance.randrange(40)) if method in {"PUT", "POST"} else b""
        if chance.random() < 0.3 and body:
            body = b"x-oss-process=" + quote(noise).encode()
        answer = await client.send_raw(method, f"/{bucket}/{path}?{query}", body=body)
        check_proper(answer, method)


async def test_random_requests_are_answered_properly(outside: Path) -> None:
    async with served(outside / "root") as client:
        await fuzz(client, random.Random(3), 300)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(10))
async def test_many_random_requests_are_answered_properly(outside: Path, seed: int) -> None:
    async with served(outside / "root") as client:
        await fuzz(client, random.Random(seed), 5000)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_no_body_of_a_process_breaks_the_server(outside: Path, body: bytes) -> None:
    async def posted() -> None:
        async with served(outside / "root") as client:
            check_proper(await client.process("photos", "a.jpg", b"x-oss-process=image/" + body))
            check_proper(await client.process("photos", "a.jpg", body))

    asyncio.run(posted())


async def test_what_is_in_the_way_on_disk_is_no_bug(outside: Path) -> None:
    async with served(outside / "root") as client:
        (outside / "root/linked").symlink_to(outside / "neighbour")
        os.mkfifo(outside / "root/photos/pipe")
        for target in ("/linked/a", "/linked?list-type=2", "/photos/pipe"):
            answer = await client.send_raw("GET", target)
            check_proper(answer)
            assert answer.status == 404


@pytest.mark.parametrize("name", ["headers", "uploads", "styles/x"])
async def test_what_is_in_the_way_of_the_stores_own_files_is_told_by_its_place(outside: Path, name: str) -> None:
    place = outside / "root/photos/.oss" / name
    async with served(outside / "root") as client:
        if place.name == "x":
            place.mkdir(parents=True)
        else:
            shutil.rmtree(place)
            place.write_bytes(b"")
        style = b"<Style><Content>image/resize,w_10</Content></Style>"
        target = "/photos?style&styleName=x" if place.name == "x" else "/photos/b"
        for method in ("PUT", "DELETE") if place.name == "x" else ("PUT",):
            answer = await client.send_raw(method, target, body=style)
            check_proper(answer)
            assert answer.status == 403
            assert str(place).encode() in answer.body


async def test_a_full_disk_is_told_and_leaves_nothing_behind(outside: Path) -> None:
    async with served(outside / "root") as client:
        before = sorted((outside / "root").rglob("*"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, limits[1]))  # the system says so as it does of a full disk
        try:
            stored = await client.send_raw("PUT", "/photos/b", body=bytes(5 << 20))
            saved = await client.process(
                "photos", "a.jpg", b"x-oss-process=image/resize,w_1500,limit_0/format,bmp|sys/saveas,o_Yi5ibXA"
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        for answer in (stored, saved):
            check_proper(answer)
            assert answer.status == 400
            assert b"<Code>EntityTooLarge</Code><Message>The disk of the local OSS is full" in answer.body
        assert sorted((outside / "root").rglob("*")) == before


@pytest.mark.parametrize(
    "query",
    [
        (
            "x-oss-signature-version=OSS4-HMAC-SHA256"
            "&x-oss-credential=a%2F99991231%2Fcn-hangzhou%2Foss%2Faliyun_v4_request"
            "&x-oss-date=99991231T235959Z&x-oss-expires=604800&x-oss-signature=00"
        ),
        "response-content-type=a%01b%7F%C2%85",
        "OSSAccessKeyId=a&Expires=99999999999999999999&Signature=b",
    ],
)
@pytest.mark.parametrize("auth", [False, True])
async def test_absurd_queries_are_answered_properly(outside: Path, query: str, auth: bool) -> None:
    async with served(outside / "root", auth=auth) as client:
        check_proper(await client.send_raw("GET", f"/photos/a.jpg?{query}"))


async def test_a_file_that_gets_shorter_while_it_is_sent_ends_the_connection(outside: Path) -> None:
    size = 64 << 20  # more than the buffers between both ends hold
    async with served(outside / "root") as client:
        (outside / "root/photos/large").write_bytes(bytes(size))
        parts = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /photos/large HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        received = len(await reader.readuntil(b"\r\n\r\n"))
        os.truncate(outside / "root/photos/large", 1)
        writer.write(b"GET /photos/missing HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        body = b""
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 20):
                body = chunk
                received += len(chunk)
        writer.close()
    assert received < size
    assert b"HTTP/1.1" not in body
