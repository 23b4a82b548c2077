"""What an action's parameter may be: its kind, range, default and error code, and how well all that is known."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from worker.oss.encoding import from_base64, to_base64

BARE = ""  # the name of a parameter that is written without one, as in rotate,90
MAX_TEXT = 64  # characters of a text; the documentation gives the number and leaves open of what
_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_COLOR = re.compile(r"[0-9A-Fa-f]{6}")


class Kind(StrEnum):
    """What the value of a parameter is."""

    INTEGER = "integer"
    CHOICE = "choice"
    COLOR = "color"  # RRGGBB
    TEXT = "text"  # base64 of text
    FONT = "font"  # base64 of a font's name
    OBJECT = "object"  # base64 of a key, perhaps with ?x-oss-process=...


class Evidence(StrEnum):
    """How it is known what the service does: by an answer of it, by its documentation, or not."""

    RECORDED = "recorded"
    DOCUMENTED = "documented"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an action. `low` and `high` are inclusive; `ec` is the detailed code of a bad value.

    `default` is in clear, empty where there is none. `means` has for a value that is an old way of saying something the
    parameter and value that say it now.

    `evidence` is for its effect in the local OSS, `note` says what is not obvious of it.
    """

    name: str
    kind: Kind = Kind.INTEGER
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    default: str = ""
    means: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    ec: str = ""
    evidence: Evidence = Evidence.DOCUMENTED
    note: str = ""

    def accepts(self, value: str) -> bool:
        """Whether the service would take this value, as written in a process string."""
        match self.kind:
            case Kind.INTEGER:
                return is_integer(value) and self.low <= int(value) <= self.high
            case Kind.CHOICE:
                return value in self.choices
            case Kind.COLOR:
                return bool(_COLOR.fullmatch(value))
            case Kind.FONT:
                return decoded(value) in self.choices
            case Kind.TEXT:
                return 0 < len(decoded(value) or "") <= MAX_TEXT
            case Kind.OBJECT:
                return bool(decoded(value))
            case _:
                assert_never(self.kind)

    @property
    def is_encoded(self) -> bool:
        """Whether its value is written in base64."""
        return self.kind in {Kind.TEXT, Kind.OBJECT, Kind.FONT}

    @property
    def expected(self) -> str:
        """The values it takes, in words."""
        match self.kind:
            case Kind.INTEGER:
                return f"a whole number from {self.low} to {self.high}"
            case Kind.CHOICE | Kind.FONT:
                return f"one of {', '.join(self.choices)}"
            case Kind.COLOR:
                return "a colour as RRGGBB, six hexadecimal digits"
            case Kind.TEXT:
                return f"a text of 1 to {MAX_TEXT} characters"
            case Kind.OBJECT:
                return "the key of an image in the same bucket"
            case _:
                assert_never(self.kind)

    def expected_for(self, value: str) -> str:
        """The values it takes, and which of them a wrong one, in the clear, is nearest to."""
        near = difflib.get_close_matches(value, self.choices, n=1)
        return f"{self.expected}; did you mean {near[0]!r}?" if near else self.expected


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action. `required`: at least one of these parameters is given. `picture`: its result is a picture.

    `evidence` is for the pixels of its result in the local OSS, `note` says where they may differ from the service's.
    """

    name: str
    parameters: Mapping[str, Parameter]
    required: tuple[str, ...] = ()
    missing_ec: str = ""
    picture: bool = True
    evidence: Evidence = Evidence.DOCUMENTED
    note: str = ""

    @property
    def defaults(self) -> dict[str, str]:
        """What the service takes for the parameters that are not given, as written in a process string."""
        return {
            parameter.name: to_base64(parameter.default) if parameter.is_encoded else parameter.default
            for parameter in self.parameters.values()
            if parameter.default
        }

    @property
    def is_bare(self) -> bool:
        """Whether it takes one value without a name."""
        return BARE in self.parameters and len(self.parameters) == 1


def is_integer(value: str) -> bool:
    """Whether the value is written as a whole number."""
    return bool(_INTEGER.fullmatch(value))


def decoded(value: str) -> str | None:
    """The text of a base64 value, None where it is not base64."""
    try:
        return from_base64(value)
    except ValueError:
        return None
