"""The bytes of our POST, as a server that only listens gets them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tests.unit.oss.keys import HARD_KEYS
from worker import __version__, settings
from worker.oss.answer import Answer
from worker.oss.encoding import percent
from worker.oss.endpoint import Addressing, parse_endpoint
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request, process_object
from worker.oss.signing import Credentials, sign_v1, sign_v4
from worker.transport import Transport

KEYS = Credentials("made-up-id", "made-up-secret", "made-up/token==")
AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
SOURCE = ObjectRef("photos", "a/../照片 +1 (x)'.jpg")
TARGET = ObjectRef("destbucket", "out/example.jpg")
BODY = b"x-oss-process=image/resize,w_100|sys/saveas,o_b3V0L2V4YW1wbGUuanBn,b_ZGVzdGJ1Y2tldA"
PATH = "/photos/a/../%E7%85%A7%E7%89%87%20%2B1%20%28x%29%27.jpg"


@dataclass
class Listener:
    """A server that answers 200 to everything and keeps what it was sent."""

    url: str = ""
    received: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *([0-9]+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.received.append(head + body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    async with server:
        yield listener


async def sent(request: Request) -> tuple[bytes, str]:
    """What arrives, and the host it was sent to."""
    async with (
        listening() as listener,
        Transport(parse_endpoint(listener.url), settings.Transport(), settings.Timeout(), 1) as transport,
    ):
        answer = await transport.send(request)
    assert isinstance(answer, Answer)
    (received,) = listener.received
    return received, listener.url.removeprefix("http://")


async def test_a_post_signed_with_v4_is_these_bytes_and_no_others() -> None:
    request = process_object(SOURCE, saveas("image/resize,w_100", TARGET))
    signed = sign_v4(request, KEYS, region="cn-hangzhou", at=AT)
    received, host = await sent(signed)
    scope = "made-up-id/20240601/cn-hangzhou/oss/aliyun_v4_request"
    signature = "{signature}"
    expected = (
        f"POST {PATH}?x-oss-process HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        f"User-Agent: oss-saveas/{__version__}\r\n"
        "x-oss-content-sha256: UNSIGNED-PAYLOAD\r\n"
        "x-oss-date: 20240601T120000Z\r\n"
        "x-oss-security-token: made-up/token==\r\n"
        f"authorization: OSS4-HMAC-SHA256 Credential={scope},Signature={signature}\r\n"
        f"Content-Length: {len(BODY)}\r\n"
        "\r\n"
    ).encode() + BODY
    assert re.sub(rb"(?<=Signature=)[0-9a-f]{64}", signature.encode(), received) == expected


async def test_a_post_signed_with_v1_is_these_bytes_and_no_others() -> None:
    request = process_object(SOURCE, saveas("image/resize,w_100", TARGET))
    received, host = await sent(sign_v1(request, KEYS, at=AT))
    signature = "{signature}"
    expected = (
        f"POST {PATH}?x-oss-process HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        f"User-Agent: oss-saveas/{__version__}\r\n"
        "date: Sat, 01 Jun 2024 12:00:00 GMT\r\n"
        "x-oss-security-token: made-up/token==\r\n"
        f"authorization: OSS made-up-id:{signature}\r\n"
        f"Content-Length: {len(BODY)}\r\n"
        "\r\n"
    ).encode() + BODY
    assert re.sub(rb"(?<=made-up-id:)[A-Za-z0-9+/]{27}=", signature.encode(), received) == expected


@pytest.mark.parametrize("name", [b"content-type", b"accept-encoding", b"accept", b"transfer-encoding", b"cookie"])
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD"])
async def test_nothing_is_added_that_was_not_signed(method: str, name: bytes) -> None:
    received, _ = await sent(Request(method, "photos", "a.jpg", body=BODY if method == "POST" else b""))
    head = received.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\n" + name + b":" not in head


@pytest.mark.parametrize("key", HARD_KEYS)
async def test_a_hard_key_stands_in_the_request_line_as_it_was_encoded(key: str) -> None:
    received, _ = await sent(process_object(ObjectRef("photos", key), "style/small"))
    path = percent(key, safe="/")
    assert received.split(b"\r\n", 1)[0] == f"POST /photos/{path}?x-oss-process HTTP/1.1".encode()
    assert received.endswith(b"\r\n\r\nx-oss-process=style/small")


@pytest.mark.parametrize(
    ("addressing", "authority", "path"),
    [
        (Addressing.VIRTUAL, "photos.oss-cn-hangzhou.aliyuncs.com", "/a/../b.jpg"),
        (Addressing.CNAME, "oss-cn-hangzhou.aliyuncs.com", "/a/../b.jpg"),
        (Addressing.PATH, "oss-cn-hangzhou.aliyuncs.com", "/photos/a/../b.jpg"),
    ],
)
async def test_the_bucket_goes_where_the_addressing_says(addressing: Addressing, authority: str, path: str) -> None:
    # By way of a proxy, which gets the whole URL: so that no name of the service has to resolve.
    async with listening() as listener:
        endpoint = parse_endpoint("http://oss-cn-hangzhou.aliyuncs.com", addressing)
        options = settings.Transport(proxy=listener.url)
        async with Transport(endpoint, options, settings.Timeout(), 1) as transport:
            await transport.send(Request("GET", "photos", "a/../b.jpg"))
    (received,) = listener.received
    line, host, *_ = received.decode().split("\r\n")
    assert line == f"GET http://{authority}{path} HTTP/1.1"
    assert host == f"Host: {authority}"
