"""HTTP to those who issue keys: small answers in bounded time, never redirected, never shown."""

import ipaddress
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from worker import __version__
from worker.errors import StoppedError, UsageError
from worker.oss.answer import parse_http_date
from worker.oss.endpoint import is_loopback

METADATA_HOST = "100.100.100.200"
_ANSWER_BYTES = 64 * 1024
_TOO_LARGE = "it is larger than 64 KiB"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a connection, and for the whole answer; in seconds."""

    connect_s: float
    total_s: float


# As patient as the official SDKs: an issuer elsewhere, and the metadata of this machine's own host.
REMOTE = Patience(5, 15)
NEARBY = Patience(1, 2)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `date` is the issuer's clock, to the second. The repr shows no body: it may hold a key."""

    status: int
    body: bytes = field(repr=False)
    date: datetime | None


class Web:
    """Asks issuers. `proxy_for` names the proxy for a scheme and a host. Use as an async context manager."""

    def __init__(self, tls: ssl.SSLContext, proxy_for: Callable[[str, str], str | None], *, plain_http: bool) -> None:
        self._tls = tls
        self._proxy_for = proxy_for
        self._plain_http = plain_http
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"oss-saveas/{__version__}", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        issuer: str,
        method: str,
        url: str,
        patience: Patience,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask once, and read at most 64 KiB. `issuer` is its name for people; the URL, which may hold a secret, is not.

        Raises:
            UsageError: The URL is none, or the key would cross a network in plain text.
            StoppedError: No answer.
        """
        if self._session is None:
            message = "the way to the issuers is not open"
            raise RuntimeError(message)
        scheme, host = self._checked(issuer, url)
        proxy = None if is_near(host) else self._proxy_for(scheme, host)
        timeout = aiohttp.ClientTimeout(total=patience.total_s, sock_connect=patience.connect_s)
        try:
            async with self._session.request(
                method, url, headers=headers, data=form, allow_redirects=False, proxy=proxy, timeout=timeout
            ) as response:
                body = await _read(response)
                return Reply(response.status, body, parse_http_date(response.headers.get("Date", "")))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            message = f"no answer from {issuer}: {_trouble(error)}"
            raise StoppedError(message) from None  # its text may hold the URL

    def _checked(self, issuer: str, url: str) -> tuple[str, str]:
        scheme, host = scheme_and_host(url)
        if scheme not in ("http", "https") or not host:
            reason = f"the address of {issuer} is no URL of http or https"
            raise UsageError(reason, "write it as https://HOST/PATH")
        if scheme == "http" and not is_near(host) and not self._plain_http:
            reason = f"{issuer} is asked over plain http: anybody between can read the key"
            raise UsageError(reason, "use https://, or set `transport: {allow_plain_http: true}`")
        return scheme, host


def scheme_and_host(url: str) -> tuple[str, str]:
    """Scheme and host of a URL; both empty where it is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return "", ""
    return parts.scheme, host or ""


def is_near(host: str) -> bool:
    """Whether a host is this machine or its own host's metadata: no proxy stands between, and no network does."""
    if is_loopback(host) or host == METADATA_HOST:
        return True
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            raise ValueError(_TOO_LARGE)
    return bytes(body)


def _trouble(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            return "its certificate cannot be verified (see `transport.ca_file`)"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers {error.status}"
        case TimeoutError():
            return "it takes too long"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or type(error.os_error).__name__
        case OSError() if error.strerror:
            return error.strerror
        case ValueError() if str(error) == _TOO_LARGE:
            return _TOO_LARGE
    return type(error).__name__
