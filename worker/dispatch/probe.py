"""The probe: one picture really processed and saved, under a scratch key that is deleted afterwards."""

from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from worker.dispatch.decider import judge_head
from worker.dispatch.performer import Saver
from worker.dispatch.sender import Sender, Urgency
from worker.dispatch.stopping import Cut
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import delete_object, head_object
from worker.oss.verdict import Failure, failure, judge_error


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of a probe: why nothing was saved, and why the scratch object may still be there; None for neither.

    `unasked`: nothing was sent, for nobody could tell whether there is such an object already. `kept`: the bucket keeps
    versions.
    """

    refused: Failure | None
    left: Failure | None = None
    unasked: bool = False
    kept: bool = False


async def probe(
    sender: Sender, saver: Saver, source: ObjectRef, size: int | None, process: str, scratch: ObjectRef
) -> Probed:
    """Process a source, save the result as `scratch`, and delete that: the only thing the worker ever deletes.

    Nothing is sent unless the service says that there is no such object.

    Raises:
        Cut: A signal came; the scratch object is deleted all the same.
    """
    found = (await sender.call(head_object(scratch), judge_head)).verdict
    if not isinstance(found, Failure):
        return Probed(failure("TargetExists", f"{scratch} exists"))
    if found.http != HTTPStatus.NOT_FOUND:
        return Probed(found, unasked=True)

    try:
        outcome = await saver.save(source, size, process, scratch)
    except Cut:
        await _delete(sender, scratch)
        raise
    refused = outcome.verdict if isinstance(outcome.verdict, Failure) else None
    if refused is not None and not outcome.touched:
        return Probed(refused)
    deleted = await _delete(sender, scratch)
    return Probed(refused, left=deleted if isinstance(deleted, Failure) else None, kept=deleted is _Deleted.KEPT)


class _Deleted(Enum):
    GONE = auto()
    KEPT = auto()  # as an older version


async def _delete(sender: Sender, scratch: ObjectRef) -> _Deleted | Failure:
    return (await sender.call(delete_object(scratch), _judge_deleted, urgency=Urgency.COMPLETING)).verdict


def _judge_deleted(answer: Answer) -> _Deleted | Failure:
    """Source: OSS, DeleteObject, with `x-oss-delete-marker` of versioned buckets."""
    if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
        return judge_error(answer)
    return _Deleted.KEPT if answer.headers.get("x-oss-delete-marker") == "true" else _Deleted.GONE
