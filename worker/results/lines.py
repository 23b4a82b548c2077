"""The lines of one segment, as its pieces come: what is valid, what is the torn end, and what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.batch.record import SchemaError
from worker.errors import Problem, ResultsError, UsageError

# Longer than any line there can be; what a disk has filled up with zeros has no lines at all.
_MAX_LINE_BYTES = 1 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Take(Generic[T]):
    """Makes something of whole lines, raising ValueError where one is none; and takes it in."""

    make: Callable[[bytes], T]
    keep: Callable[[T], None]


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


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, or at the end of a segment what has no end; `left_out` bytes of the first were not kept."""

    content: bytes
    left_out: int = 0


def split(lines: bytes) -> list[bytes]:
    """Whole lines, each without its end."""
    return lines.removesuffix(b"\n").split(b"\n")


class Cutter:
    """Cuts the pieces of a segment into blocks, in memory that what has no end does not fill."""

    def __init__(self) -> None:
        self._rest = b""
        self._left_out = 0

    def cut(self, piece: bytes) -> Block:
        """The lines that end in the next piece."""
        content = self._rest + piece
        end = content.rfind(b"\n") + 1
        block, self._rest = Block(content[:end], self._left_out if end else 0), content[end:]
        if end:
            self._left_out = 0
        if len(self._rest) > _MAX_LINE_BYTES:
            self._left_out += len(self._rest) - 1
            self._rest = b"\0"
        return block

    def end(self) -> Block:
        """What is left, as there are no more pieces."""
        return Block(self._rest, self._left_out)


class SegmentLines(Generic[T]):
    """Takes a segment's blocks in their order, from where an earlier reading has ended."""

    def __init__(
        self, path: str, covered: Covered, take: Take[T], set_aside: Callable[[BadLine], None] = refuse
    ) -> None:
        self._path = path
        self._take = take
        self._set_aside = set_aside
        self._covered = covered
        self._bytes, self._lines = covered.bytes, covered.lines
        self._bad: list[BadLine] = []

    @property
    def covered(self) -> Covered:
        """How much is read."""
        return self._covered

    def feed(self, block: Block, made: T | None = None) -> None:
        """Take the next whole lines, of which somebody may have `made` already what is to be made.

        Raises:
            ResultsError: A bad line stands before a valid one.
            UsageError: A line was written by a later version of this program.
        """
        if not block.content:
            return
        try:
            self._valid(block.content, block.left_out, made)
        except ValueError:  # one of them is bad: which?
            left_out = block.left_out
            for line in split(block.content):
                self._judge(line + b"\n", left_out)
                left_out = 0

    def _judge(self, line: bytes, left_out: int) -> None:
        try:
            self._valid(line, left_out)
        except SchemaError as error:
            raise self._later(self._lines + 1, error) from error
        except ValueError as error:
            self._lines += 1
            self._bytes += left_out + len(line)
            self._note(self._lines, str(error), line[:-1])

    def _valid(self, lines: bytes, left_out: int, made: T | None = None) -> None:
        made = self._take.make(lines) if made is None else made
        for bad in self._bad:
            self._set_aside(bad)
        self._bad.clear()
        self._take.keep(made)
        self._bytes += left_out + len(lines)
        self._lines += lines.count(b"\n")
        self._covered = Covered(self._bytes, self._lines)

    def end(self, rest: Block) -> str | None:
        """There is no more: what is to be said of a torn end, which is left out."""
        if rest.content:
            self._note(self._lines + 1, "the line has no end", rest.content)
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

    def _later(self, number: int, error: SchemaError) -> UsageError:
        mend = "read it with the version that wrote it, or later"
        return UsageError(Problem(str(error), mend, self._path, number, 1))
