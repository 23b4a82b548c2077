"""The errors a user can meet, and the exit code each one ends the program with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Exit(IntEnum):
    """Exit codes: what a scheduler may conclude from the end of a run."""

    OK = 0
    UNEXPECTED = 1
    FAILED = 3
    STOPPED = 4
    UNFINISHED = 5
    USAGE = 64
    NOTHING_SELECTED = 66
    RESULTS = 73
    INTERRUPTED = 75
    REFUSED = 77


# Where several apply, the first of these is the one that is told.
_PRECEDENCE = (
    Exit.UNEXPECTED,
    Exit.REFUSED,
    Exit.RESULTS,
    Exit.STOPPED,
    Exit.INTERRUPTED,
    Exit.USAGE,
    Exit.NOTHING_SELECTED,
    Exit.UNFINISHED,
    Exit.FAILED,
    Exit.OK,
)


def foremost(codes: Iterable[Exit]) -> Exit:
    """The exit code to end with where several apply; `Exit.OK` for none."""
    return min(codes, key=_PRECEDENCE.index, default=Exit.OK)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in what a user wrote, or a `warning`: where it stands, what is wrong and how to mend it.

    `line` and `column` count from 1; `line` 0 means that the mistake has no place in a file (a flag, say).
    `excerpt` is the line of the file as written.
    """

    reason: str
    mend: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    excerpt: str = ""
    severity: Literal["error", "warning"] = "error"

    @property
    def brief(self) -> str:
        """All of it but the excerpt, in one line."""
        return f"{self._place}{self.reason}" + (f": {self.mend}" if self.mend else "")

    @property
    def _place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: " if self.file else ""

    def __str__(self) -> str:
        lines = [f"{self._place}{self.severity}: {self.reason}"]
        if self.excerpt:
            # Tabs are kept before the caret, so that it stands under its column whatever the tab width is.
            indent = "".join("\t" if character == "\t" else " " for character in self.excerpt[: self.column - 1])
            lines += [f"    {self.excerpt}", f"    {indent}^"]
        if self.mend:
            lines.append(f"    mend: {self.mend}")
        return "\n".join(lines)


class WorkerError(Exception):
    """Base of all errors that end a command with one clear message; `exit_code` says how."""

    exit_code = Exit.UNEXPECTED


class UsageError(WorkerError):
    """Usage, settings or manifest are wrong; nothing was sent. Carries every problem found, not only the first."""

    exit_code = Exit.USAGE

    def __init__(self, problems: Problem | str | Sequence[Problem], mend: str = "") -> None:
        if isinstance(problems, str):
            problems = Problem(problems, mend)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CollisionError(UsageError):
    """The proof of a plan fails: tasks write one target, or a source. `collides` counts such tasks by pipeline."""

    def __init__(self, problems: Sequence[Problem], collides: Mapping[str, int]) -> None:
        super().__init__(problems)
        self.collides = dict(collides)


class ResultsError(WorkerError):
    """The results log cannot be written or read."""

    exit_code = Exit.RESULTS


class OccupiedError(WorkerError):
    """What was to be written is there already, and is not ours to overwrite."""

    exit_code = Exit.RESULTS

    def __init__(self, names: Sequence[str]) -> None:
        there = " and ".join(names)
        super().__init__(
            f"{there}: already there, and left as it is\n    mend: name another directory, or move it away"
        )


class AccessError(WorkerError):
    """The service refuses these credentials, or everything they ask for."""

    exit_code = Exit.REFUSED


class StoppedError(WorkerError):
    """The service cannot be reached, or everything goes wrong: the run was stopped."""

    exit_code = Exit.STOPPED


class StopSignalError(WorkerError):
    """A signal came before there was anything to tell."""

    exit_code = Exit.INTERRUPTED


class UnknownError(WorkerError):
    """Nothing is known about what was asked for: a code, a job."""

    exit_code = Exit.NOTHING_SELECTED
