"""Stand-ins for those who issue keys, as real servers on loopback: STS, a machine's metadata, a credentials server."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from worker.credentials.source import Surroundings
from worker.credentials.web import Web
from worker.oss.signing import Credentials

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    form: dict[str, str]


def reply(body: str | bytes | dict[str, Any], status: int = 200, date: datetime | None = NOW) -> web.Response:
    """An answer; a `date` of None: without the header that every server should send."""
    content = json.dumps(body) if isinstance(body, dict) else body
    response = web.Response(status=status, body=content if isinstance(content, bytes) else content.encode())
    response.headers["Date"] = format_datetime(date, usegmt=True) if date else ""
    return response


def key(number: int) -> Credentials:
    """One of many temporary keys."""
    return Credentials(f"STS.id-{number}", f"made-up-secret-{number}", f"made-up/token+{number}==")


def issued(number: int = 1, valid_s: float = 3600, at: datetime = NOW, **changes: object) -> dict[str, Any]:
    """The fields of a temporary key; a change to None leaves a field out."""
    made = key(number)
    fields = {
        "AccessKeyId": made.access_key_id,
        "AccessKeySecret": made.access_key_secret,
        "SecurityToken": made.security_token,
        "Expiration": f"{at + timedelta(seconds=valid_s):%Y-%m-%dT%H:%M:%SZ}",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def by_sts(number: int = 1, valid_s: float = 3600, at: datetime = NOW, **changes: object) -> dict[str, Any]:
    """An answer of STS."""
    fields = issued(number, valid_s, at, **changes)
    return {"RequestId": "R-1", "AssumedRoleUser": {"AssumedRoleId": "1:x"}, "Credentials": fields}


@dataclass
class Issuer:
    """Answers each request by a function, and remembers it; None cuts the connection. `url` is where it listens."""

    answer: Callable[[Asked], web.StreamResponse | Awaitable[web.StreamResponse] | None]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked = Asked(request.method, request.raw_path, dict(request.query), request.headers, form)
        self.asked.append(asked)
        answer = self.answer(asked)
        response = await answer if isinstance(answer, Awaitable) else answer
        if response is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if response.headers.get("Date") == "":
            # aiohttp sets a date where there is none: this answer is written by hand.
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
            assert request.transport is not None
            head = f"HTTP/1.1 {response.status} Made-Up\r\nContent-Length: {len(response.body)}\r\n\r\n"
            request.transport.write(head.encode() + response.body)
            await asyncio.sleep(0.01)
            request.transport.close()
        return response


def way(proxy: str | None = None, *, plain_http: bool = False, proxied: list[str] | None = None) -> Web:
    """HTTP to issuers; `proxied` notes the hosts for which a proxy was asked."""

    def proxy_for(_scheme: str, host: str) -> str | None:
        if proxied is not None:
            proxied.append(host)
        return proxy

    return Web(ssl.create_default_context(), proxy_for, plain_http=plain_http)


def around(web: Web, environ: Mapping[str, str] | None = None, now: datetime = NOW) -> Surroundings:
    """Surroundings where it is `now`, without a home unless one is given."""
    return Surroundings({"HOME": "/nonexistent", **(environ or {})}, web, lambda: now)
