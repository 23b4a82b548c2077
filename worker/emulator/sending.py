"""How an answer goes out, and how it breaks off where a fault wants it to."""

import asyncio
import base64
import socket
import struct
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from worker.emulator import refusals
from worker.emulator.call import Answer, Part, blocking
from worker.emulator.store import CHUNK
from worker.oss.refusal import RefusedError

_STEPS = 10  # of a slow body


@dataclass(frozen=True, slots=True)
class Manner:
    """How a body goes out: whole at once, over `seconds`, or only the first `half` before the connection closes.

    `pause` is how it waits.
    """

    seconds: float = 0.0
    half: bool = False
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep


WHOLE = Manner()


async def send(
    http: web.BaseRequest, answer: Answer, headers: Mapping[str, str], manner: Manner, idle_s: float
) -> web.StreamResponse:
    """Send an answer, its own headers over the common ones. What was opened for it is closed.

    A client that takes nothing of it for `idle_s` is cut off.

    Raises:
        ConnectionError: The client has gone, or was to be cut off.
    """
    response = web.StreamResponse(status=answer.status)
    response.headers.update(headers)
    for name, value in answer.headers:
        response.headers[name] = _header_text(value)
    try:
        await _send_body(http, response, answer, manner, idle_s)
    except TimeoutError:
        raise reset(http, "nobody reads the answer") from None
    finally:
        if isinstance(answer.body, Part):
            await blocking(answer.body.content.file.close)
    return response


def refused(error: RefusedError, method: str, request_id: str, host: str) -> Answer:
    """The answer that tells a refusal."""
    headers = [("Content-Type", "application/xml")]
    if error.refusal.ec:
        headers.append(("x-oss-ec", error.refusal.ec))
    if isinstance(error, refusals.DetailedRefusalError):
        headers += error.headers
    body = refusals.error_document(error, request_id=request_id, host=host)
    if method == "HEAD":  # it has no body to say it in
        headers.append(("x-oss-err", base64.b64encode(body).decode()))
        body = b""
    return Answer(error.refusal.http, tuple(headers), body)


def reset(http: web.BaseRequest, why: str = "reset by a fault") -> ConnectionResetError:
    """Cut the connection off with a reset; the error to raise then."""
    if http.transport is not None:
        connection = http.transport.get_extra_info("socket")
        # Closed with nothing to wait for, which the client learns as a reset instead of an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        http.transport.abort()
    return ConnectionResetError(why)


async def _send_body(
    http: web.BaseRequest, response: web.StreamResponse, answer: Answer, manner: Manner, idle_s: float
) -> None:
    size = answer.body.size if isinstance(answer.body, Part) else len(answer.body)
    has_body = http.method != "HEAD" and answer.status not in {204, 304}
    if answer.status not in {204, 304}:
        response.headers.setdefault("Content-Length", str(size))
    await response.prepare(http)
    left = size if has_body else 0
    if has_body:
        sent = size // 2 if manner.half else size
        async for chunk in _chunks(answer.body, sent, max(1, size // _STEPS) if manner.seconds else CHUNK):
            async with asyncio.timeout(idle_s):
                await response.write(chunk)
            left -= len(chunk)
            if manner.seconds:
                await manner.pause(manner.seconds / _STEPS)
    if left or manner.half:
        # What was promised does not come: another answer on this connection would be taken for it.
        if http.transport is not None:
            http.transport.close()
        raise ConnectionAbortedError("cut off")
    async with asyncio.timeout(idle_s):
        await response.write_eof()


async def _chunks(body: bytes | Part, left: int, step: int) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        for start in range(0, left, step):
            yield body[start : min(start + step, left)]
        return
    file = body.content.file
    await blocking(file.seek, body.start)
    while left:
        chunk = await blocking(file.read, min(step, left))
        if not chunk:
            return  # somebody has shortened the file
        left -= len(chunk)
        yield chunk


def _header_text(value: str) -> str:
    """A header value that cannot break out of its line."""
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in value)
