"""Templates of target keys and processes: fields in braces that every source fills in."""

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import msgspec

from worker.oss.encoding import to_base64
from worker.oss.names import key_problem

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
# What a field may put into a process as it is: nothing that separates actions, parameters or processors.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ROW = "row."
_BASE64 = ":b64"


class BadValue(ValueError):  # noqa: N818 - the name the results log uses for it is BadRow; this is its cause
    """A source gives a template a value that must not be sent."""


class TemplateError(ValueError):
    """A template is wrong as written; `offset` counts characters from its beginning."""

    def __init__(self, reason: str, mend: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend
        self.offset = offset


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What a task fills its templates with. `format` is what the recipe puts out, None where it keeps the source's.

    A Struct and no dataclass: one is made for every task, at an eighth of the time.
    """

    bucket: str
    key: str
    pipeline: str = ""
    job: str = ""
    format: str | None = None
    row: Mapping[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a template; for a row column `name` is `row.COLUMN`. `base64`: the value is written in base64."""

    name: str
    base64: bool = False

    @property
    def column(self) -> str | None:
        """The row column it stands for."""
        return self.name.removeprefix(_ROW) if self.name.startswith(_ROW) else None


Part = str | Field


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text with fields in the clear, which a process takes in base64 as a whole: the text of a watermark, say."""

    parts: tuple[Part, ...]

    def render(self, fields: Fields) -> str:
        """The text for a source, in base64."""
        return to_base64("".join(part if isinstance(part, str) else _value(part, fields) or "" for part in self.parts))


ProcessPart = Part | Encoded


@dataclass(frozen=True, slots=True)
class Template:
    """The template of a target key."""

    text: str
    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Take a template apart.

        Raises:
            TemplateError: A field is unknown, or a brace stands alone.
        """
        return cls(text, _parse(text, VALUES, base64=False))

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields, but for row columns."""
        return frozenset(part.name for part in self.parts if isinstance(part, Field) and part.column is None)

    @property
    def columns(self) -> frozenset[str]:
        """The row columns it uses."""
        return _columns(self.parts)

    def render(self, fields: Fields) -> str:
        """The target key.

        Raises:
            BadValue: It is no key, or still holds a brace, which OSS would expand in `sys/saveas`.
        """
        pieces: list[str] = []
        after_literal = drop_slash = False
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(part.removeprefix("/") if drop_slash else part)
                after_literal, drop_slash = True, False
                continue
            value = _value(part, fields)
            if value is None and after_literal:
                pieces[-1] = pieces[-1].removesuffix(".")
            pieces.append(value or "")
            after_literal, drop_slash = False, part.name == "dir" and not value
        key = "".join(pieces)
        if "{" in key or "}" in key:
            message = f"the target key {key!r} holds a brace, which OSS would expand"
            raise BadValue(message)
        if reason := key_problem(key):
            message = f"no target key: {reason}"
            raise BadValue(message)
        return key


@dataclass(frozen=True, slots=True)
class ProcessTemplate:
    """A process that may hold fields: `image/watermark,text_{row.title:b64}`.

    `constant` is the process itself, where it holds none.
    """

    parts: tuple[ProcessPart, ...]
    constant: str | None

    @classmethod
    def parse(cls, text: str) -> "ProcessTemplate":
        """Take a process apart.

        Raises:
            TemplateError: A field is unknown or cannot stand in a process, or a brace stands alone.
        """
        return cls.joined(_parse(text, _PROCESS_VALUES, base64=True))

    @classmethod
    def literal(cls, process: str) -> "ProcessTemplate":
        """A process without fields."""
        return cls((process,), process)

    @classmethod
    def joined(cls, parts: Iterable[ProcessPart]) -> "ProcessTemplate":
        """A process of these parts, literals that follow one another made one."""
        found: list[ProcessPart] = []
        for part in parts:
            if isinstance(part, str) and found and isinstance(found[-1], str):
                found[-1] += part
            else:
                found.append(part)
        literals = [part for part in found if isinstance(part, str)]
        return cls(tuple(found), "".join(literals) if len(literals) == len(found) else None)

    @property
    def columns(self) -> frozenset[str]:
        """The row columns it uses."""
        return _columns(self.parts)

    def with_fields_as(self, text: str) -> str:
        """The process with the same text for every field."""
        return "".join(part if isinstance(part, str) else text for part in self.parts)

    def render(self, fields: Fields) -> str:
        """The process, as it is sent without saveas.

        Raises:
            BadValue: A value could end its parameter and begin another.
        """
        return "".join(_in_process(part, fields) for part in self.parts)


def parse_value(text: str) -> tuple[Part, ...]:
    """The value of a parameter of a structured action: in the clear, perhaps with fields.

    Raises:
        TemplateError: A field is unknown or cannot stand in a process, or a brace stands alone.
    """
    return _parse(text, _PROCESS_VALUES, base64=False)


def split_key(key: str) -> tuple[str, str, str | None]:
    """Directory, stem and extension of a key: `a/b.tar.gz` is `a`, `b.tar`, `gz`; None if no dot divides the name."""
    directory, _, name = key.rpartition("/")
    dot = name.rfind(".")
    return (directory, name[:dot], name[dot + 1 :]) if dot > 0 else (directory, name, None)


def _format(fields: Fields) -> str | None:
    if fields.format is not None:
        return fields.format
    extension = split_key(fields.key)[2]
    return "jpg" if extension is not None and extension.lower() == "jpeg" else extension and extension.lower()


# Every field but {row.COLUMN}. None says that there is no extension, and the dot before the field goes.
VALUES: Mapping[str, Callable[[Fields], str | None]] = {
    "key": lambda fields: fields.key,
    "name": lambda fields: fields.key.rpartition("/")[2],
    "dir": lambda fields: fields.key.rpartition("/")[0],
    "stem": lambda fields: split_key(fields.key)[1],
    "ext": lambda fields: split_key(fields.key)[2] if fields.format is None else fields.format,
    "format": _format,
    "bucket": lambda fields: fields.bucket,
    "pipeline": lambda fields: fields.pipeline,
    "job": lambda fields: fields.job,
    "hash": lambda fields: hashlib.sha256(f"{fields.bucket}/{fields.key}".encode()).hexdigest()[:16],
}

# These say what the recipe puts out, so the recipe itself cannot use them.
FORMAT_FIELDS = frozenset({"ext", "format"})
_PROCESS_VALUES = {name: value for name, value in VALUES.items() if name not in FORMAT_FIELDS}


def _parse(text: str, values: Mapping[str, object], *, base64: bool) -> tuple[Part, ...]:
    parts: list[Part] = []
    for piece in _PIECE.finditer(text):
        if piece[1] is not None:
            parts.append(_field(piece[1], values, piece.start(), base64=base64))
            continue
        if piece[0] in {"{", "}"}:
            reason = f"a single {piece[0]!r}"
            raise TemplateError(reason, "a field is {name} in braces; a brace itself is written twice", piece.start())
        literal = piece[0][0] if piece[0] in {"{{", "}}"} else piece[0]
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)
    return tuple(parts)


def _field(text: str, values: Mapping[str, object], offset: int, *, base64: bool) -> Field:
    name = text.removesuffix(_BASE64)
    if name.startswith(_ROW) and name != _ROW:
        if name == text or base64:
            return Field(name, base64=name != text)
        reason = f"{{{text}}}: base64 is for `process` only"
        raise TemplateError(reason, f"write {{{name}}}", offset)
    if text in values:
        return Field(text)
    if text in VALUES:
        reason = f"{{{text}}} cannot stand in a process: it says what the process puts out"
        raise TemplateError(reason, "leave it out", offset)
    near = difflib.get_close_matches(text, [*values, _ROW + text.partition(".")[2]], 1)
    mend = f"did you mean {{{near[0]}}}?" if near else "fields: " + ", ".join([*values, "row.COLUMN"])
    reason = f"unknown field {{{text}}}"
    raise TemplateError(reason, mend, offset)


def _columns(parts: Iterable[ProcessPart]) -> frozenset[str]:
    inner = chain.from_iterable(part.parts if isinstance(part, Encoded) else (part,) for part in parts)
    return frozenset(part.column for part in inner if isinstance(part, Field) and part.column is not None)


def _value(part: Field, fields: Fields) -> str | None:
    value = VALUES.get(part.name)
    if value is not None:
        return value(fields)
    try:
        return fields.row[part.name[len(_ROW) :]]
    except KeyError:
        message = f"the row has no value in the column {part.column!r}"
        raise BadValue(message) from None


def _in_process(part: ProcessPart, fields: Fields) -> str:
    match part:
        case str():
            return part
        case Encoded():
            return part.render(fields)
        case _:
            return _plain(part, fields)


def _plain(part: Field, fields: Fields) -> str:
    value = _value(part, fields) or ""
    if part.base64:
        return to_base64(value)
    if not _PLAIN.fullmatch(value):
        message = (
            f"{{{part.name}}} is {value!r}: a field of a process takes 1 to 64 of the characters A-Z a-z 0-9 . _ -"
        )
        raise BadValue(message)
    return value
