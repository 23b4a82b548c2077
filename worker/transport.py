"""HTTP by aiohttp: a signed request goes out as it is, an answer comes back, trouble is named."""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from worker import __version__, settings
from worker.errors import UsageError
from worker.holding import Held, HoldingError
from worker.oss.answer import Answer
from worker.oss.endpoint import Endpoint, is_loopback
from worker.oss.request import Request
from worker.oss.verdict import Failure, failure

_USERINFO = re.compile(r"//[^/\s@'\"]*@")
_KIB = 1024
_ANSWER_BYTES = 64 * _KIB
_LISTING_BYTES = 8 * _KIB * _KIB
_PICTURE_BYTES = 100_000_000


class _Way:
    """How a request goes out: over a connection that was made for it, or one that was kept."""

    is_new = False


_way: ContextVar[_Way] = ContextVar("_way")


class Transport:
    """Sends signed requests to one endpoint over kept connections. Use as an async context manager.

    Some buckets may be at endpoints of their own, `elsewhere`.

    Nothing is added that the signature does not know: no Content-Type, no cookies, no decoding of content, no
    redirects; and the URL goes out as it was encoded, without the tidying that would turn `a/../b` into `b`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: settings.Transport,
        timeout: settings.Timeout,
        connections: int,
        elsewhere: Mapping[str, Endpoint] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._elsewhere = elsewhere or {}
        self._options = options
        self._timeout = timeout
        self._connections = connections
        self._root = lru_cache(maxsize=16)(
            lambda bucket, query: URL(self._endpoint_of(bucket).url(Request("GET", bucket, query=query)), encoded=True)
        )
        self._proxies: dict[str, str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections, ssl=tls_context(self._options.ca_file), socket_factory=_open_socket
            ),
            timeout=aiohttp.ClientTimeout(total=self._timeout.total_s, sock_connect=self._timeout.connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Content-Type", "Accept-Encoding", "Accept"),
            headers={"User-Agent": f"oss-saveas/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: Request) -> Answer | Failure:
        """Send one signed request and read its answer, at most 64 KiB of it (a listing: 8 MiB, a picture: 100 MB)."""
        if self._session is None:
            message = "the transport is not open"
            raise RuntimeError(message)
        way, content = _Way(), request.content
        _way.set(way)
        try:
            response = await self._session.request(
                request.method,
                self._url(request),
                headers=request.headers
                if content is None
                else (*request.headers, ("Content-Length", str(content.size))),
                data=(request.body or None) if content is None else content.chunks(),
                allow_redirects=False,
                proxy=self._proxy(request),
            )
            if request.keeps and response.status == HTTPStatus.OK:
                return await _kept(response)
            body = await _read(response, _LISTING_BYTES if request.method == "GET" else _ANSWER_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _trouble(error, reused=not way.is_new)
        if body is None:
            return failure("AnswerTooLarge", f"the answer to {request.method} is larger than any of its kind")
        return Answer(response.status, _Headers(response.headers), body)

    def _url(self, request: Request) -> URL:
        # As `Endpoint.url`, of which all but the path is known already: to parse a URL takes twice as long.
        root = self._root(request.bucket, request.query)
        return root.with_path(self._endpoint_of(request.bucket).path(request), encoded=True, keep_query=True)

    def _endpoint_of(self, bucket: str) -> Endpoint:
        return self._elsewhere.get(bucket, self._endpoint)

    def _proxy(self, request: Request) -> str | None:
        # aiohttp's trust_env would also take passwords from ~/.netrc and set them in place of our signature.
        if request.bucket not in self._proxies:  # nothing else of a request decides over its host
            url = self._url(request)
            self._proxies[request.bucket] = proxy_for(url.scheme, url.host or "", self._options.proxy)
        return self._proxies[request.bucket]


class _Headers(Mapping[str, str]):
    """The headers of an answer, put into text when somebody asks: of ten that come, two are looked at."""

    __slots__ = ("_headers",)

    def __init__(self, headers: CIMultiDictProxy[str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return _as_text(self._headers.getall(name)[-1])

    def get(self, name: str, default: Any = None, /) -> Any:
        # As in Mapping, without a call and a handler of errors between.
        values = self._headers.getall(name, ())
        return _as_text(values[-1]) if values else default

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower() for name in self._headers})

    def __len__(self) -> int:
        return len({name.lower() for name in self._headers})


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    # aiohttp calls this in the task that sends, or in one that it began and that shares the context.
    family, kind, protocol, _, _ = address
    _way.get().is_new = True
    return socket.socket(family, kind, protocol)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, None where it is too large; at its end aiohttp has released the connection."""
    if response.content.is_eof():  # a small answer has come as a whole, with its head
        whole = response.content.read_nowait()
        return whole if len(whole) <= limit else None
    body = bytearray()
    async with response:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                return None
    return bytes(body)


async def _kept(response: aiohttp.ClientResponse) -> Answer | Failure:
    """The answer with its picture, or why it cannot be kept."""
    held = Held()
    with ExitStack() as unless_whole:
        unless_whole.callback(held.close)
        async with response:
            failed = await _fill(held, response)
        if failed is None:
            unless_whole.pop_all()
            return Answer(response.status, _Headers(response.headers), content=held)
    return failed


async def _fill(held: Held, response: aiohttp.ClientResponse) -> Failure | None:
    answer, length = Answer(response.status, _Headers(response.headers)), response.content_length
    # HTTP/1.1 allows a body that ends with the connection (RFC 9112, 6.3): a part would pass for the whole.
    if length is None and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
        return failure("UnreadableAnswer", "the answer does not say where it ends", answer)
    if length is not None and length > _PICTURE_BYTES:
        return failure("PictureTooLarge", f"the picture has {length:,} bytes", answer)
    try:
        async for chunk in response.content.iter_any():
            await held.add(chunk)
            if held.size > _PICTURE_BYTES:
                return failure("PictureTooLarge", f"the picture has more than {_PICTURE_BYTES:,} bytes", answer)
        await held.end()
    except HoldingError as error:
        return failure("TemporaryFull", str(error))
    return None


def _as_text(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which no log can write.
    return value if value.isascii() else value.encode(errors="surrogateescape").decode(errors="replace")


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Whom to trust: the machine's authorities, or those of a file.

    Raises:
        UsageError: The file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an unreadable file; of a bad one, ssl.SSLError is an OSError, too
        reason = f"transport.ca_file {ca_file} cannot be used: {error.strerror or error}"
        raise UsageError(reason, "name a file of certificates in PEM form") from error


def proxy_for(scheme: str, host: str, setting: str) -> str | None:
    """The proxy for a host, by the setting `transport.proxy`; None for none. Never one for this machine itself.

    Raises:
        UsageError: The environment names one that is none.
    """
    if setting == "none" or is_loopback(host):
        return None
    if setting != "env":
        return setting
    proxy = None if proxy_bypass(host) else getproxies().get(scheme)
    if proxy and not _is_proxy(proxy):
        raise UsageError(
            f"the environment's {scheme} proxy is not the URL of one", "write http://HOST:PORT, or `proxy: none`"
        )
    return proxy


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _trouble(error: Exception, *, reused: bool) -> Failure:
    """Name what went wrong. The order matters: aiohttp's classes overlap."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            code = "TlsFailed"
        case aiohttp.ConnectionTimeoutError():
            code = "ConnectTimeout"
        case TimeoutError():
            code = "Timeout"
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            code = "ConnectionFailed"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() if reused:
            # The server had closed an idle connection: this says nothing about the request.
            code = "StaleConnection"
        case _:
            code = "ConnectionLost"
    # The text of an error may hold the URL of a proxy, and that a password.
    text = _USERINFO.sub("//", f"{type(error).__name__}: {error}".rstrip(": "))
    return failure(code, text)
