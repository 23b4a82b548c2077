"""The performer: one task to its result."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from worker.batch.record import Status
from worker.batch.task import Task
from worker.dispatch.decider import Decider, Needless, Result, ToSend, judge_head
from worker.dispatch.sender import Outcome, Sender
from worker.dispatch.throttle import Lane
from worker.oss.answer import Answer, parse_http_date
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import head_object, process_object
from worker.oss.verdict import Failure, Saved, Unconfirmed, failure, judge_saved

# Last-Modified and Date are whole seconds of two clocks of one service.
_CLOCK_GRAIN = timedelta(seconds=1)


class Performer:
    """Takes tasks one by one to their results; safe to use from many coroutines at once.

    `permit` is called just before the first POST of a task, and may raise `Cut` to end the run there. `can_look`:
    targets can be looked at, as they cannot at a custom domain, which belongs to the source bucket.
    """

    def __init__(self, sender: Sender, decider: Decider, permit: Callable[[], None], *, can_look: bool) -> None:
        self._sender = sender
        self._decider = decider
        self._permit = permit
        self._can_look = can_look

    async def perform(self, task: Task) -> Result | Needless:
        """Do a task, or find that there is nothing to do.

        Raises:
            Cut: The run was stopped before the task was on its way.
        """
        decision = await self._decider.decide(task)
        if not isinstance(decision, ToSend):
            return decision
        self._permit()

        def judge(answer: Answer) -> Saved | Unconfirmed | Failure:
            return judge_saved(answer, task.source.bucket, task.target)

        def confirm(verdict: Unconfirmed) -> Awaitable[Saved | Failure]:
            return self._look_at(task.target, verdict)

        request = process_object(task.source, saveas(task.process, task.target))
        outcome: Outcome[Saved | Unconfirmed]
        outcome = await self._sender.call(request, judge, Lane.WORK, decision.size, confirm=confirm)
        return _result(decision, outcome)

    async def _look_at(self, target: ObjectRef, answer: Unconfirmed) -> Saved | Failure:
        """The target is saved if it was modified no earlier than the answer was written; else the attempt failed."""
        if not self._can_look:
            return _not_saved(answer, "the answer was empty, and the target cannot be looked at")
        looked = await self._sender.call(head_object(target), judge_head, even_if_stopping=True)
        if isinstance(looked.verdict, Failure):
            return _not_saved(answer, f"the answer was empty, and HEAD of the target says {looked.verdict.code}")
        modified = parse_http_date(looked.verdict.modified)
        if answer.at is not None and modified is not None and modified >= answer.at - _CLOCK_GRAIN:
            return Saved(looked.verdict.size, answer.request_id)
        return _not_saved(answer, "the answer was empty, and the target was not modified by it")


def _result(sent: ToSend, outcome: Outcome[Saved | Unconfirmed]) -> Result:
    verdict = outcome.verdict
    error = verdict if isinstance(verdict, Failure) else None
    return Result(
        sent.task,
        sent.id,
        Status.FAILED if error else Status.SAVED,
        sent.etag,
        sent.size,
        target_size=verdict.size if isinstance(verdict, Saved) else None,
        attempts=outcome.attempts,
        tries=outcome.tries,
        request_id=verdict.request_id,
        duration_s=outcome.duration_s,
        error=error,
        touched=outcome.touched or error is None,
    )


def _not_saved(answer: Unconfirmed, message: str) -> Failure:
    return replace(failure("NotSaved", message), request_id=answer.request_id)
