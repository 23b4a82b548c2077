"""Saveas: a picture is processed and saved by one POST, within the service. See OSS, "sys/saveas"."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import cast

from worker.dispatch.decider import judge_head
from worker.dispatch.sender import Outcome, Sender, Urgency
from worker.dispatch.throttle import Lane
from worker.oss.answer import Answer, parse_http_date
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import head_object, process_object
from worker.oss.verdict import Failure, Saved, Unconfirmed, failure, judge_saved

# Last-Modified and Date are whole seconds of two clocks of one service.
_CLOCK_GRAIN = timedelta(seconds=1)


class Saveas:
    """Saves by `sys/saveas`; safe to use from many coroutines at once.

    `can_look`: targets can be looked at, as they cannot at a custom domain, which belongs to the source bucket.
    """

    def __init__(self, sender: Sender, *, can_look: bool = True) -> None:
        self._sender = sender
        self._can_look = can_look

    async def save(self, source: ObjectRef, size: int | None, process: str, target: ObjectRef) -> Outcome[Saved]:
        """Process a source of `size` bytes and save the result.

        Raises:
            Cut: The run was stopped before the request was on its way.
        """

        def judge(answer: Answer) -> Saved | Unconfirmed | Failure:
            return judge_saved(answer, source.bucket, target)

        def confirm(verdict: Unconfirmed) -> Awaitable[Saved | Failure]:
            return self._look_at(target, verdict)

        request = process_object(source, saveas(process, target))
        outcome: Outcome[Saved | Unconfirmed]
        outcome = await self._sender.call(request, judge, Lane.WORK, size, confirm=confirm)
        return cast("Outcome[Saved]", outcome)  # a look at the target leaves nothing open

    async def _look_at(self, target: ObjectRef, answer: Unconfirmed) -> Saved | Failure:
        """The target is saved if it was modified no earlier than the answer was written; else the attempt failed."""
        if not self._can_look:
            return _not_saved(answer, "the answer was empty, and the target cannot be looked at")
        looked = await self._sender.call(head_object(target), judge_head, urgency=Urgency.COMPLETING)
        if isinstance(looked.verdict, Failure):
            return _not_saved(answer, f"the answer was empty, and HEAD of the target says {looked.verdict.code}")
        modified = parse_http_date(looked.verdict.modified)
        if answer.at is not None and modified is not None and modified >= answer.at - _CLOCK_GRAIN:
            return Saved(looked.verdict.size, answer.request_id)
        return _not_saved(answer, "the answer was empty, and the target was not modified by it")


def _not_saved(answer: Unconfirmed, message: str) -> Failure:
    return replace(failure("NotSaved", message), request_id=answer.request_id)
