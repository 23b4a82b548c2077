"""A client that sends exactly the bytes it is told to: no library normalises, adds or hides anything."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from worker.oss.answer import Answer
from worker.oss.endpoint import parse_endpoint
from worker.oss.request import Request
from worker.oss.signing import Credentials, sign_v4

KEYS = Credentials("made-up-id", "made-up-secret")
TEMPORARY = Credentials("made-up-temporary-id", "made-up-temporary-secret", "made-up/token+with==signs")
MEMORY, FOLDER = "memory", "folder"
BOTH_STORES = pytest.mark.parametrize("store", [MEMORY, FOLDER], indirect=True)
NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


def signed(request: Request) -> Request:
    return sign_v4(request, KEYS, region="cn-hangzhou", at=NOW)


def unsigned(request: Request) -> Request:
    return request


@dataclass(frozen=True)
class Client:
    url: str
    sign: Callable[[Request], Request] = signed
    seen: list[str] = field(default_factory=list)  # names of operations, in order

    async def send(self, request: Request) -> Answer:
        target = parse_endpoint(self.url).url(request)
        path = target[len(self.url) :]
        return await self.send_raw(self.sign(request).method, path, self.sign(request).headers, request.body)

    async def send_raw(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
    ) -> Answer:
        host = urlsplit(self.url).netloc
        lines = [f"{method} {target} HTTP/1.1", "connection: close"]
        if "host" not in dict(headers):
            lines.append(f"host: {host}")
        if body or method in {"PUT", "POST"}:
            lines.append(f"content-length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers]
        return await self.exchange("\r\n".join([*lines, "", ""]).encode() + body, method)

    async def exchange(self, sent: bytes, method: str = "GET", *, hurries: bool = False) -> Answer:
        """What is answered to these bytes; `hurries`: not waiting for the server, which waits for the rest of them."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(sent)
            await writer.drain()
            received = await (_first_answer(reader) if hurries else reader.read())
        finally:
            writer.close()
            await writer.wait_closed()
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        names = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = Answer(int(status.split()[1]), names, body)
        if method != "HEAD" and answer.status not in {204, 304}:
            assert int(names["content-length"]) == len(body)
        else:
            assert body == b""
        return answer

    async def get(self, bucket: str, key: str = "", *query: tuple[str, str], **headers: str) -> Answer:
        return await self.call("GET", bucket, key, *query, **headers)

    async def call(self, method: str, bucket: str, key: str = "", *query: tuple[str, str], **headers: str) -> Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await self.send(Request(method, bucket, key, query, named))

    async def put(self, bucket: str, key: str, body: bytes, **headers: str) -> Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await self.send(Request("PUT", bucket, key, (), named, body))

    async def post(
        self, bucket: str, key: str, body: bytes, *query: tuple[str, str], method: str = "POST", **headers: str
    ) -> Answer:
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await self.send(Request(method, bucket, key, query, named, body))

    async def process(self, bucket: str, key: str, body: bytes | str) -> Answer:
        content = body if isinstance(body, bytes) else f"x-oss-process={body}".encode()
        return await self.send(Request("POST", bucket, key, (("x-oss-process", ""),), (), content))


async def _first_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)\r\n", head)
    assert length is not None
    return head + await reader.readexactly(int(length[1]))
