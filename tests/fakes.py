"""Fakes by hand: a loop whose time jumps, a service that answers by a function, and values that tests begin from."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientResponse
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from worker.batch.fact import entries_of
from worker.batch.ledger import Ledger
from worker.batch.record import SCHEMA, ErrorRecord, Record, SourceRecord, Status, TargetRecord, encode, timestamp
from worker.batch.task import Task
from worker.dispatch.adaptive import Tell, limits_of
from worker.dispatch.clock import ServiceClock
from worker.dispatch.outage import MANY, Outage
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.sender import Keys, Sender, Signer
from worker.dispatch.stopping import Stop
from worker.dispatch.throttle import Throttle
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure

T = TypeVar("T")
EPOCH = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=5, base_delay_s=1.0, max_delay_s=8.0, task_deadline_s=900.0)
FAST = 100_000.0


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, makes it be time for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events and timeout is None:
            message = "everybody waits, and nothing is left that could happen"
            raise RuntimeError(message)
        if not events and timeout:
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time: an hour of sleeping takes no time, and takes exactly an hour."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def hang(self, seconds: float) -> None:
        """Time goes by, and nobody could do anything in it."""
        self._jumping.now += seconds


def in_virtual_time(main: Coroutine[Any, Any, T], loop: VirtualLoop | None = None) -> T:
    """Run a coroutine in virtual time, which begins at 0."""
    loop = loop or VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def now_s() -> float:
    """The time of the running loop, in seconds."""
    return asyncio.get_running_loop().time()


def throttle_of(
    requests_per_second: float,
    source_mb_per_second: float = FAST,
    concurrency: int = 1_000_000_000,
    tell: Tell = lambda _: None,
    *,
    adaptive: bool = False,
) -> Throttle:
    """A throttle that goes by the running loop; the limits are fixed ones, unless they shall be adaptive."""
    limits = limits_of(requests_per_second, source_mb_per_second, concurrency, tell, adaptive=adaptive)
    return Throttle(limits, now_s, asyncio.sleep)


def loop_clock() -> ServiceClock:
    """A clock that goes by the running loop; it is `EPOCH` at 0."""
    return ServiceClock(lambda: EPOCH.timestamp() + now_s(), now_s, asyncio.sleep)


def outage_of(threshold: int, tell: Callable[[str], None] = lambda _: None) -> Outage:
    """An outage that goes by the running loop and is never given up."""
    return Outage(threshold, RetryPolicy(5, 1.0, 8.0, float("inf")), now_s, tell, tell)


class OneKey:
    """The same key for ever."""

    key = Credentials("made-up-id", "made-up-secret")

    def at_hand(self) -> Credentials | None:
        return self.key

    async def get(self) -> Credentials | Failure:
        return self.key

    def holds(self, key: Credentials) -> bool:
        return key == self.key

    async def renew(self, refused: Credentials) -> bool | Failure:
        return refused != self.key


@dataclass
class Service:
    """Answers each request by a function, and remembers when what came; `signed_at` is what the signer was told."""

    answer: Callable[[Request], Answer | Failure]
    takes_s: float = 0.0
    sent: list[tuple[float, Request]] = field(default_factory=list)
    signed_at: list[datetime] = field(default_factory=list)
    signed_with: list[Credentials] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    outage: Outage | None = None

    async def send(self, request: Request) -> Answer | Failure:
        self.sent.append((now_s(), request))
        await asyncio.sleep(self.takes_s)
        return self.answer(request)

    def sign(self, request: Request, key: Credentials, at: datetime) -> Request:
        self.signed_at.append(at)
        self.signed_with.append(key)
        return request.with_headers(("authorization", f"made up at {at.isoformat()}"))

    def sender(
        self,
        stop: Stop | None = None,
        policy: RetryPolicy = POLICY,
        throttle: Throttle | None = None,
        rng: random.Random | None = None,
        keys: Keys | None = None,
    ) -> Sender:
        return Sender(
            self.send,
            Signer(keys or OneKey(), self.sign),
            throttle=throttle or throttle_of(FAST),
            policy=policy,
            outage=self.outage or outage_of(MANY),
            clock=loop_clock(),
            stop=stop or Stop(),
            rng=rng or random.Random(1),
            tell=lambda _, failure, __: self.told.append(failure.code),
        )

    @property
    def methods(self) -> list[str]:
        return [request.method for _, request in self.sent]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.sent]


def script(*answers: Answer | Failure) -> Callable[[Request], Answer | Failure]:
    """Answers in their order; the last one is given again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def answer(status: int = 200, body: bytes | str = b"", headers: Mapping[str, str] | None = None) -> Answer:
    content = body if isinstance(body, bytes) else body.encode()
    return Answer(status, {"x-oss-request-id": "R1", **(headers or {})}, content)


def refused(status: int, code: str, message: str = "made up", **headers: str) -> Answer:
    """An error answer as OSS writes it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message><EC>0000-00000000</EC></Error>"
    return answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def http_date(after_s: float = 0.0) -> str:
    """An HTTP date, counted from `EPOCH`."""
    return format_datetime(EPOCH + timedelta(seconds=after_s), usegmt=True)


TASK = Task(
    pipeline="small",
    source=ObjectRef("photos", "a.jpg"),
    etag="E1",
    size=1000,
    process="image/resize,w_4",
    target=ObjectRef("renditions", "small/a.jpg"),
)


def record(task: Task = TASK, status: Status = Status.SAVED, at_s: float = 0.0, **changes: Any) -> Record:
    """The line of a task, `at_s` seconds after `EPOCH`."""
    line = Record(
        schema=SCHEMA,
        task=task.id(task.etag or "").hex(),
        status=status,
        job="copies",
        run="run-1",
        shard="0/1",
        pipeline=task.pipeline,
        source=SourceRecord(task.source.bucket, task.source.key, task.etag or "", task.size),
        process=task.process,
        target=TargetRecord(task.target.bucket, task.target.key),
        attempts=1,
        tries={},
        request_id="R1",
        duration_ms=1.0,
        at=timestamp(EPOCH + timedelta(seconds=at_s)),
    )
    return msgspec.structs.replace(line, **changes)


def tell(ledger: Ledger, line: Record, rank: int = 0) -> None:
    """Have a ledger take in a line of the segment with this rank."""
    ledger.take(entries_of(encode(line), rank, ledger.shard))


def error(code: str = "ImageDamage", *, permanent: bool = True) -> ErrorRecord:
    return ErrorRecord(code, 400, "", "made up", permanent=permanent)


def numbered(number: int) -> Task:
    """One of many tasks."""
    return msgspec.structs.replace(
        TASK, source=ObjectRef("photos", f"{number}.jpg"), target=ObjectRef("renditions", f"small/{number}.jpg")
    )


class _NoWriter(AbstractStreamWriter):
    """Where the body of a request would be written to, if there were a connection."""

    async def write(self, chunk: object) -> None:
        """Nothing is sent."""

    async def write_eof(self, chunk: bytes = b"") -> None:
        """Nothing is sent."""

    async def drain(self) -> None:
        """Nothing is sent."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Nothing is sent."""

    def enable_chunking(self) -> None:
        """Nothing is sent."""

    async def write_headers(self, status_line: str, headers: Mapping[str, str]) -> None:
        """Nothing is sent."""


class MadeUpResponse(ClientResponse):
    """For `response_class` of aioresponses 0.7.9, which does not know what aiohttp 3.14 asks of a response."""

    def __init__(self, method: str, url: URL, **given: Any) -> None:
        super().__init__(method, url, stream_writer=_NoWriter(), **given)
