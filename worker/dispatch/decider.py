"""The decider: whether a task has anything to do, before a POST is spent on it."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus

import msgspec

from worker.batch.ledger import Ledger
from worker.batch.manifest import Existing
from worker.batch.record import Status
from worker.batch.task import Task, target_digest
from worker.dispatch.sender import Outcome, Sender
from worker.oss.answer import Answer, normal_etag
from worker.oss.codes import Remedy
from worker.oss.names import ObjectRef
from worker.oss.request import head_object
from worker.oss.verdict import Failure, failure, judge_error


class Needless(StrEnum):
    """Why a task sends nothing and writes no line."""

    ALREADY_SAVED = "already_saved"
    FAILED_BEFORE = "failed_before"


class ToSend(msgspec.Struct, frozen=True, gc=False):
    """A task that has to be sent; sizes are in bytes. `known`: this job has written its target before."""

    task: Task
    id: bytes
    etag: str
    size: int | None
    known: bool


class Result(msgspec.Struct, frozen=True, gc=False):
    """The result of a task, to be recorded. `error` tells why it failed; sizes are in bytes."""

    task: Task
    id: bytes | None
    status: Status
    etag: str
    source_size: int | None = None
    target_size: int | None = None
    attempts: int = 0
    tries: dict[str, int] = {}
    request_id: str = ""
    duration_s: float = 0.0
    error: Failure | None = None
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What a HEAD tells of an object; `modified` is the header as it came."""

    etag: str
    size: int | None
    modified: str


class Decider:
    """Decides task by task, asking the service only for what nothing else tells; safe to use from many coroutines.

    `redo` sends what is saved, too; `retry` what has failed for good.
    """

    def __init__(
        self, sender: Sender, ledger: Ledger, existing: Existing, *, redo: bool, retry: bool = False, heads: int
    ) -> None:
        self._sender = sender
        self._ledger = ledger
        self._existing = existing
        self._redo = redo
        self._retry = retry
        self._sources = _SourceHeads(sender, heads)

    async def decide(self, task: Task) -> ToSend | Result | Needless:
        """What is to be done for a task.

        Raises:
            Cut: The run was stopped while the service was asked.
        """
        etag, size = task.etag, task.size
        if etag is None:
            head = await self._sources.head(task.source)
            if isinstance(head, Failure):
                return Result(task, None, Status.FAILED, "", error=head)
            etag, size = head.etag, head.size
        task_id = task.id(etag)
        if not self._ledger and self._existing == "replace":  # a first run, or one that never wrote a line
            return ToSend(task, task_id, etag, size, known=False)
        target = target_digest(task.target)
        if not self._redo:
            if self._ledger.is_done(target, task_id):
                return Needless.ALREADY_SAVED
            if not self._retry and self._ledger.failed_for_good(target, task_id):
                return Needless.FAILED_BEFORE
        to_send = ToSend(task, task_id, etag, size, self._ledger.knows(target))
        if self._existing == "replace" or to_send.known:
            return to_send
        return await self._unless_it_exists(to_send)

    async def _unless_it_exists(self, wanted: ToSend) -> ToSend | Result:
        verdict = (await self._sender.call(head_object(wanted.task.target), judge_head)).verdict
        if isinstance(verdict, Failure):
            if verdict.http == HTTPStatus.NOT_FOUND:
                return wanted
            status, size, error = Status.FAILED, None, verdict
        elif self._existing == "skip":
            return Result(wanted.task, wanted.id, Status.SKIPPED, wanted.etag, wanted.size, verdict.size)
        else:
            message = f"{wanted.task.target} exists, and this job's log does not know it"
            # Not for good: the target may be gone tomorrow.
            error = replace(failure("TargetExists", message), remedy=Remedy.RETRY)
            status, size = Status.FAILED, verdict.size
        return Result(wanted.task, wanted.id, status, wanted.etag, wanted.size, size, error=error)


def judge_head(answer: Answer) -> Head | Failure:
    """What an answer to a HEAD of an object says."""
    if answer.status != HTTPStatus.OK:
        refusal = judge_error(answer)
        # An answer to HEAD has no body, and not every one has the header that stands in for it.
        return replace(refusal, code="NoSuchKey") if refusal.code == "Http404" else refusal
    length = answer.headers.get("content-length", "")
    return Head(
        etag=normal_etag(answer.headers.get("etag", "")),
        size=int(length) if length.isascii() and length.isdigit() else None,
        modified=answer.headers.get("last-modified", ""),
    )


class _SourceHeads:
    """One HEAD for each source, though several pipelines ask: their tasks follow one another closely."""

    def __init__(self, sender: Sender, size: int) -> None:
        self._sender = sender
        self._size = size
        self._heads: OrderedDict[ObjectRef, asyncio.Task[Outcome[Head]]] = OrderedDict()

    async def head(self, source: ObjectRef) -> Head | Failure:
        asked = self._heads.get(source)
        if asked is None:
            asked = self._heads[source] = asyncio.create_task(
                self._sender.call(head_object(source), judge_head), name=f"head {source}"
            )
            # A stop may leave a question that nobody waits for any more: its end is no news.
            asked.add_done_callback(lambda done: done.cancelled() or done.exception())
            if len(self._heads) > self._size:
                self._heads.popitem(last=False)
        # Several tasks may wait for this one: the end of one of them is not the end of the question.
        return (await asyncio.shield(asked)).verdict
