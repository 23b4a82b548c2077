"""The lines of one segment, as its pieces come: what is valid, what is the torn end, and what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.batch.record import SchemaError
from worker.errors import Problem, ResultsError, UsageError

# Longer than any line there can be; what a disk has filled up with zeros has no lines at all.
_MAX_LINE_BYTES = 1 << 20

# Takes in one line without its end; raises ValueError where it is none.
Take = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is none: where it stands, what is wrong, and what it is (its beginning, where it is very long)."""

    path: str
    number: int
    reason: str
    content: bytes

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: error: not a line of a results log: {self.reason}"


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of a segment is read: up to the end of its last valid line."""

    bytes: int = 0
    lines: int = 0


NOTHING = Covered()


def refuse(bad: BadLine) -> None:
    """What a bad line before a valid one is, unless somebody has asked to have it set aside.

    Raises:
        ResultsError: Always.
    """
    message = f"{bad}\n    mend: `oss-saveas compact JOB --quarantine FILE` writes it to FILE and goes on without it"
    raise ResultsError(message)


class SegmentLines:
    """Takes a segment's pieces in their order, from where an earlier reading has ended."""

    def __init__(self, path: str, covered: Covered, take: Take, set_aside: Callable[[BadLine], None] = refuse) -> None:
        self._path = path
        self._take = take
        self._set_aside = set_aside
        self._covered = covered
        self._bytes, self._lines = covered.bytes, covered.lines
        self._rest = b""
        self._bad: list[BadLine] = []

    @property
    def covered(self) -> Covered:
        """How much is read."""
        return self._covered

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            ResultsError: A bad line stands before a valid one.
            UsageError: A line was written by a later version of this program.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        end, number, good = self._bytes, self._lines, 0
        for line in lines:
            number += 1
            end += len(line) + 1
            try:
                self._take(line)
            except SchemaError as error:
                raise self._later(number, error) from error
            except ValueError as error:
                self._note(number, str(error), line)
                continue
            if self._bad:
                self._release()
            good, good_number = end, number
        if good:
            self._covered = Covered(good, good_number)
        self._bytes, self._lines = end, number
        if len(self._rest) > _MAX_LINE_BYTES:
            self._bytes += len(self._rest) - 1
            self._rest = b"\0"

    def end(self) -> str | None:
        """There is no more: what is to be said of a torn end, which is left out."""
        if self._rest:
            self._note(self._lines + 1, "the line has no end", self._rest)
        if not self._bad:
            return None
        first = self._bad[0]
        return (
            f"{self._path}:{first.number}: the end of this segment was cut off; "
            f"what follows is left out ({first.reason})"
        )

    def _note(self, number: int, reason: str, line: bytes) -> None:
        self._bad.append(BadLine(self._path, number, reason, line[:_MAX_LINE_BYTES]))
        if self._set_aside is refuse:
            del self._bad[1:]  # one is enough to refuse, or to warn

    def _release(self) -> None:
        for bad in self._bad:
            self._set_aside(bad)
        self._bad.clear()

    def _later(self, number: int, error: SchemaError) -> UsageError:
        mend = "read it with the version that wrote it, or later"
        return UsageError(Problem(str(error), mend, self._path, number, 1))
