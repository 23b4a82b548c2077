"""Pictures that are kept, and sent on: whole or not at all."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.stand_in import Reply, Seen, StandIn
from worker.holding import IN_MEMORY
from worker.oss.answer import Answer
from worker.oss.endpoint import parse_endpoint
from worker.oss.names import ObjectRef
from worker.oss.request import Request, get_processed, put_picture
from worker.oss.verdict import Failure
from worker.settings import Timeout
from worker.settings import Transport as Options
from worker.transport import Transport

GET = get_processed(ObjectRef("photos", "a.jpg"), "image/resize,w_4", keeps=True)
JPEG = ("Content-Type", "image/jpeg")
SIZES = [0, 1, IN_MEMORY - 1, IN_MEMORY, 3 * IN_MEMORY + 7]
TOO_LARGE = 100_000_001
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def opened(url: str, total_s: float = 30) -> AsyncIterator[Transport]:
    async with Transport(parse_endpoint(url), Options(), Timeout(10, total_s), 4) as transport:
        yield transport


@asynccontextmanager
async def raw(*parts: bytes) -> AsyncIterator[str]:
    """A server that answers each request with these bytes, and closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def get(url: str, request: Request = GET) -> Answer | Failure:
    async with opened(url) as transport:
        return await transport.send(request)


def whole(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


@pytest.mark.parametrize("size", SIZES)
async def test_a_picture_that_is_kept_is_put_byte_for_byte_as_often_as_need_be(size: int) -> None:
    picture = whole(size)
    seen: list[Seen] = []

    def script(request: Seen) -> Reply:
        if request.method == "GET":
            return Reply(200, (JPEG,), picture)
        seen.append(request)
        return Reply(200)

    async with StandIn({}, script) as server, opened(server.url) as transport:
        answer = await transport.send(GET)
        assert isinstance(answer, Answer)
        assert answer.content is not None
        assert (answer.body, answer.headers["content-type"]) == (b"", "image/jpeg")
        assert (answer.content.size, answer.content.md5) == (size, hashlib.md5(picture, usedforsecurity=False).digest())
        put = put_picture(ObjectRef("far", "b.jpg"), answer.content, "image/jpeg")
        for _ in range(2):
            assert isinstance(await transport.send(put), Answer)
        answer.content.close()
    assert [(request.method, request.bucket, request.key) for request in seen] == [("PUT", "far", "b.jpg")] * 2
    for request in seen:
        assert request.body == picture
        assert request.headers["content-length"] == str(size)
        assert request.headers["content-type"] == "image/jpeg"
        assert "transfer-encoding" not in request.headers


async def test_only_a_success_is_kept() -> None:
    async with StandIn({}, lambda _: Reply(404, (), b"<Error/>")) as server:
        answer = await get(server.url)
    assert isinstance(answer, Answer)
    assert (answer.content, answer.body) == (None, b"<Error/>")


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\n"
NEITHER = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n"


@pytest.mark.parametrize("sent", [CHUNKED + b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", LENGTH + b"abcdef"])
async def test_a_picture_that_says_where_it_ends_is_whole(sent: bytes) -> None:
    async with raw(sent) as url:
        answer = await get(url)
    assert isinstance(answer, Answer)
    assert answer.content is not None
    assert answer.content.size == 6


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (CHUNKED + b"3\r\nabc\r\n", "ConnectionLost"),
        (CHUNKED + b"3\r\nabc\r\n3\r\nde", "ConnectionLost"),
        (LENGTH + b"abcde", "ConnectionLost"),
        (LENGTH, "ConnectionLost"),
        (NEITHER + b"abcdef", "UnreadableAnswer"),
        (OLD + b"abcdef", "UnreadableAnswer"),
    ],
)
async def test_a_part_never_passes_for_the_whole(sent: bytes, code: str) -> None:
    async with raw(sent) as url:
        found = await get(url)
    assert isinstance(found, Failure), found
    assert found.code == code


async def test_a_picture_that_says_it_is_too_large_is_refused_unread() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {TOO_LARGE}\r\n\r\n"
    async with raw(head.encode()) as url:
        found = await get(url)
    assert isinstance(found, Failure)
    assert (found.code, found.permanent, found.message) == (
        "PictureTooLarge",
        True,
        "the picture has 100,000,001 bytes",
    )


async def test_a_picture_that_grows_too_large_is_refused() -> None:
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    async with raw(CHUNKED, *[piece] * 100) as url:
        found = await get(url)
    assert isinstance(found, Failure)
    assert (found.code, found.message) == ("PictureTooLarge", "the picture has more than 100,000,000 bytes")


async def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    async with StandIn({}, lambda _: Reply(200, (JPEG,), bytes(IN_MEMORY))) as server:
        found = await get(server.url)
    assert isinstance(found, Failure)
    assert (found.code, found.permanent, found.http) == ("TemporaryFull", False, 0)


async def test_a_refusal_that_comes_before_the_body_is_read_is_heard() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
            head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 3000000\r\n\r\n"
            writer.write(head + bytes(3_000_000))
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()  # as servers do that close in peace: what still comes is thrown away
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server, opened(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as transport:
        answer = await transport.send(GET)
        assert isinstance(answer, Answer)
        assert answer.content is not None
        refused = await transport.send(put_picture(ObjectRef("far", "b.jpg"), answer.content, "image/jpeg"))
        answer.content.close()
    assert isinstance(refused, Answer)
    assert (refused.status, refused.body) == (403, b"no")


async def test_some_buckets_are_elsewhere() -> None:
    async with StandIn({"photos": {"a.jpg": "E"}}) as home, StandIn({}, lambda _: Reply(200, (), b"far")) as far:
        elsewhere = {"far": parse_endpoint(far.url)}
        async with Transport(parse_endpoint(home.url), Options(), Timeout(10, 20), 4, elsewhere) as transport:
            for bucket in ("photos", "far", "photos", "far"):
                await transport.send(Request("HEAD", bucket, "a.jpg"))
    assert [seen.bucket for seen in home.seen] == ["photos"] * 2
    assert [seen.bucket for seen in far.seen] == ["far"] * 2
