"""Fetching an object into a file, piece by piece: no piece is held longer than until it is written.

Each piece is a request of its own, throttled, signed, judged and tried again by itself: a connection that breaks costs
one piece, and no download is too long for the time that an answer may take.
"""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import BinaryIO

from worker.batch.document import Place
from worker.errors import StoppedError, UsageError, WorkerError
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import get_range, head_object
from worker.oss.verdict import Failure, failure, judge_error
from worker.sources.asking import Ask, refused

PIECE_BYTES = 4 << 20
_RIGHT = "oss:GetObject on it"


async def fetch(ask: Ask, place: Place, source: ObjectRef, file: BinaryIO) -> None:
    """Write the content of an object to a file. `place` is the line of the manifest that names it.

    All pieces are of one content: a change on the way is told, not mixed.

    Raises:
        UsageError: There is no such object.
        AccessError: The credentials may not read it.
        StoppedError: The service does not give it, or it was changed meanwhile.
    """
    found = await ask(head_object(source), _judge_head)
    if isinstance(found, Failure):
        raise _error(place, source, found)
    etag, size = found
    for first in range(0, size, PIECE_BYTES):
        last = min(first + PIECE_BYTES, size) - 1
        piece = await ask(get_range(source, first, last, etag), partial(_judge, length=last - first + 1))
        if isinstance(piece, Failure):
            raise _error(place, source, piece)
        await asyncio.to_thread(file.write, piece)


def _judge_head(answer: Answer) -> tuple[str, int] | Failure:
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    etag, length = answer.headers.get("etag", ""), answer.headers.get("content-length", "")
    if not etag or not (length.isascii() and length.isdigit()):
        return failure("UnreadableAnswer", "a HEAD without the etag or the length of the object", answer)
    return etag, int(length)


def _judge(answer: Answer, length: int) -> bytes | Failure:
    # 200 is the whole object, which is what was asked for where it has one piece only.
    if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return judge_error(answer)
    if len(answer.body) != length:
        return failure("UnreadableAnswer", f"{len(answer.body)} bytes of an object, where {length} are due", answer)
    return answer.body


def _error(place: Place, source: ObjectRef, refusal: Failure) -> WorkerError:
    if refusal.http == HTTPStatus.PRECONDITION_FAILED:
        return StoppedError(f"{place}: {source} was changed while it was read\n    mend: run again")
    # A HEAD has no body that could say more.
    if refusal.http == HTTPStatus.NOT_FOUND and refusal.code != "NoSuchBucket":
        return UsageError(place.problem(f"{source} does not exist", "correct the key, or put the object there"))
    if refusal.http == HTTPStatus.FORBIDDEN and refusal.code == "Http403":
        return refused(place, f"read {source}", failure("AccessDenied", refusal.message), source.bucket, _RIGHT)
    return refused(place, f"read {source}", refusal, source.bucket, _RIGHT)
