"""Connections: HTTP by aiohttp, whose own refusals are told as OSS tells them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from worker.emulator import refusals
from worker.emulator.sending import refused

_MAX_LINE = 64 << 10  # bytes of a request line; a V4 presigned URL with a long key has 6 KB
_MAX_FIELD = 16 << 10  # bytes of a header; user metadata of 8 KB is one at most
_MAX_HEADERS = 200


class Listener(web.Server):
    """A server of aiohttp whose connections tell trouble as OSS does and do not wait for ever."""

    def __init__(self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], idle_s: float) -> None:
        super().__init__(handle)
        self._idle_s = idle_s

    def __call__(self) -> web.RequestHandler:
        """The handler of a new connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is turned off
            keepalive_timeout=self._idle_s,  # also for a request line and headers that never end
            lingering_time=min(10.0, self._idle_s),
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_HEADERS,
            # A body is stored as it is sent: nothing unpacks it because of a Content-Encoding.
            auto_decompress=False,
        )


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP is refused as OSS would; a connection that is gone is only that."""
        if isinstance(exc, ConnectionError):
            raise exc
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        request_id = secrets.token_hex(12).upper()
        answer = refused(refusals.malformed_request(), "GET", request_id, "")
        body = answer.body if isinstance(answer.body, bytes) else b""
        headers = {"Server": "AliyunOSS", "x-oss-request-id": request_id, **dict(answer.headers)}
        response = web.Response(status=answer.status, body=body, headers=headers)
        response.force_close()
        return response
