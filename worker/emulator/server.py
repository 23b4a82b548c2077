"""The local OSS as a server: requests come in raw, go through the steps below, and every answer is OSS's."""

import base64
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import formatdate
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from worker.emulator import refusals
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.identity import Identity
from worker.emulator.authentication import authenticate
from worker.emulator.call import Answer, Call, Part, Service, blocking
from worker.emulator.operations import OPERATIONS
from worker.emulator.receiving import receive
from worker.emulator.regions import check_region, make_buckets, region_of_host
from worker.emulator.routing import operation_of
from worker.emulator.store import CHUNK, Clock, Store
from worker.oss.names import bucket_problem, key_problem
from worker.oss.refusal import RefusedError
from worker.oss.request import Request
from worker.oss.signing import Credentials

Observer = Callable[[str, Request], None]  # operation and request, without its body; called before anything is judged

_OWNER = Identity(Account(Credentials("", "")))

_logger = logging.getLogger(__name__)


class LocalOSS:
    """A server for one store; an async context manager whose `url` is its endpoint.

    `credentials` are the access keys that may do everything, `access` says what others may, and which buckets are in
    which region; with `auth=False` nobody is asked. `cnames` maps custom hosts to buckets. `on_request` sees every
    request that could be read.
    """

    def __init__(
        self,
        store: Store,
        credentials: Iterable[Credentials] = (),
        *,
        region: str = "cn-hangzhou",
        access: Access | None = None,
        auth: bool = True,
        clock: Clock = time.time,
        cnames: Mapping[str, str] | None = None,
        on_request: Observer | None = None,
    ) -> None:
        self.url = ""
        self._access = access or Access()
        accounts = (*self._access.accounts, *map(Account, credentials))
        self._accounts = {account.credentials.access_key_id: account for account in accounts}
        self._auth = auth
        self._cnames = dict(cnames or {})
        self._on_request = on_request
        self._pictures = ThreadPoolExecutor(os.cpu_count() or 1, "picture")
        regions = tuple(dict.fromkeys((region, *self._access.buckets.values())))
        self._service = Service(store, regions, clock, self._pictures)
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 means any. Returns the endpoint, such as `http://127.0.0.1:8080`."""
        await blocking(make_buckets, self._service.store, self._access.buckets, self._service.regions[0])
        # The low-level server: the router would normalise keys such as `a/../b` before they could be verified.
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound = self._runner.addresses[0]
        self.url = f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening, let requests under way end, and free all threads."""
        if self._runner is not None:
            await self._runner.cleanup()
        await blocking(self._pictures.shutdown, cancel_futures=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        request_id = secrets.token_hex(12).upper()
        host = http.headers.get("Host", "")
        began = time.perf_counter()
        try:
            answer = await self._answer(http)
        except RefusedError as error:
            answer = _refused(error, http.method, request_id, host)
        except ConnectionError:
            raise  # the client has gone: there is nobody to answer
        except Exception:
            _logger.exception("request %s failed: %s %r", request_id, http.method, http.raw_path.partition("?")[0])
            answer = _refused(refusals.internal_error(), http.method, request_id, host)
        return await self._send(http, answer, request_id, time.perf_counter() - began)

    async def _answer(self, http: web.BaseRequest) -> Answer:
        request = receive(http.method, http.raw_path, http.raw_headers, self._cnames)
        operation = operation_of(request)
        if self._on_request is not None:
            self._on_request(operation, request)
        identity = self._identify(request)
        _check_names(request)
        if operation not in OPERATIONS:
            raise refusals.not_implemented(operation)
        identity.permit_operation(operation, request, await self._locate(request, identity))
        call = Call(request, dict(request.query), dict(request.headers), _body(http), self._service, identity)
        return await OPERATIONS[operation](call)

    def _identify(self, request: Request) -> Identity:
        if not self._auth:
            return _OWNER
        now = datetime.fromtimestamp(self._service.clock(), UTC)
        regions = self._service.regions
        account, signed_for = authenticate(request, self._accounts, regions=regions, now=now)
        return Identity(account, region_of_host(dict(request.headers).get("host", ""), regions) or signed_for)

    async def _locate(self, request: Request, identity: Identity) -> str:
        """The region of what a request is about; refused where it is not that of the endpoint."""
        default = self._service.regions[0]
        if not request.bucket or len(self._service.regions) == 1:
            return default
        bucket = await blocking(self._service.store.bucket, request.bucket)
        if bucket is None:
            return identity.region or default
        check_region(bucket, identity.region, default)
        return self._service.region_of(bucket)

    async def _send(
        self, http: web.BaseRequest, answer: Answer, request_id: str, elapsed_s: float
    ) -> web.StreamResponse:
        now = self._service.clock()
        response = web.StreamResponse(status=answer.status)
        response.headers.update(
            {
                "Server": "AliyunOSS",
                "Date": formatdate(now, usegmt=True),
                "x-oss-request-id": request_id,
                "x-oss-server-time": str(round(elapsed_s * 1000)),
            }
        )
        for name, value in answer.headers:
            response.headers[name] = _header_text(value)
        try:
            await _send_body(http, response, answer)
        except ConnectionError:
            _logger.debug("request %s: the client has gone", request_id)
        finally:
            if isinstance(answer.body, Part):
                await blocking(answer.body.content.file.close)
        return response


def _check_names(request: Request) -> None:
    if request.bucket and bucket_problem(request.bucket):
        raise refusals.invalid_bucket_name(request.bucket)
    if request.key and key_problem(request.key):
        raise refusals.invalid_object_name(request.key)


async def _body(http: web.BaseRequest) -> AsyncIterator[bytes]:
    """The body as it comes. A client that waits to be asked for it is asked."""
    if http.headers.get("Expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # nothing of the answer itself is sent yet
    try:
        async for chunk in http.content.iter_any():
            yield chunk
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise refusals.incomplete_body() from error


def _refused(error: RefusedError, method: str, request_id: str, host: str) -> Answer:
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


async def _send_body(http: web.BaseRequest, response: web.StreamResponse, answer: Answer) -> None:
    body = answer.body
    size = body.size if isinstance(body, Part) else len(body)
    if answer.status not in {204, 304}:
        response.headers.setdefault("Content-Length", str(size))
    await response.prepare(http)
    if http.method != "HEAD" and answer.status not in {204, 304}:
        if isinstance(body, Part):
            async for chunk in _chunks(body):
                await response.write(chunk)
        elif body:
            await response.write(body)
    await response.write_eof()


async def _chunks(part: Part) -> AsyncIterator[bytes]:
    file, left = part.content.file, part.size
    await blocking(file.seek, part.start)
    while left and (chunk := await blocking(file.read, min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _header_text(value: str) -> str:
    """A header value that cannot break out of its line."""
    return value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
