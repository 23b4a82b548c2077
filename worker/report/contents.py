"""Contents: all that a report tells of a run, whatever form it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.batch.comparison import Lost, Regression
from worker.batch.figures import Figures
from worker.batch.specimens import Specimen
from worker.batch.standing import Happened, JobStanding, RunStanding
from worker.oss.codes import CODES


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its exit code, None while no process of it tells one; what that means, and what to do."""

    exit: int | None
    cause: str
    mend: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside another one: what got worse, and the targets that were saved then and have failed now."""

    run: str
    figures: Figures
    regressions: Sequence[Regression]
    lost: Lost
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that is told of a run. `headline` is the verdict in a sentence; `events` have their shard before them."""

    standing: JobStanding
    headline: str
    ending: Ending
    figures: Figures
    events: Sequence[Happened]
    notes: Sequence[str]
    specimens: Sequence[Specimen]
    comparison: Comparison | None

    @property
    def job(self) -> str:
        """The job's name."""
        return self.standing.job

    @property
    def run(self) -> RunStanding:
        """The run."""
        return self.standing.newest


def explained(code: str) -> Mapping[str, str]:
    """Cause and mend of an error code, by the one table of them."""
    known = CODES.get(code)
    if known is not None:
        return {"cause": known.cause, "mend": known.mend}
    return {
        "cause": "The service gave this code; the worker knows nothing more of it.",
        "mend": "Read the message; the service's support can find the request by its id.",
    }
