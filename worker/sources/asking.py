"""Asking the service on the control lane, and what it means for a command when the answer is a refusal."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from worker.batch.document import Place
from worker.errors import AccessError, StoppedError, UsageError, WorkerError
from worker.oss.answer import Answer
from worker.oss.codes import CODES, CREDENTIAL_CODES
from worker.oss.request import Request
from worker.oss.verdict import Failure

T = TypeVar("T")


class Ask(Protocol):
    """Sends a request on the control lane until its verdict stands."""

    async def __call__(self, request: Request, judge: Callable[[Answer], T | Failure]) -> T | Failure:
        """The verdict."""


def refused(place: Place, what: str, refusal: Failure, bucket: str, right: str) -> WorkerError:
    """The error that ends a command which could not do `what` in `bucket`; `right` is the permission it takes."""
    text = f"{place}: cannot {what}: {refusal.code}: {refusal.message}"
    if refusal.code == "NoSuchBucket":
        return UsageError(place.problem(f"the bucket {bucket!r} does not exist", "correct its name"))
    if refusal.code == "AccessDenied":
        return AccessError(f"{text}\n    mend: allow {right}")
    if refusal.code in CREDENTIAL_CODES:
        return AccessError(f"{text}\n    mend: {CODES[refusal.code].mend}")
    return StoppedError(text)
