"""The pictures of a report: sources and targets as they are now, made small by the service, and kept in the page."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, TypeVar

from worker.batch.specimens import Specimen
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request, get_processed
from worker.oss.verdict import Failure, failure, judge_error

T = TypeVar("T")
# What every browser shows, whatever the object is: pictures as cameras hold them are turned upright.
SMALL = "image/auto-orient,1/resize,m_lfit,w_240,h_240/format,webp/quality,q_75"
MOST_BYTES = 64 << 10
_ALL_BYTES = 1_400_000  # base64 makes them 1.9 MB
_AT_ONCE = 4
PATIENCE_S = 60.0
_UNASKED = "it did not come in time"


class Ask(Protocol):
    """Sends a request once, on the lane of work; `size` is how many bytes the service reads for it, None if unknown."""

    async def __call__(self, request: Request, judge: Callable[[Answer], T | Failure], size: int | None) -> T | Failure:
        """The verdict."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A small WebP, or why there is none; empty where that is no matter of this one."""

    content: bytes = b""
    reason: str = _UNASKED


@dataclass(slots=True)
class Pair:
    """A picture before and after."""

    specimen: Specimen
    before: Picture = Picture()
    after: Picture = Picture()


async def fetch_pairs(ask: Ask, specimens: Sequence[Specimen], patience_s: float = PATIENCE_S) -> list[Pair]:
    """The pictures of specimens: what does not come in time, or is more than a page should hold, is left out."""
    pairs = [Pair(specimen) for specimen in specimens]
    fetcher = _Fetcher(ask)
    try:
        async with asyncio.timeout(patience_s):
            await asyncio.gather(*(fetcher.fetch(pair) for pair in pairs))
    except TimeoutError:
        pass  # what has come is shown
    return pairs


def without_pictures(specimens: Sequence[Specimen]) -> list[Pair]:
    """The names alone."""
    return [Pair(specimen, Picture(reason=""), Picture(reason="")) for specimen in specimens]


class _Fetcher:
    """Fetches within a budget of bytes, and asks no more once the service could not be reached."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._left = _ALL_BYTES
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._unreachable = ""

    async def fetch(self, pair: Pair) -> None:
        async with self._turn:
            source, target = pair.specimen.line.source, pair.specimen.line.target
            pair.before = await self._picture(ObjectRef(source.bucket, source.key), source.size)
            if target is not None:
                pair.after = await self._picture(ObjectRef(target.bucket, target.key), target.size)

    async def _picture(self, of: ObjectRef, size: int | None) -> Picture:
        if self._unreachable:
            return Picture(reason=self._unreachable)
        if self._left <= 0:
            return Picture(reason="left out, so that the page stays small")
        found = await self._ask(get_processed(of, SMALL), _judge, size)
        if isinstance(found, Failure):
            if not found.http:
                self._unreachable = f"{found.code}: {found.message}"
            return Picture(reason=f"{found.code}: {found.message}" if found.message else found.code)
        self._left -= len(found)
        return Picture(found, "")


def _judge(answer: Answer) -> bytes | Failure:
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    # Whatever else it may be, it will not get into the page.
    if answer.body[:4] != b"RIFF" or answer.body[8:12] != b"WEBP":
        return failure("UnreadableAnswer", "the answer is no WebP", answer)
    if len(answer.body) > MOST_BYTES:
        return failure("AnswerTooLarge", f"{len(answer.body):,} bytes of a small picture", answer)
    return answer.body
