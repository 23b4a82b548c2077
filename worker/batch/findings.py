"""Findings: every problem of a document, gathered so that all are told at once."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from worker.batch.document import Document, Path
from worker.errors import Problem, UsageError
from worker.oss.names import bucket_problem

# More problems than anybody mends in one go; a file with a wrong list of keys would fill the terminal.
MAX_PROBLEMS = 100
_SHOWN_CHARACTERS = 60
UNKNOWN_KEY = frozenset({"unexpected_keyword_argument"})
_SECRET = re.compile("secret|access_?key|passw|token", re.IGNORECASE)
_CHOICE = re.compile("'([^']*)'")
# By pydantic's type of error: what is due, and how to write it.
_DUE = {
    "string_type": ("a text", "write one text"),
    "list_type": ("a list", "begin every item with '- '"),
    "tuple_type": ("a list", "begin every item with '- '"),
    "dict_type": ("a mapping", "write `key: value`"),
    "dataclass_type": ("a mapping", "write `key: value`"),
    "bool_type": ("true or false", "write true or false"),
    "bool_parsing": ("true or false", "write true or false"),
    "int_type": ("a whole number", "write digits only"),
    "int_parsing": ("a whole number", "write digits only"),
    "float_type": ("a number", "write digits, with a dot where it has a fraction"),
    "float_parsing": ("a number", "write digits, with a dot where it has a fraction"),
    "finite_number": ("a number", "write digits, with a dot where it has a fraction"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
}

T = TypeVar("T")
_VALIDATORS: dict[type, TypeAdapter[Any]] = {}


class MendableError(ValueError):
    """A value is wrong: why, and how to mend it. `offset` counts the characters of the value before the mistake."""

    def __init__(self, reason: str, mend: str = "", offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend
        self.offset = offset


def _given(value: object) -> object:
    if value is None:
        raise PydanticCustomError("no_value", "no value")
    return value


# For fields that may be left out, but not given without a value.
GIVEN = BeforeValidator(_given)


def checked(check: Callable[[str], object]) -> AfterValidator:
    """For fields of a text that `check` judges, by raising `MendableError`."""

    def judge(value: str) -> str:
        check(value)
        return value

    return AfterValidator(judge)


def check_bucket(name: str) -> None:
    """Raise `MendableError` for what cannot be the name of a bucket."""
    if reason := bucket_problem(name):
        raise MendableError(f"{shown(name)} is no bucket: {reason}", "name the bucket as it stands in the OSS console")


class Findings:
    """The problems of one document so far."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)
        self.advice: list[Problem] = []
        self._untold = 0

    def add(self, path: Path, reason: str, mend: str = "", *, key: bool = False, offset: int = 0) -> None:
        """Add a problem with the value at a path, or with its key."""
        self.problems.append(self.document.place(path, key=key, offset=offset).problem(reason, mend))

    def advise(self, path: Path, reason: str, mend: str, *, offset: int = 0) -> None:
        """Add advice on the value at a path."""
        self.advice.append(self.document.place(path, offset=offset).warning(reason, mend))

    def keys(self, path: Path) -> Sequence[str]:
        """The keys of the mapping at a path, in their order; none where no mapping is."""
        data = self.document.get(path)
        return list(data) if isinstance(data, dict) else []

    def length(self, path: Path) -> int:
        """The number of items of the list at a path; 0 where no list is."""
        data = self.document.get(path)
        return len(data) if isinstance(data, list) else 0

    def check(self, shape: type[T], path: Path = ()) -> T | None:
        """The value at a path as the dataclass `shape`; None, and problems, where it does not fit."""
        try:
            value = validator(shape).validate_python(self.document.get(path))
        except ValidationError as error:
            details = error.errors(include_url=False)
            self._untold += max(0, len(details) - MAX_PROBLEMS)
            for detail in details[:MAX_PROBLEMS]:
                reason, mend = explain(detail, shape, path)
                cause = detail.get("ctx", {}).get("error")
                offset = cause.offset if isinstance(cause, MendableError) else 0
                self.add((*path, *detail["loc"]), reason, mend, key=detail["type"] in UNKNOWN_KEY, offset=offset)
            return None
        return value

    def raise_all(self) -> None:
        """Raise a `UsageError` with all problems in the order of the file, if there are any."""
        if self.problems:
            raise UsageError(in_order(self.problems, self._untold))


def validator(shape: type[T]) -> TypeAdapter[T]:
    """The validator of a shape, kept, for building one is slow."""
    if shape not in _VALIDATORS:
        _VALIDATORS[shape] = TypeAdapter(shape)
    return _VALIDATORS[shape]


def explain(detail: ErrorDetails, shape: type, path: Path = ()) -> tuple[str, str]:
    """Reason and mend, in plain English, of an error of pydantic in a shape at a path."""
    kind, value, where = detail["type"], detail["input"], (*path, *detail["loc"])
    name = subject(where)
    if kind == "missing":
        return f"{name} is missing", f"add `{where[-1]}: ...`"
    if kind in UNKNOWN_KEY:
        if _SECRET.search(str(where[-1])):
            return (
                f"{name}: credentials never stand in a file",
                "set them in the environment: OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET",
            )
        return f"unknown key {name}", nearest(str(where[-1]), _names(shape, detail["loc"][:-1]))
    if value is None and not where:
        return "the file is empty", "write `key: value`"
    if value is None:
        return f"{name} has no value", "write one; the words null and ~ themselves go in quotes"
    if kind in _DUE:
        due, mend = _DUE[kind]
        return f"{name} is {_described(value)}, where {due} is due", _quote(value) or mend
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{name} is {value}, which is out of range", f"{words} {detail['ctx'][bound]:g}"
    if kind == "value_error":
        error: MendableError = detail["ctx"]["error"]
        return error.reason, error.mend
    if kind == "literal_error":
        choices = _CHOICE.findall(detail["ctx"]["expected"])
        return f"{name} cannot be {_described(value)}", nearest(value if isinstance(value, str) else "", choices)
    return f"{name} is not accepted: {detail['msg']}", ""


def subject(where: Path) -> str:
    """What a path leads to, in words: `'bucket'`, or `item 2 of 'include'`."""
    if not where:
        return "the file"
    *above, last = where
    return f"item {last + 1} of {subject(tuple(above))}" if isinstance(last, int) else repr(last)


def in_order(problems: Iterable[Problem], untold: int = 0) -> list[Problem]:
    """Problems by place, each once, and the first `MAX_PROBLEMS` of them; `untold` more were met."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column))
    more = len(ordered) - MAX_PROBLEMS + untold
    return [*ordered[:MAX_PROBLEMS], Problem(f"and {more} more problems")] if more > 0 else ordered


def shown(text: str) -> str:
    """A text in a message: quoted, escaped and not too long."""
    return repr(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!r}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A mend for a wrong name: the known name it is nearest to, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1) or [one for one in names if one == name.lower()]
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"


def _described(value: object) -> str:
    match value:
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return shown(str(value))


def _quote(value: object) -> str:
    """The likely mend where a mapping stands for a text: a template that begins with a field and lacks its quotes."""
    is_field = isinstance(value, dict) and list(value.values()) == [None]
    return "put a text that begins with '{' in quotes" if is_field else ""


def _names(shape: Any, location: Path) -> list[str]:
    """The keys that a shape knows at a location within it."""
    for step in location:
        shape = get_type_hints(shape)[str(step)]
    return [field.name for field in fields(shape)] if is_dataclass(shape) else []
