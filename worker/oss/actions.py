"""The table of image actions: their parameters, ranges, defaults and error codes, and the checks that follow from it.

One table serves the lint of manifests, the local OSS and the documentation.
Source: OSS, "Image processing" (IMG), one page an action; error codes from the 0040 pages and recorded answers.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from worker.oss.encoding import from_base64, to_base64
from worker.oss.process import Action, Image, parse
from worker.oss.refusal import RefusedError, refuse

BARE = ""  # the name of a parameter that is written without one, as in rotate,90
FORMATS = ("jpg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif")
GRAVITIES = ("nw", "north", "ne", "west", "center", "east", "sw", "south", "se")
FONTS = (
    "wqy-zenhei",
    "wqy-microhei",
    "fangzhengshusong",
    "fangzhengkaiti",
    "fangzhengheiti",
    "fangzhengfangsong",
    "droidsansfallback",
)
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


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an action. `low` and `high` are inclusive; `ec` is the detailed code of a bad value."""

    name: str
    kind: Kind = Kind.INTEGER
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    default: str = ""
    ec: str = ""

    def accepts(self, value: str) -> bool:
        """Whether the service would take this value, as written in a process string."""
        match self.kind:
            case Kind.INTEGER:
                return bool(_INTEGER.fullmatch(value)) and self.low <= int(value) <= self.high
            case Kind.CHOICE:
                return value in self.choices
            case Kind.COLOR:
                return bool(_COLOR.fullmatch(value))
            case Kind.FONT:
                return _decoded(value) in self.choices
            case Kind.TEXT | Kind.OBJECT:
                return bool(_decoded(value))
            case _:
                assert_never(self.kind)

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
                return "a text that is not empty"
            case Kind.OBJECT:
                return "the key of an image in the same bucket"
            case _:
                assert_never(self.kind)


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action. `required`: at least one of these parameters is given. `picture`: its result is a picture."""

    name: str
    parameters: Mapping[str, Parameter]
    required: tuple[str, ...] = ()
    missing_ec: str = ""
    picture: bool = True

    @property
    def is_bare(self) -> bool:
        """Whether it takes one value without a name."""
        return BARE in self.parameters and len(self.parameters) == 1


class ActionError(ValueError):
    """A structured action of a manifest is wrong: `parameter` names the part, empty for the action itself."""

    def __init__(self, reason: str, mend: str, parameter: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend
        self.parameter = parameter


def _integer(name: str, low: int, high: int, ec: str = "", default: str = "") -> Parameter:
    return Parameter(name, Kind.INTEGER, low, high, ec=ec, default=default)


def _choice(name: str, choices: tuple[str, ...], ec: str = "", default: str = "") -> Parameter:
    return Parameter(name, Kind.CHOICE, choices=choices, ec=ec, default=default)


def _spec(
    name: str, *parameters: Parameter, required: tuple[str, ...] = (), missing_ec: str = "", picture: bool = True
) -> ActionSpec:
    table = MappingProxyType({parameter.name: parameter for parameter in parameters})
    return ActionSpec(name, table, required, missing_ec, picture)


_SPECS = (
    _spec(
        "resize",
        _choice("m", ("lfit", "mfit", "fill", "pad", "fixed"), "0040-00000311", "lfit"),
        _integer("w", 1, 16384, "0040-00000312"),
        _integer("h", 1, 16384, "0040-00000313"),
        _integer("l", 1, 16384, "0040-00000314"),
        _integer("s", 1, 16384, "0040-00000315"),
        _integer("p", 1, 1000, "0040-00000317"),
        _choice("limit", ("0", "1"), "0040-00000319", "1"),
        Parameter("color", Kind.COLOR, default="FFFFFF"),
        _choice("e", ("0", "1"), default="0"),  # 0 long, 1 short edge: a key of the old API that is still listed
        required=("w", "h", "l", "s", "p"),
        missing_ec="0040-00000321",
    ),
    _spec(
        "crop",
        _integer("w", 0, 30000, "0040-00000225"),
        _integer("h", 0, 30000, "0040-00000226"),
        _integer("x", 0, 30000, default="0"),
        _integer("y", 0, 30000, default="0"),
        _choice("g", GRAVITIES, default="nw"),
    ),
    _spec("rotate", _integer(BARE, 0, 360, "0040-00000217", "0"), required=(BARE,), missing_ec="0040-00000216"),
    _spec("auto-orient", _choice(BARE, ("0", "1"), "0040-00000215", "1"), required=(BARE,)),
    _spec(
        "quality",
        _integer("q", 1, 100, "0040-00000309"),
        _integer("Q", 1, 100, "0040-00000308"),
        _integer(BARE, 1, 100, "0040-00000310"),  # recorded for `quality,q_80,image/resize`: image is no number
        required=("q", "Q"),
        missing_ec="0040-00000307",
    ),
    _spec("format", _choice(BARE, FORMATS, "0040-00000206"), required=(BARE,), missing_ec="0040-00000207"),
    _spec("interlace", _choice(BARE, ("0", "1"), default="0"), required=(BARE,)),
    _spec("info", picture=False),
    _spec("average-hue", picture=False),
    _spec(
        "indexcrop",
        _integer("x", 1, 30000, "0040-00000230"),
        _integer("y", 1, 30000),
        _integer("i", 0, 30000, default="0"),
        required=("x", "y"),
    ),
    _spec("circle", _integer("r", 1, 4096, "0040-00000233"), required=("r",)),
    _spec("rounded-corners", _integer("r", 1, 4096, "0040-00000237"), required=("r",)),
    _spec("blur", _integer("r", 1, 50), _integer("s", 1, 50), required=("r", "s")),
    _spec("bright", _integer(BARE, -100, 100), required=(BARE,)),
    _spec("contrast", _integer(BARE, -100, 100), required=(BARE,)),
    _spec("sharpen", _integer(BARE, 50, 399, "0040-00000280"), required=(BARE,)),
    _spec(
        "watermark",
        Parameter("text", Kind.TEXT, ec="0040-00000250"),
        Parameter("image", Kind.OBJECT, ec="0040-00000265"),
        Parameter("type", Kind.FONT, choices=FONTS, default="wqy-zenhei"),
        Parameter("color", Kind.COLOR, default="000000"),
        _integer("size", 1, 1000, default="40"),
        _integer("shadow", 0, 100, default="0"),
        _integer("rotate", 0, 360, "0040-00000272", "0"),
        _choice("fill", ("0", "1"), "0040-00000274", "0"),
        _integer("padx", 0, 4096, "0040-00000276", "0"),
        _integer("pady", 0, 4096, default="0"),
        _integer("t", 0, 100, default="100"),
        _choice("g", GRAVITIES, default="se"),
        _integer("x", 0, 4096, default="10"),
        _integer("y", 0, 4096, default="10"),
        _integer("voffset", -1000, 1000, default="0"),
        _integer("order", 0, 1, default="0"),
        _integer("align", 0, 2, default="2"),
        _integer("interval", 0, 1000, default="0"),
        _integer("P", 1, 100),  # percent of the main image, as a part of a watermark image's own process
        required=("text", "image"),
    ),
)
ACTIONS: Mapping[str, ActionSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def values(action: Action) -> dict[str, str]:
    """The parameters of an action by name; of duplicates the last one wins (documented)."""
    return dict(action.parameters)


def check(action: Action) -> None:
    """Judge an action as the service does.

    Raises:
        RefusedError: It does not exist, or a value is missing or out of range. A parameter with an unknown name is
            ignored, as `crop,...,r_1` is recorded to be, save in actions of one bare value (`format,f_png` is refused).
    """
    spec = ACTIONS.get(action.name)
    if spec is None:
        raise refuse(400, "InvalidArgument", f"The action: {action.name} is not supported.", "0040-00000213")
    given = values(action)
    if spec.is_bare:
        _check_bare(spec, action)
    if spec.required and not any(name in given for name in spec.required):
        raise refuse(400, "MissingArgument", "Missing Some Required Arguments.", spec.missing_ec)
    for name, value in given.items():
        parameter = spec.parameters.get(name)
        if parameter is not None and not parameter.accepts(value):
            raise _bad_value(action, parameter, value)


def build(name: str, parameters: Mapping[str, str] | str) -> Action:
    """An action from the clear values of a manifest; texts, fonts and keys of images are encoded here.

    Raises:
        ActionError: The action or a parameter does not exist, or a value is out of range.
    """
    spec = ACTIONS.get(name)
    if spec is None:
        raise ActionError(f"unknown action {name!r}", _nearest(name, ACTIONS))
    given = {BARE: parameters} if isinstance(parameters, str) else dict(parameters)
    if spec.is_bare and BARE not in given:
        raise ActionError(f"{name} takes one value", f"write `{name}: VALUE`, {spec.parameters[BARE].expected}")
    missing = spec.required and not any(key in given for key in spec.required)
    if missing:
        raise ActionError(f"{name} needs {' or '.join(spec.required)}", "add the parameter")
    return Action(name, tuple((key, _encode(spec, key, value)) for key, value in given.items()))


def output_format(process: str) -> str | None:
    """The format that the last `format` action of a process sets, None where it sets none."""
    found = None
    for processor in parse(process):
        if isinstance(processor, Image):
            for action in processor.actions:
                if action.name == "format":
                    found = values(action).get(BARE, found)
    return found


def _check_bare(spec: ActionSpec, action: Action) -> None:
    if not action.parameters:
        return
    named = next((name for name, _ in action.parameters if name), None)
    if named is not None:
        # Recorded: format,f_png answers `The value: f of parameter: f is invalid.`
        message = f"The value: {named} of parameter: {named} is invalid."
        raise refuse(400, "InvalidArgument", message, spec.parameters[BARE].ec)
    if len(action.parameters) > 1:
        value = ",".join(value for _, value in action.parameters)
        message = f"The value: {value} of parameter: {action.name} is invalid."
        raise refuse(400, "InvalidArgument", message, "0040-00000203")


def _bad_value(action: Action, parameter: Parameter, value: str) -> RefusedError:
    if parameter.kind in (Kind.TEXT, Kind.OBJECT, Kind.FONT) and _decoded(value) is None:
        return refuse(400, "BadRequest", "Input is not base64 decoding.", parameter.ec)
    name = parameter.name or action.name
    # Recorded for a value that is no number: the reason follows without a blank.
    not_a_number = parameter.kind is Kind.INTEGER and not _INTEGER.fullmatch(value)
    reason = "reason:Value must be digit" if not_a_number else ""
    return refuse(400, "InvalidArgument", f"The value: {value} of parameter: {name} is invalid.{reason}", parameter.ec)


def _decoded(value: str) -> str | None:
    try:
        return from_base64(value)
    except ValueError:
        return None


def _encode(spec: ActionSpec, name: str, value: str) -> str:
    parameter = spec.parameters.get(name)
    if parameter is None:
        if name == BARE:
            raise ActionError(f"{spec.name} takes named parameters", f"write `{spec.name}: {{name: value}}`")
        raise ActionError(f"{spec.name} has no parameter {name!r}", _nearest(name, spec.parameters), name)
    encoded = to_base64(value) if parameter.kind in (Kind.TEXT, Kind.OBJECT, Kind.FONT) else value
    if not parameter.accepts(encoded):
        shown = f"{spec.name} {name}".rstrip()
        raise ActionError(f"{shown}: {value!r} is not accepted", f"it takes {parameter.expected}", name)
    return encoded


def _nearest(name: str, known: Mapping[str, object]) -> str:
    names = [key for key in known if key]
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}" if names else "it takes none"
