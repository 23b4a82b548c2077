"""Configuration files of the local OSS: YAML or JSON whose every value knows where it stands."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import yaml

from worker.errors import Problem, UsageError

MAX_BYTES = 1 << 20
_SHOWN_CHARACTERS = 60
_DURATION = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?", re.ASCII)
_SECRET = re.compile("secret|token", re.IGNORECASE)
_LONGEST_S = 366 * 86_400.0  # of any duration: no clock, key or fault lasts longer
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a configuration file. Reading it as what it is not raises UsageError with its place."""

    node: yaml.Node
    file: str
    lines: Sequence[str]

    def wrong(self, reason: str, mend: str = "") -> UsageError:
        """The error that says why this value is wrong, and where it stands."""
        mark = self.node.start_mark
        excerpt = _excerpt(self.lines, mark.line)
        return UsageError(Problem(reason, mend, self.file, mark.line + 1, mark.column + 1, excerpt))

    def text(self) -> str:
        """A text as it is written: `0123` and `no` are texts, nothing (`null`) is not."""
        node = self.node
        if not isinstance(node, yaml.ScalarNode) or node.tag.endswith(":null"):
            raise self.wrong("a text is due here", "write one text, in quotes if it is empty or begins with a sign")
        return str(node.value)

    def name(self) -> str:
        """A text that is not empty."""
        text = self.text()
        if not text:
            raise self.wrong("this is empty", "write a text")
        if not text.isprintable():
            raise self.wrong("this holds characters that cannot be seen", "leave them out")
        return text

    def choice(self, choices: Iterable[str]) -> str:
        """One of a few texts."""
        text, names = self.text(), sorted(choices)
        if text in names:
            return text
        raise self.wrong(f"{shown(text)} is none of the values that are known", f"write {nearest(text, names)}")

    def flag(self) -> bool:
        """True or false."""
        return self.choice(("true", "false")) == "true"

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        text = self.text()
        if not re.fullmatch(r"-?[0-9]{1,12}", text, re.ASCII) or not low <= int(text) <= high:
            raise self.wrong(f"{shown(text)} is no whole number from {low} to {high}", "write one")
        return int(text)

    def number(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        text = self.text()
        if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", text, re.ASCII) or not low <= float(text) <= high:
            raise self.wrong(f"{shown(text)} is no number from {low:g} to {high:g}", "write one, such as 0.5")
        return float(text)

    def seconds(self) -> float:
        """A duration such as `250ms`, `1.5s`, `2m`, or seconds without a unit."""
        text = self.text()
        match = _DURATION.fullmatch(text)
        if match is None:
            raise self.wrong(f"{shown(text)} is no duration", "write a number and a unit: 250ms, 1.5s, 2m or 1h")
        found = float(match[1]) * _UNITS_S[match[2]]
        if abs(found) > _LONGEST_S:
            raise self.wrong(f"{shown(text)} is longer than a year", "write a shorter time")
        return found

    def moment(self) -> datetime:
        """A timestamp with its zone."""
        text = self.text()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self.wrong(f"{shown(text)} is no timestamp with a zone", "write one such as 2026-11-23T08:30:00Z")
        return moment

    def items(self) -> list["Value"]:
        """The items of a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("a list is due here", "begin every item with '- '")
        return [Value(node, self.file, self.lines) for node in self.node.value]

    def one_or_more(self) -> list["Value"]:
        """The items of a list, or the one value that stands in place of a list."""
        return self.items() if isinstance(self.node, yaml.SequenceNode) else [self]

    def is_text(self) -> bool:
        """Whether this is a single value, and not a list or a mapping."""
        return isinstance(self.node, yaml.ScalarNode)

    def entries(self) -> list[tuple["Value", "Value"]]:
        """The keys and values of a mapping, in their order."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("a mapping is due here", "write `name: value`")
        pairs = [(self._of(key), self._of(value)) for key, value in self.node.value]
        seen: set[str] = set()
        for key, _ in pairs:
            if key.text() in seen:
                raise key.wrong(f"{shown(key.text())} stands here twice", "remove one of them")
            seen.add(key.text())
        return pairs

    def fields(self, *, needed: Iterable[str] = (), known: Iterable[str] = ()) -> Mapping[str, "Value"]:
        """The values of a mapping by name. Names that are not `needed` or `known` are refused."""
        names = [*needed, *known]
        found: dict[str, Value] = {}
        for key, value in self.entries():
            if key.text() not in names:
                mend = f"did you mean {nearest(key.text(), names)}?"
                raise key.wrong(f"{shown(key.text())} is not known here", mend)
            found[key.text()] = value
        for name in needed:
            if name not in found:
                raise self.wrong(f"{name} is missing", f"add `{name}:`")
        return found

    def _of(self, node: yaml.Node) -> "Value":
        return Value(node, self.file, self.lines)


def read_file(path: Path, reader: Callable[[Value], T]) -> T:
    """What `reader` makes of a configuration file.

    Raises:
        UsageError: The file cannot be read, is neither YAML nor JSON, or says what makes no sense, with the place.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # a device has no size and no end
        if len(content) > MAX_BYTES:
            raise UsageError(Problem(f"larger than {MAX_BYTES} bytes", "divide it", str(path)))
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", "check the path", str(path))) from error
    except UnicodeDecodeError as error:
        raise UsageError(Problem("not UTF-8 text", "save it as UTF-8", str(path))) from error
    return read_text(text, str(path), reader)


def read_text(text: str, file: str, reader: Callable[[Value], T]) -> T:
    """What `reader` makes of the text of a configuration file; see `read_file`."""
    if file.endswith(".json"):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, YAML not; a text in JSON holds none
    lines = text.splitlines() or [""]
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        reason = f"neither YAML nor JSON: {error.problem}"
        problem = Problem(reason, "correct it there", file, line + 1, column + 1, _excerpt(lines, line))
        raise UsageError(problem) from None  # its cause would tell more of the file than its place
    except (yaml.YAMLError, RecursionError):
        raise UsageError(Problem("neither YAML nor JSON", "correct it", file)) from None
    if node is None:
        raise UsageError(Problem("the file is empty", "see the documentation for what belongs there", file))
    return reader(Value(node, file, lines))


def _excerpt(lines: Sequence[str], line: int) -> str:
    """The line of a problem; left out where a secret may stand in it."""
    text = lines[line].rstrip("\r\n") if line < len(lines) else ""
    return "" if _SECRET.search(text) else text


def shown(text: str) -> str:
    """A text as it is told in an error."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")


def nearest(text: str, names: Sequence[str]) -> str:
    """The name that was meant, perhaps, or all of them."""
    found = difflib.get_close_matches(text, names, n=1)
    return found[0] if found else f"one of {', '.join(names)}"
