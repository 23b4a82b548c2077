"""A YAML document as a user wrote it: plain text data, and the place of every key and value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worker.batch.tree import Data, Mark, Mistake, Node, TreeReader, UnreadableError
from worker.errors import Problem, UsageError

MAX_BYTES = 1_000_000

Path = tuple[str | int, ...]

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
# YAML 1.1, section 5.1 "Character Set": what is not printable.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SECRET = re.compile(r"""\w*(secret|passw|token|access_?key)\w*["']?\s*:|//[^/\s]*@""", re.IGNORECASE)
_EXCERPT_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, with the line as it stands there; `line` and `column` from 1, `line` 0 for the whole file."""

    file: str
    line: int = 0
    column: int = 0
    excerpt: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def problem(self, reason: str, mend: str = "") -> Problem:
        """A problem at this place."""
        return Problem(reason, mend, self.file, self.line, self.column, self.excerpt)

    def warning(self, reason: str, mend: str) -> Problem:
        """Advice at this place: what is right, but hardly meant."""
        return replace(self.problem(reason, mend), severity="warning")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `problems` are the mistakes that leave the rest readable, such as a key that stands twice."""

    file: str
    lines: tuple[str, ...]
    root: Node
    problems: tuple[Problem, ...] = ()

    @property
    def data(self) -> Data:
        """The whole document: every scalar as it is written, a plain `null`, `~` or nothing as None."""
        return self.root.data

    def get(self, path: Path) -> Data:
        """The data at a path; None where nothing is."""
        node = _walk(self.root, path)[-1]
        return node.data if node else None

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """Line and column, from 1, of the value at a path, or of its key; of what is above it where nothing is."""
        found = [node for node in _walk(self.root, path) if node]
        if key and path and len(found) == len(path) + 1:
            members = found[-2].members
            if isinstance(members, Mapping):
                return members[str(path[-1])].mark
        return found[-1].mark

    def place(self, path: Path, *, key: bool = False, offset: int = 0) -> Place:
        """The place of the value at a path, or of its key; `offset` characters into a text that stands there whole."""
        line, column = self.mark(path, key=key)
        value = self.get(path)
        if offset and isinstance(value, str):
            text = self.lines[line - 1]
            quote = 1 if text[column - 1] in "'\"" else 0
            column += offset + quote if text.startswith(value, column - 1 + quote) else 0
        return _place(self.file, self.lines, line, column)


def decode(data: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        UsageError: It is larger than `MAX_BYTES`, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(_too_large(file))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = _BREAK.split(data[: error.start].decode())
        mend = "save it as UTF-8"
        raise UsageError(Problem("this is not UTF-8 text", mend, file, len(before), len(before[-1]) + 1)) from None


def parse(text: str, file: str) -> Document:
    """Read a YAML document. Nothing is interpreted: `0123`, `no` and `2026-01-01` stay as they are written.

    Raises:
        UsageError: It cannot be read at all: the first reason, with its place.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise UsageError(_too_large(file))
    text = text.removeprefix("\ufeff")
    lines = tuple(_BREAK.split(text))
    if bad := _UNPRINTABLE.search(text):
        before = _BREAK.split(text[: bad.start()])
        place = _place(file, lines, len(before), len(before[-1]) + 1)
        mend = 'leave it out, or write it as an escape in double quotes, as in "a\\tb"'
        raise UsageError(place.problem(f"a control character, U+{ord(bad[0]):04X}", mend))
    reader = TreeReader(lines)
    try:
        root = reader.read(text)
    except UnreadableError as error:
        raise UsageError(_problem(file, lines, error.mistake)) from None
    return Document(file, lines, root, tuple(_problem(file, lines, mistake) for mistake in reader.mistakes))


def _problem(file: str, lines: Sequence[str], mistake: Mistake) -> Problem:
    return _place(file, lines, *mistake.mark).problem(mistake.reason, mistake.mend)


def _too_large(file: str) -> Problem:
    return Problem(
        f"larger than {MAX_BYTES:,} bytes", "put the keys into a file of their own and name it by `list` or `csv`", file
    )


def _walk(node: Node, path: Path) -> list[Node | None]:
    """The nodes along a path, from the root; None at the first step that leads nowhere, and no further."""
    found: list[Node | None] = [node]
    for step in path:
        members = node.members
        if isinstance(members, Mapping) and isinstance(step, str) and step in members:
            node = members[step].node
        elif isinstance(members, Sequence) and isinstance(step, int) and step < len(members):
            node = members[step]
        else:
            return [*found, None]
        found.append(node)
    return found


def _place(file: str, lines: Sequence[str], line: int, column: int) -> Place:
    if line > len(lines):  # the parser counts one more line at the end of a text without a line break
        line, column = len(lines), len(lines[-1]) + 1
    text = lines[line - 1][:_EXCERPT_CHARACTERS]
    # A line that may hold a secret is never shown, whatever is wrong with it.
    if _SECRET.search(text) or column > _EXCERPT_CHARACTERS:
        return Place(file, line, column)
    return Place(file, line, column, _UNPRINTABLE.sub("?", text).rstrip())
