"""The stand-in that clients are measured against: says "saved" to every process with saveas, as quickly as Python can.

It checks no signature. What it costs is not measured: it is bound to another core than the client.
"""

import asyncio
import base64
import json
import sys
import time
from typing import ClassVar, cast
from urllib.parse import unquote_to_bytes

import uvloop

INFO = (
    b"<BucketInfo><Bucket><Name>photos</Name><Location>oss-cn-hangzhou</Location>"
    b"<ExtranetEndpoint>oss-cn-hangzhou.aliyuncs.com</ExtranetEndpoint></Bucket></BucketInfo>"
)
HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: AliyunOSS\r\nDate: Tue, 24 Nov 2026 08:00:00 GMT\r\nContent-Type: %b\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nx-oss-request-id: 5FD7B1D2C3E4F5A6B7C8D9E0\r\n"
    b"x-oss-server-time: 3\r\n\r\n"
)


class _Echo(asyncio.Protocol):
    posts = 0
    times: ClassVar[list[float]] = []  # when each POST came, since somebody asked

    def __init__(self) -> None:
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none by class

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = length_of(head)
            if len(self._data) < end + 4 + length:
                return
            body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
            self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            _Echo.posts += 1
            _Echo.times.append(time.monotonic())
            content, kind = saved(body), b"application/json"
        elif b"bucketInfo" in head:
            content, kind = INFO, b"application/xml"
        elif b"/times" in head:
            content, kind = json.dumps(_Echo.times).encode(), b"application/json"
            _Echo.times.clear()
        else:
            content, kind = str(_Echo.posts).encode(), b"text/plain"
        return HEAD % (kind, len(content)) + content


def length_of(head: bytes) -> int:
    """How long the body of a request is."""
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def saved(body: bytes) -> bytes:
    """What the service answers to a process with saveas."""
    # ali-oss encodes the body as a form, and everybody has an order of its own.
    text = unquote_to_bytes(body) if b"%" in body else body
    fields = {part[:2]: part[2:] for part in text.partition(b"sys/saveas,")[2].split(b",")}
    said = b'{\n    "bucket": "%b",\n    "fileSize": 3267,\n    "object": "%b",\n    "status": "OK"}'
    return said % (_decoded(fields[b"b_"]), _decoded(fields[b"o_"]))


def _decoded(value: bytes) -> bytes:
    return base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))


async def serve(protocol: type[asyncio.Protocol]) -> None:
    """Say where, and serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(_Echo))
