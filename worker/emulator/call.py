"""What an operation is given and what it answers, apart from HTTP."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from worker.emulator import refusals
from worker.emulator.access.identity import Identity
from worker.emulator.budget import Budget
from worker.emulator.store import Bucket, Clock, Content, Store
from worker.oss.refusal import RefusedError
from worker.oss.request import Request

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """What all operations share.

    `pictures` runs picture work, which releases the interpreter, off the event loop; `budget` is the memory for it,
    `stopping` says that nobody waits for it any longer. The first of `regions` is the one of this server, where a
    bucket is that nobody put elsewhere.
    """

    store: Store
    regions: tuple[str, ...]
    clock: Clock
    pictures: Executor
    budget: Budget
    stopping: threading.Event

    def region_of(self, bucket: Bucket | None) -> str:
        """The region of a bucket; of one that is not there, that of this server."""
        return (bucket.region if bucket else "") or self.regions[0]


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through an operation. `query` and `headers` hold the last value of each name."""

    request: Request
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]
    service: Service
    identity: Identity

    @property
    def store(self) -> Store:
        """Where the objects are."""
        return self.service.store

    async def read(self, limit: int, beyond: RefusedError | None = None) -> bytes:
        """The whole body, refused where it is larger than `limit` bytes, with `beyond` or as too large."""
        body = bytearray()
        async for chunk in self.body:
            body += chunk
            if len(body) > limit:
                raise beyond or refusals.too_large(limit)
        return bytes(body)

    async def need_bucket(self, name: str) -> Bucket:
        """The bucket, refused unless it exists."""
        bucket = await blocking(self.store.bucket, name)
        if bucket is None:
            raise refusals.no_such_bucket(name)
        return bucket

    async def draw(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run picture work in its own bounded pool of threads."""
        return await asyncio.get_running_loop().run_in_executor(self.service.pictures, lambda: work(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of an open object from `start`, `size` of them; the server sends them and closes it."""

    content: Content
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back. For a HEAD request the body is not sent but its length is."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Part = field(default=b"", repr=False)


async def blocking(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run work on disk off the event loop."""
    return await asyncio.to_thread(work, *args, **kwargs)


def xml_answer(body: bytes) -> Answer:
    """An answer that is an XML document."""
    return Answer(headers=(("Content-Type", "application/xml"),), body=body)
