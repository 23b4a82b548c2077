"""The outcome: what one process has done of a run, and how it came to its end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.dispatch.stopping import Reason, Stop
from worker.dispatch.tally import Tally
from worker.errors import Exit, WorkerError
from worker.timeline import Event


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that stopped a process: the exit code that belongs to it, and what it says."""

    exit_code: Exit
    message: str


def troubles_of(stop: Stop, others: Sequence[WorkerError] = ()) -> list[Trouble]:
    """What was in the way, the error that a stop was thrown with included."""
    errors = [*others, *([stop.error] if stop.error else [])]
    return [Trouble(error.exit_code, str(error)) for error in errors]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one process has done. `sent` tasks were sent, of its own accord no more where it is `closed` (--limit).

    `complete`: the stream of its tasks has ended, every one was taken, and nothing was in the way. `refused`: whether
    the service refuses the credentials altogether, None where too little was heard to say. `requests` counts those of a
    child process, by method; `events` are what happened to it.
    """

    tally: Tally
    complete: bool
    stopped: Reason | None = None
    closed: bool = False
    refused: bool | None = None
    sent: int = 0
    troubles: Sequence[Trouble] = ()
    requests: Counter[str] = field(default_factory=Counter)
    events: Sequence[Event] = ()

    @classmethod
    def nothing(cls, stop: Stop, tally: Tally | None = None) -> "Outcome":
        """Of a process that was stopped before its first task; `tally` is what others did of its work before."""
        return cls(tally=tally or Tally(), complete=False, stopped=stop.reason, troubles=troubles_of(stop))

    @property
    def undone(self) -> bool:
        """Whether work is left."""
        return not self.complete or self.tally.not_attempted != 0
