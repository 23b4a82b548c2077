"""The connection: endpoint, credentials, throttle and transport, wired into the one sender of a run."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from worker.batch.record import timestamp
from worker.credentials.choosing import choose
from worker.credentials.keyring import Keyring
from worker.credentials.source import Fixed, Source, Surroundings
from worker.credentials.web import Web
from worker.dispatch.adaptive import Limits, limits_of
from worker.dispatch.clock import ServiceClock
from worker.dispatch.outage import MANY, Outage
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.sender import Sender, Sign, Signer, Tell
from worker.dispatch.stopping import Reason, Stop
from worker.dispatch.throttle import Throttle
from worker.errors import StoppedError
from worker.local import local_oss
from worker.oss.answer import Answer
from worker.oss.codes import NO_ROOM
from worker.oss.endpoint import Addressing, Endpoint, Site, parse_endpoint
from worker.oss.request import Billing, Request
from worker.oss.signing import Credentials, V4Signer, sign_v1
from worker.oss.verdict import Failure
from worker.settings import Settings
from worker.snapshot import Flow
from worker.timeline import Event, Events
from worker.transport import Transport, proxy_for, tls_context

# Beside the tasks in flight: a listing, and HEADs of sources whose turn comes next.
_CONTROL_CONNECTIONS = 4
# An attempt that fails once or twice is nothing to tell a person.
_TOLD_AT = 3


# The local OSS: its URL, and the only credentials it knows.
Served = tuple[str, Credentials]


class Log(Protocol):
    """Writes a line of the log: a message, a level of `logging`, and fields."""

    def __call__(self, message: str, level: int = ..., **fields: object) -> None:
        """Write the line."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What a command needs to talk to the service.

    `endpoint` is for people; `served` is the local OSS where that is the endpoint; `sites` says where buckets are that
    are not at the endpoint; `requests` counts what was sent by method, `billed` by the class in which it is billed.
    `events` are every change of the limits, and every pause.
    """

    sender: Sender
    throttle: Throttle
    limits: Limits
    outage: Outage
    clock: ServiceClock
    stop: Stop
    endpoint: str
    served: Served | None
    sites: Mapping[str, Site]
    credentials_source: str
    concurrency: int
    requests: Counter[str]
    billed: Counter[Billing]
    events: Events

    @property
    def named(self) -> str:
        """Whom nobody may have reached: where there are several endpoints, only the failure itself says which."""
        return "the service" if self.sites else self.endpoint

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is the local OSS."""
        return self.served is not None

    def flow(self) -> Flow:
        """What is sent, and what may be."""
        now_s, limits = self.clock.monotonic(), self.limits
        return Flow(
            sent=self.requests.total(),
            in_flight=limits.in_flight.in_flight,
            limits=limits.now(now_s),
            most=limits.most,
            held=tuple(limits.held(now_s)),
            event=self.events.last,
            paused=self.outage.paused,
        )


@asynccontextmanager
async def connect(
    settings: Settings,
    environ: Mapping[str, str],
    stop: Stop,
    parallelism: int,
    log: Log,
    sites: Mapping[str, Site] | None = None,
    *,
    served: Served | None = None,
) -> AsyncIterator[Connection]:
    """Open the connection; with `endpoint: local` that starts the local OSS, unless it is `served` already.

    `sites` are buckets at endpoints of their own; the local OSS stands for every endpoint, so that nothing leaves this
    machine. `parallelism` processes share the limits: rates are divided exactly, concurrency is rounded down. `log`
    hears of attempts that fail and are made again.

    Raises:
        UsageError: There are no credentials, or the local OSS does not start.
        AccessError: Whoever issues the credentials refuses.
    """
    clock = ServiceClock(time.time, time.monotonic, asyncio.sleep)
    async with AsyncExitStack() as stack:
        url = shown = settings.endpoint
        local: Credentials | None = None
        if settings.endpoint == "local":
            served = served or await _serve(settings, log, stack)
            url, local = served
            shown = f"local ({url})"
        source, keyring = await stack.enter_async_context(keys(settings, environ, clock, log, local))
        concurrency = max(1, settings.limits.concurrency // parallelism)
        elsewhere = {} if local else sites or {}
        transport = await stack.enter_async_context(_transport(settings, url, concurrency, elsewhere))
        requests, billed, events = Counter[str](), Counter[Billing](), Events()

        def send(request: Request) -> Awaitable[Answer | Failure]:
            requests[request.method] += 1
            billed[request.billing] += 1
            return transport.send(request)

        def happened(text: str, level: int = logging.INFO) -> None:
            log(text, level)
            events.add(Event(timestamp(clock.now()), text))

        policy, place = _policy(settings), _placer(shown, elsewhere)
        outage = _outage(min(MANY, concurrency), policy, place, stop, lambda text: happened(text, logging.WARNING))
        limits = _limits(settings, parallelism, concurrency, happened)
        throttle = Throttle(limits, time.monotonic, asyncio.sleep)
        sender = Sender(
            send=send,
            signer=Signer(keyring, _signature(settings, elsewhere)),
            throttle=throttle,
            policy=policy,
            outage=outage,
            clock=clock,
            stop=stop,
            rng=random.Random(),  # noqa: S311 - jitter is no secret
            tell=_teller(log),
        )
        yield Connection(
            sender,
            throttle,
            limits,
            outage,
            clock,
            stop,
            shown,
            served,
            elsewhere,
            source.name,
            concurrency,
            requests,
            billed,
            events,
        )


@asynccontextmanager
async def keys(
    settings: Settings, environ: Mapping[str, str], clock: ServiceClock, log: Log, local: Credentials | None = None
) -> AsyncIterator[tuple[Source, Keyring]]:
    """Where the keys come from, and the ring that renews them; `local` is the only one that the local OSS knows.

    Raises:
        UsageError: There are no credentials.
        AccessError: Whoever issues them refuses.
    """
    async with AsyncExitStack() as stack:
        if local is not None:
            source: Source = Fixed("the local OSS itself", local)
        else:
            web = await stack.enter_async_context(_way_to_issuers(settings))
            source = await choose(settings.credentials, Surroundings(environ, web, clock.now))
        keyring = Keyring(source, time.monotonic, asyncio.sleep, random.Random(), log)  # noqa: S311 - spreads renewals
        stack.push_async_callback(keyring.close)
        await keyring.start()
        yield source, keyring


async def _serve(settings: Settings, log: Log, stack: AsyncExitStack) -> Served:
    log("starting the local OSS", root=settings.local.root)
    oss = local_oss(settings.local.root, settings.region, samples=settings.local.samples)
    return await stack.enter_async_context(oss)


def endpoint_of(settings: Settings, url: str) -> Endpoint:
    """The endpoint of the settings at its URL, addressed as they say."""
    return parse_endpoint(url, None if settings.addressing == "auto" else Addressing(settings.addressing))


def endpoint_at(settings: Settings, site: Site) -> Endpoint:
    """The endpoint of a site: a custom domain is that of one bucket, and what is elsewhere is addressed as usual."""
    return endpoint_of(
        replace(settings, addressing="auto") if settings.addressing == "cname" else settings, site.endpoint
    )


def _transport(settings: Settings, url: str, concurrency: int, sites: Mapping[str, Site]) -> Transport:
    endpoint = endpoint_of(settings, url)
    elsewhere = {bucket: endpoint_at(settings, site) for bucket, site in sites.items()}
    connections = concurrency + _CONTROL_CONNECTIONS
    return Transport(endpoint, settings.transport, settings.timeout, connections, elsewhere)


def _policy(settings: Settings) -> RetryPolicy:
    retry = settings.retry
    return RetryPolicy(retry.max_attempts, retry.base_delay_s, retry.max_delay_s, retry.task_deadline_s)


def _placer(shown: str, sites: Mapping[str, Site]) -> Callable[[Request, Failure], str]:
    """What tells at which endpoint a request has failed; the disk of this machine is at none."""

    def place(request: Request, failure: Failure) -> str:
        site = sites.get(request.bucket)
        return "" if failure.code == NO_ROOM else f"{site.endpoint if site else shown}: "

    return place


def _outage(
    threshold: int,
    policy: RetryPolicy,
    place: Callable[[Request, Failure], str],
    stop: Stop,
    tell: Callable[[str], None],
) -> Outage:
    def give_up(reason: str) -> None:
        stop.throw(Reason.OUTAGE, StoppedError(reason))

    return Outage(threshold, policy, time.monotonic, tell=tell, give_up=give_up, place=place)


def _limits(settings: Settings, parallelism: int, concurrency: int, tell: Callable[[str], None]) -> Limits:
    limits = settings.limits
    shares = limits.requests_per_second / parallelism, limits.source_mb_per_second / parallelism
    return limits_of(*shares, concurrency, tell=tell, adaptive=limits.adaptive)


def _teller(log: Log) -> Tell:
    def tell(request: Request, failure: Failure, attempts: int) -> None:
        # All else waits for what concerns a whole bucket, and no screen is drawn yet: a person is told why.
        is_awaited = not request.key and attempts == _TOLD_AT
        log(
            "attempt failed, will be made again",
            logging.WARNING if is_awaited else logging.DEBUG,
            method=request.method,
            bucket=request.bucket,
            key=request.key,
            attempts=attempts,
            request_id=failure.request_id,
            error={"code": failure.code, "http": failure.http, "ec": failure.ec, "message": failure.message},
        )

    return tell


def _way_to_issuers(settings: Settings) -> Web:
    tls = tls_context(settings.transport.ca_file)
    # The file may be meant for the endpoint, or for a proxy between: the issuers' own authorities stay trusted.
    tls.load_default_certs()
    return Web(
        tls,
        lambda scheme, host: proxy_for(scheme, host, settings.transport.proxy),
        plain_http=settings.transport.allow_plain_http,
    )


def _signature(settings: Settings, sites: Mapping[str, Site]) -> Sign:
    if settings.signature == "v1":
        return lambda request, key, at: sign_v1(request, key, at=at)
    usual = V4Signer(settings.region)
    if not sites:
        return usual
    signers = {bucket: V4Signer(site.region) for bucket, site in sites.items()}
    return lambda request, key, at: signers.get(request.bucket, usual)(request, key, at)
