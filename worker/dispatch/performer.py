"""The performer: one task to its result."""

from collections.abc import Callable
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

    `permit` is called just before the first POST of a task, and may raise `Cut` to end the run there.
    """

    def __init__(self, sender: Sender, decider: Decider, permit: Callable[[], None]) -> None:
        self._sender = sender
        self._decider = decider
        self._permit = permit

    async def perform(self, task: Task) -> Result | Needless:
        """Do a task, or find that there is nothing to do.

        Raises:
            Cut: The run was stopped before the task was on its way.
        """
        decision = await self._decider.decide(task)
        if not isinstance(decision, ToSend):
            return decision
        self._permit()
        return await self._process(decision)

    async def _process(self, wanted: ToSend) -> Result:
        task = wanted.task

        def judge(answer: Answer) -> Saved | Unconfirmed | Failure:
            return judge_saved(answer, task.source.bucket, task.target)

        request = process_object(task.source, saveas(task.process, task.target))
        outcome: Outcome[Saved | Unconfirmed] = await self._sender.call(request, judge, Lane.WORK, wanted.size)
        verdict = outcome.verdict
        if isinstance(verdict, Unconfirmed):
            verdict = await self._confirm(task.target, verdict)
        error = verdict if isinstance(verdict, Failure) else None
        return Result(
            task,
            wanted.id,
            Status.FAILED if error else Status.SAVED,
            wanted.etag,
            wanted.size,
            target_size=verdict.size if isinstance(verdict, Saved) else None,
            attempts=outcome.attempts,
            tries=outcome.tries,
            request_id=verdict.request_id,
            duration_s=outcome.duration_s,
            error=error,
            touched=outcome.touched or not isinstance(outcome.verdict, Failure),
        )

    async def _confirm(self, target: ObjectRef, answer: Unconfirmed) -> Saved | Failure:
        """Look at the target itself: it is saved if it was modified no earlier than the answer was written."""
        verdict = (await self._sender.call(head_object(target), judge_head)).verdict
        if isinstance(verdict, Failure):
            return verdict
        modified = parse_http_date(verdict.modified)
        if answer.at is not None and modified is not None and modified >= answer.at - _CLOCK_GRAIN:
            return Saved(verdict.size, answer.request_id)
        return failure("NotSaved", "the answer was empty, and the target was not modified by it")
