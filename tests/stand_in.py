"""A stand-in for OSS on a loopback port: quick, tells what it was asked, and fails in any way a test wishes.

It checks no signature and processes no picture: what it "saves" is as large as its source. It needs nothing that only
tests have, so that measurements can run it in a process of its own.
"""

import asyncio
import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from worker.oss.process import SaveAs, parse

PAGE = 1000
_LONG_AGO = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SIZE = 1234


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came; the key is decoded, names of headers are lower-case."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str

    @property
    def saves(self) -> tuple[str, str]:
        """Bucket and key that a POST asks to save to."""
        process = parse(self.body.decode().removeprefix("x-oss-process="))[-1]
        assert isinstance(process, SaveAs)
        return process.bucket, process.key


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer; None as status: close the connection without a word."""

    status: int | None = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay_s: float = 0.0


def refusal(status: int, code: str, message: str = "made up", **headers: str) -> Reply:
    """An error answer as OSS writes it."""
    body = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message><EC>0000-00000000</EC></Error>"
    return Reply(status, tuple((name.replace("_", "-"), value) for name, value in headers.items()), body.encode())


@dataclass(slots=True)
class StandIn:
    """Buckets of objects (key to etag). `script` may answer in place of the usual; without `keep` it only counts.

    What is put is kept in `contents`, by bucket and key; with `lands` that is done though `script` answers.
    """

    buckets: dict[str, dict[str, str]]
    script: Callable[[Seen], Reply | None] = lambda _: None
    location: str = "oss-cn-hangzhou"
    delay_s: float = 0.0
    page: int = PAGE
    keep: bool = True
    lands: bool = False
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    modified: dict[tuple[str, str], float] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""
    _server: asyncio.Server | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)
    _sorted: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_away()

    async def go_away(self) -> None:
        """Listen no more, and cut off who is connected."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        await self._server.wait_closed()

    async def come_back(self) -> None:
        """Listen again, where it did before."""
        port = int(self.url.rpartition(":")[2])
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    @property
    def posts(self) -> list[Seen]:
        """The POSTs, in the order of their arrival."""
        return [request for request in self.seen if request.method == "POST"]

    def saved(self) -> Counter[tuple[str, str]]:
        """How often each target was asked for."""
        return Counter(request.saves for request in self.posts)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while request := await _receive(reader):
                self.counts[request.method] += 1
                if self.keep:
                    self.seen.append(request)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    scripted = self.script(request)
                    reply = self._usual(request) if scripted is None or self.lands else scripted
                    reply = scripted or reply
                    if delay_s := reply.delay_s or (self.delay_s if request.method == "POST" else 0.0):
                        await asyncio.sleep(delay_s)
                finally:
                    self.in_flight -= 1
                if reply.status is None:
                    return
                writer.write(_http(reply, request.method))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the test has ended
        finally:
            self._connections.discard(writer)
            writer.close()

    def _usual(self, request: Seen) -> Reply:
        objects = self.buckets.get(request.bucket)
        if objects is None:
            return refusal(404, "NoSuchBucket")
        if "bucketInfo" in request.query:
            return self._info(request.bucket)
        if request.query.get("list-type") == "2":
            return self._list(request.bucket, objects, request.query)
        if request.method == "PUT":
            return self._put(request, objects)
        if request.method == "DELETE":
            return self._delete(request, objects)
        if request.key not in objects:
            return refusal(404, "NoSuchKey")
        if request.method == "POST":
            return self._process(request)
        if (content := self.contents.get((request.bucket, request.key))) is not None:
            return self._get(request, content)
        modified = self.modified.get((request.bucket, request.key))
        headers = (("ETag", f'"{objects[request.key]}"'), ("Last-Modified", formatdate(modified, usegmt=True)))
        return Reply(200, (*headers, ("Content-Length", str(SIZE))))

    def _process(self, request: Seen) -> Reply:
        bucket, key = request.saves
        if bucket not in self.buckets:
            return refusal(404, "NoSuchBucket")
        if self.keep:
            self.buckets[bucket][key] = "5A7ED"
            self.modified[bucket, key] = time.time()
        said = {"bucket": bucket, "fileSize": SIZE, "object": key, "status": "OK"}
        return Reply(body=json.dumps(said).encode())

    def _put(self, request: Seen, objects: dict[str, str]) -> Reply:
        if request.key in objects and request.headers.get("x-oss-forbid-overwrite") == "true":
            return refusal(409, "FileAlreadyExists")
        objects[request.key] = "C0FFEE"
        self.contents[request.bucket, request.key] = request.body
        self.modified[request.bucket, request.key] = time.time()
        return Reply()

    def _delete(self, request: Seen, objects: dict[str, str]) -> Reply:
        objects.pop(request.key, None)
        for known in (self.contents, self.modified):
            known.pop((request.bucket, request.key), None)
        return Reply(204)

    def _get(self, request: Seen, content: bytes) -> Reply:
        first, _, last = request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        return Reply(206, body=content[int(first) : int(last or len(content)) + 1])

    def _size(self, bucket: str, key: str) -> int:
        content = self.contents.get((bucket, key))
        return SIZE if content is None else len(content)

    def _info(self, bucket: str) -> Reply:
        fields = {"Name": bucket, "Location": self.location, "ExtranetEndpoint": f"{self.location}.aliyuncs.com"}
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return Reply(body=f"<BucketInfo><Bucket>{inner}</Bucket></BucketInfo>".encode())

    def _list(self, bucket: str, objects: dict[str, str], query: dict[str, str]) -> Reply:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        if not after or (bucket, prefix) not in self._sorted:
            self._sorted[bucket, prefix] = sorted(key for key in objects if key.startswith(prefix))
        keys = self._sorted[bucket, prefix]
        begin = bisect_right(keys, after) if after else 0
        page, more = keys[begin : begin + self.page], len(keys) > begin + self.page
        entries = "".join(
            _entry(key, objects[key], self._size(bucket, key), self.modified.get((bucket, key)))
            for key in page
            if key in objects
        )
        token = f"<NextContinuationToken>{quote(page[-1])}</NextContinuationToken>" if more else ""
        return Reply(
            body=f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{entries}</ListBucketResult>".encode()
        )


def keys_below(prefix: str, count: int) -> dict[str, str]:
    """`count` objects below a prefix, each with an etag of its own."""
    return {f"{prefix}{number:05}.jpg": f"E{number:05}" for number in range(count)}


async def _receive(reader: asyncio.StreamReader) -> Seen | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    bucket, _, key = path.removeprefix("/").partition("/")
    return Seen(method, bucket, unquote(key), dict(parse_qsl(query, keep_blank_values=True)), headers, body, target)


def _http(reply: Reply, method: str) -> bytes:
    headers: Iterable[tuple[str, str]] = (
        ("Date", formatdate(usegmt=True)),
        ("x-oss-request-id", "5FD7B1D2C3E4F5A6B7C8D9E0"),
        *reply.headers,
    )
    if not any(name.lower() in {"content-length", "transfer-encoding"} for name, _ in reply.headers):
        headers = (*headers, ("Content-Length", str(len(reply.body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {reply.status} Made-Up\r\n{lines}\r\n".encode() + (b"" if method == "HEAD" else reply.body)


def _entry(key: str, etag: str, size: int, modified: float | None) -> str:
    at = _LONG_AGO if modified is None else datetime.fromtimestamp(modified, UTC)
    return (
        f"<Contents><Key>{quote(key)}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>"
        f"<LastModified>{at.isoformat(timespec='milliseconds')[:-6]}Z</LastModified>"
        "<StorageClass>Standard</StorageClass></Contents>"
    )
