"""The performer: one task to its result."""

from collections.abc import Callable, Collection
from typing import Protocol

from worker.batch.record import Status
from worker.batch.task import Task
from worker.dispatch.decider import Decider, Needless, Result, ToSend
from worker.dispatch.sender import Outcome
from worker.oss.names import ObjectRef
from worker.oss.verdict import Failure, Saved


class Saver(Protocol):
    """A way to save what a process makes of a source."""

    async def save(self, source: ObjectRef, size: int | None, process: str, target: ObjectRef) -> Outcome[Saved]:
        """Process a source of `size` bytes and save the result, or raise `Cut` where the run was stopped before."""


class Performer:
    """Takes tasks one by one to their results; safe to use from many coroutines at once.

    `permit` is called just before the first request that saves for a task, and may raise `Cut` to end the run there.
    Tasks of the pipelines that are `relayed` are saved by the one saver, all others by the other.
    """

    def __init__(
        self, decider: Decider, permit: Callable[[], None], saveas: Saver, relay: Saver, relayed: Collection[str] = ()
    ) -> None:
        self._decider = decider
        self._permit = permit
        self._saveas = saveas
        self._relay = relay
        self._relayed = frozenset(relayed)

    async def perform(self, task: Task) -> Result | Needless:
        """Do a task, or find that there is nothing to do.

        Raises:
            Cut: The run was stopped before the task was on its way.
        """
        decision = await self._decider.decide(task)
        if not isinstance(decision, ToSend):
            return decision
        self._permit()
        saver = self._relay if task.pipeline in self._relayed else self._saveas
        return _result(decision, await saver.save(task.source, decision.size, task.process, task.target))


def _result(sent: ToSend, outcome: Outcome[Saved]) -> Result:
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
