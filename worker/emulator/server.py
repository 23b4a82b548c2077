"""The local OSS as a server: requests come in raw, go through the steps below, and every answer is OSS's."""

import asyncio
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from types import TracebackType
from typing import Self

from aiohttp import web

from worker.emulator import refusals
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.acl import acl_of
from worker.emulator.access.identity import Identity
from worker.emulator.authentication import authenticate
from worker.emulator.budget import SHARED
from worker.emulator.call import Answer, Call, Service, blocking
from worker.emulator.faults.applying import Injector
from worker.emulator.faults.deciding import Decision, Faults
from worker.emulator.listening import Listener
from worker.emulator.operations import OPERATIONS
from worker.emulator.receiving import body_of, receive
from worker.emulator.regions import check_region, make_buckets, region_of_host
from worker.emulator.routing import operation_of
from worker.emulator.sending import WHOLE, Manner, refused, send
from worker.emulator.store import Clock, Store, StoreFullError
from worker.oss.names import bucket_problem, key_problem
from worker.oss.refusal import RefusedError
from worker.oss.request import Request
from worker.oss.signing import Credentials

Observer = Callable[[str, Request], None]  # operation and request, without its body; called before anything is judged

_GRACE_S = 5  # for requests under way when the server stops; a client that reads slowly would take for ever
_OWNER = Identity(Account(Credentials("", "")))

_logger = logging.getLogger(__name__)


class LocalOSS:
    """A server for one store; an async context manager whose `url` is its endpoint.

    `credentials` are the access keys that may do everything, `access` says what others may, and which buckets are in
    which region; with `auth=False` nobody is asked. `faults` says what goes wrong on purpose. `cnames` maps custom
    hosts to buckets. `on_request` sees every request that could be read. A client that sends nothing for `idle_s`, or
    reads nothing of its answer, is refused or cut off.
    """

    def __init__(  # noqa: PLR0913 - each is an option of its own, by keyword
        self,
        store: Store,
        credentials: Iterable[Credentials] = (),
        *,
        region: str = "cn-hangzhou",
        access: Access | None = None,
        auth: bool = True,
        faults: Faults | None = None,
        idle_s: float = 60,
        clock: Clock = time.time,
        cnames: Mapping[str, str] | None = None,
        on_request: Observer | None = None,
    ) -> None:
        self.url = ""
        self._access = access or Access()
        accounts = (*self._access.accounts, *map(Account, credentials))
        self._accounts = {account.credentials.access_key_id: account for account in accounts}
        self._auth = auth
        self._idle_s = idle_s
        self._injector = Injector(faults or Faults(), store)
        self._cnames = dict(cnames or {})
        self._on_request = on_request
        self._pictures = ThreadPoolExecutor(_cores(), "picture")
        regions = tuple(dict.fromkeys((region, *self._access.buckets.values())))
        self._service = Service(store, regions, clock, self._pictures, SHARED, threading.Event())
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; port 0 means any. Returns the endpoint, such as `http://127.0.0.1:8080`."""
        await blocking(make_buckets, self._service.store, self._access.buckets, self._service.regions[0])
        # The low-level server: the router would normalise keys such as `a/../b` before they could be verified.
        listener = Listener(self._handle, self._idle_s)
        self._runner = web.ServerRunner(listener, handle_signals=False, shutdown_timeout=_GRACE_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound = self._runner.addresses[0]
        self.url = f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
        return self.url

    async def stop(self) -> None:
        """Stop listening, give requests under way a moment to end, and free all threads."""
        self._injector.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        self._service.stopping.set()
        await blocking(self._pictures.shutdown, cancel_futures=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        exchange = _Exchange(http, secrets.token_hex(12).upper(), time.perf_counter())
        try:
            request = receive(http.method, http.raw_path, http.raw_headers, self._cnames)
        except RefusedError as error:
            return await self._send(exchange, exchange.refused(error), WHOLE)
        operation = operation_of(request)
        if self._on_request is not None:
            self._on_request(operation, request)
        decision = await self._injector.begin(operation, request)
        try:
            answer = await self._answer(exchange, operation, request, decision)
            return await self._send(exchange, answer, self._injector.manner_of(decision), decision.skew_s)
        finally:
            self._injector.end(decision)

    async def _answer(self, exchange: "_Exchange", operation: str, request: Request, decision: Decision) -> Answer:
        try:
            await self._injector.before(decision, exchange.http)
            answer = self._injector.instead(decision) or await self._perform(exchange, operation, request, decision)
            return await self._injector.after(decision, exchange.http, answer)
        except RefusedError as error:
            return exchange.refused(error)
        except StoreFullError as error:
            return exchange.refused(refusals.store_full(error.capacity))
        except (ConnectionError, asyncio.CancelledError):
            raise  # the client has gone: there is nobody to answer
        except Exception as error:
            if isinstance(error, OSError) and (refusal := refusals.of_disk(error)) is not None:
                return exchange.refused(refusal)
            if isinstance(error, KeyError | FileNotFoundError) and await self._is_gone(request.bucket):
                return exchange.refused(refusals.no_such_bucket(request.bucket))
            path = exchange.http.raw_path.partition("?")[0]
            _logger.exception("request %s failed: %s %r", exchange.request_id, request.method, path)
            return exchange.refused(refusals.internal_error())

    async def _perform(self, exchange: "_Exchange", operation: str, request: Request, decision: Decision) -> Answer:
        identity = self._identify(request, decision.skew_s)
        _check_names(request)
        if operation not in OPERATIONS:
            raise refusals.not_signed(operation) if identity.anonymous else refusals.not_implemented(operation)
        region = await self._locate(request, identity)
        if not identity.unlimited:
            await blocking(identity.permit_operation, operation, request, region)
        body = body_of(exchange.http, self._idle_s)
        call = Call(request, dict(request.query), dict(request.headers), body, self._service, identity)
        return await OPERATIONS[operation].answer(call)

    async def _is_gone(self, bucket: str) -> bool:
        """Whether a bucket is not there, or no longer: it may be deleted while something is done in it."""
        return await blocking(self._service.store.bucket, bucket) is None

    def _identify(self, request: Request, skew_s: float) -> Identity:
        if not self._auth:
            return _OWNER
        now = datetime.fromtimestamp(self._service.clock() + skew_s, UTC)
        regions = self._service.regions
        account, signed_for = authenticate(request, self._accounts, regions=regions, now=now)
        region = region_of_host(dict(request.headers).get("host", ""), regions) or signed_for
        return Identity(account, region, partial(acl_of, self._service.store))

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
        self, exchange: "_Exchange", answer: Answer, manner: Manner, skew_s: float = 0
    ) -> web.StreamResponse:
        headers = {
            "Server": "AliyunOSS",
            "Date": formatdate(self._service.clock() + skew_s, usegmt=True),
            "x-oss-request-id": exchange.request_id,
            "x-oss-server-time": str(round((time.perf_counter() - exchange.began_s) * 1000)),
        }
        return await send(exchange.http, answer, headers, manner, self._idle_s)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request of HTTP and what its answer is told by."""

    http: web.BaseRequest
    request_id: str
    began_s: float

    def refused(self, error: RefusedError) -> Answer:
        """The answer that tells a refusal."""
        return refused(error, self.http.method, self.request_id, self.http.headers.get("Host", ""))


def _cores() -> int:
    """How many cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_names(request: Request) -> None:
    if request.bucket and bucket_problem(request.bucket):
        raise refusals.invalid_bucket_name(request.bucket)
    if request.key and key_problem(request.key):
        raise refusals.invalid_object_name(request.key)
