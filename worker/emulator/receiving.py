"""From received bytes to a request: nothing may have decoded or normalised them before, for they were signed."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from worker.emulator import refusals
from worker.oss.endpoint import is_path_style_host
from worker.oss.refusal import RefusedError
from worker.oss.request import Request

# Hosts of the service itself, without a bucket before them: only the list of buckets lives there.
_SERVICE_HOST = re.compile(r"(?:oss-[a-z0-9-]+|[a-z0-9-]+\.oss)\.aliyuncs\.com")


def receive(method: str, target: str, headers: Iterable[tuple[bytes, bytes]], cnames: Mapping[str, str]) -> Request:
    """The request in a request line and headers, without its body. `target` is the raw path and query.

    `cnames` names the buckets behind custom hosts. Raises RefusedError where the bytes are no request.
    """
    received = _merged((_text(name).lower(), _text(value)) for name, value in headers)
    raw_path, _, raw_query = _origin_form(target).partition("?")
    query = tuple(_parameter(part) for part in raw_query.split("&") if part)
    bucket, raw_key = _address(_host(received.get("host", "")), raw_path, cnames)
    return Request(method, bucket, _decoded(raw_key, "object name"), query, tuple(received.items()))


def _address(host: str, path: str, cnames: Mapping[str, str]) -> tuple[str, str]:
    """The bucket and the still encoded key."""
    if host in cnames:
        return cnames[host], path[1:]
    if is_path_style_host(host) or "." not in host:
        bucket, _, key = path[1:].partition("/")
        if key and not bucket:  # `//key`, which is not the list of buckets
            raise refusals.invalid_bucket_name(bucket)
        return _decoded(bucket, "bucket name"), key
    if _SERVICE_HOST.fullmatch(host):
        if path != "/":
            raise refusals.path_style_forbidden()
        return "", ""
    bucket = host.partition(".")[0]
    if not bucket:
        raise refusals.invalid_bucket_name(bucket)
    return bucket, path[1:]


def _origin_form(target: str) -> str:
    """The path and query, also where a client wrote a whole URL, as one that talks to a proxy does."""
    if target.startswith("/"):
        return target
    _, separator, rest = target.partition("://")
    if not separator:
        raise refusals.invalid_request("The request target is not a path.")
    position = re.search(r"[/?]|$", rest)
    assert position is not None  # the end of the text always matches
    path = rest[position.start() :]
    return path if path.startswith("/") else f"/{path}"


def _host(value: str) -> str:
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].lower().rstrip(".")


def _merged(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in headers:
        merged[name] = f"{merged[name]},{value}" if name in merged else value
    return merged


def _parameter(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return _decoded(name.replace("+", " "), "query"), _decoded(value.replace("+", " "), "query")


def _decoded(text: str, what: str) -> str:
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise _not_utf8(what) from None


def _not_utf8(what: str) -> RefusedError:
    return refusals.invalid_argument(what, "", f"The {what} is not UTF-8.")


def _text(value: bytes) -> str:
    """A header as text: UTF-8, or Latin-1 where it is not."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def body_of(http: web.BaseRequest, idle_s: float) -> AsyncIterator[bytes]:
    """The body as it comes. A client that waits to be asked for it is asked; one that stops sending is refused."""
    if http.headers.get("Expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # nothing of the answer itself is sent yet
    chunks = aiter(http.content.iter_any())
    while True:
        try:
            async with asyncio.timeout(idle_s):
                chunk = await anext(chunks, b"")
        except TimeoutError:
            raise refusals.request_timeout() from None
        except (HttpProcessingError, web.RequestPayloadError) as error:
            raise refusals.incomplete_body() from error
        if not chunk:
            return
        yield chunk
