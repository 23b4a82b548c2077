"""Judging an answer: is the picture saved, and if not, what does the failure call for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

import msgspec

from worker.oss.answer import Answer, UnreadableAnswerError, normal_etag, parse_error, parse_processed
from worker.oss.codes import SYSTEMIC, Excess, Remedy, excess, remedy
from worker.oss.content import Content
from worker.oss.names import ObjectRef

T = TypeVar("T")
# Answers by which the service declines a request before it does anything for it.
_DECLINED = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    `http` is 0 where no answer came. `declined`: an answer said that nothing was done, so the target is as it was.
    `retry_after_s`: how long the service asks to wait, 0 where it does not say. `endpoint`: the host where it says that
    the bucket is.
    """

    code: str
    message: str
    remedy: Remedy
    http: int = 0
    ec: str = ""
    request_id: str = ""
    declined: bool = False
    retry_after_s: float = 0.0
    endpoint: str = ""

    @property
    def permanent(self) -> bool:
        """Whether the same request would fail again."""
        return self.remedy is Remedy.NONE

    @property
    def systemic(self) -> bool:
        """Whether other tasks would fail alike: refused for all of them, or an outage or throttling that lasts."""
        return self.remedy is Remedy.WAIT or self.code in SYSTEMIC

    @property
    def excess(self) -> Excess | None:
        """Of what there was too much; None where it failed for another reason."""
        return excess(self.code, self.http)


class Saved(msgspec.Struct, frozen=True, gc=False):
    """The service says that the target is saved; `size` in bytes where it says so."""

    size: int | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A processed picture that was read, and what it is."""

    content: Content
    content_type: str


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A success without a body, as older documentation shows: the target itself has to be looked at.

    `at` is the time of the answer by the service's clock.
    """

    at: datetime | None
    request_id: str


def failure(code: str, message: str, answer: Answer | None = None) -> Failure:
    """A failure that the worker itself names; see `worker.oss.codes` for the codes."""
    return Failure(
        code=code,
        message=message,
        remedy=remedy(code, 0),
        http=answer.status if answer else 0,
        request_id=answer.request_id if answer else "",
    )


def judge_error(answer: Answer) -> Failure:
    """What an answer that is no success calls for. Redirects are never followed: they are permanent."""
    refusal = parse_error(answer)
    message = refusal.message or f"HTTP status {answer.status} without an OSS error"
    return Failure(
        code=refusal.code,
        message=f"{message} (not allowed: {refusal.action})" if refusal.action else message,
        remedy=remedy(refusal.code, answer.status),
        http=answer.status,
        ec=refusal.ec,
        request_id=answer.request_id,
        declined=(300 <= answer.status < 500 and answer.status != 408) or answer.status in _DECLINED,
        retry_after_s=_retry_after_s(answer),
        endpoint=refusal.endpoint,
    )


def judge_reading(answer: Answer, parse: Callable[[Answer], T]) -> T | Failure:
    """What an answer to a request that only reads says, by the parser of its operation."""
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    try:
        return parse(answer)
    except UnreadableAnswerError as error:
        return failure("UnreadableAnswer", str(error), answer)


def judge_saved(answer: Answer, source_bucket: str, target: ObjectRef) -> Saved | Unconfirmed | Failure:
    """Whether a process with saveas has saved its target.

    An empty bucket in the answer stands for the bucket of the source, as recorded.
    """
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    if not answer.body:
        return Unconfirmed(answer.date, answer.request_id)
    try:
        processed = parse_processed(answer)
    except UnreadableAnswerError as error:
        return failure("UnreadableAnswer", str(error), answer)
    if processed.status != "OK":
        return failure("NotSaved", f"the service says status {processed.status!r}", answer)
    saved = ObjectRef(processed.bucket or source_bucket, processed.key)
    if saved != target:
        return failure("WrongTarget", f"asked for {target}, the service saved {saved}", answer)
    return Saved(processed.size, answer.request_id)


def judge_picture(answer: Answer) -> Picture | Failure:
    """Whether a process without saveas has answered with a picture."""
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    content, kind = answer.content, answer.headers.get("content-type", "")
    if content is None or not content.size:
        return failure("UnreadableAnswer", "the answer has no picture in it", answer)
    # Whatever stands between may answer for the service, with a page that says so, say.
    if not kind.lower().startswith("image/"):
        return failure("UnreadableAnswer", f"the answer is no picture: its Content-Type is {kind!r}", answer)
    # Nobody asked for another one (RFC 9110, 8.4): what would be put would not be the picture itself.
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        return failure("UnreadableAnswer", "the answer comes compressed, which was not asked for", answer)
    return Picture(content, kind)


def judge_put(answer: Answer, content: Content) -> Saved | Failure:
    """Whether a picture that was put is there as it was sent. Source: OSS, PutObject: the ETag is the MD5."""
    if answer.status != HTTPStatus.OK:
        return judge_error(answer)
    etag, md5 = normal_etag(answer.headers.get("etag", "")), content.md5.hex().upper()
    if etag != md5:
        return failure("WrongETag", f"the ETag is {etag!r}, the MD5 of what was sent {md5}", answer)
    return Saved(content.size, answer.request_id)


def _retry_after_s(answer: Answer) -> float:
    # Seconds, or a date; a date needs the answer's own, for this machine's clock may be off (RFC 9110, 10.2.3).
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = Answer(0, {"date": value}).date
    return max(0.0, (until - answer.date).total_seconds()) if until and answer.date else 0.0
