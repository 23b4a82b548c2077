"""Parts of a single action that have no effect. Sources: the pages of the actions, as in the action table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from worker.oss.lint.remark import Remark, Step
from worker.oss.parameter import decoded

Values = Mapping[str, str]
_LEAVE_OUT = "leave it out"
# Source: OSS, "Add watermarks": the formats of watermark images.
_WATERMARK_FORMATS = ("jpg", "jpeg", "png", "bmp", "webp", "tiff", "tif")


@dataclass(frozen=True, slots=True)
class _Idle:
    """Parameters of an action that have no effect where `where` holds."""

    action: str
    names: tuple[str, ...]
    where: Callable[[Values], bool]
    why: str
    mend: str = _LEAVE_OUT


def _one_side(values: Values) -> bool:
    return ("w" in values) != ("h" in values)


_IDLE = (
    _Idle("resize", ("l", "s"), lambda values: "w" in values or "h" in values, "it counts only without w and h"),
    _Idle("resize", ("color",), lambda values: values.get("m") != "pad", "it is for m_pad"),
    _Idle("resize", ("e",), lambda values: "m" in values, "m says the same, and wins"),
    _Idle(
        "resize",
        ("m",),
        lambda values: values["m"] in {"fill", "pad"} and _one_side(values),
        "with one side given, the other follows from the picture",
        "give w and h",
    ),
    _Idle("quality", ("q",), lambda values: "Q" in values, "Q wins"),
    _Idle("indexcrop", ("x",), lambda values: "y" in values, "y wins"),
    _Idle(
        "watermark",
        ("type", "color", "size", "shadow", "rotate"),
        lambda values: "text" not in values,
        "it is for a text",
    ),
    _Idle("watermark", ("P",), lambda values: "image" not in values, "it is for an image"),
    _Idle(
        "watermark",
        ("order", "align", "interval"),
        lambda values: not {"text", "image"} <= values.keys(),
        "it is for text and image together",
    ),
    _Idle(
        "watermark",
        ("padx", "pady"),
        lambda values: values.get("fill") != "1",
        "it is for tiles, with fill_1",
    ),
    _Idle(
        "watermark",
        ("x",),
        lambda values: values.get("g") in {"north", "center", "south"},
        "it is for the left and right edge",
    ),
    _Idle(
        "watermark",
        ("y",),
        lambda values: values.get("g") in {"west", "center", "east"},
        "it is for the upper and lower edge; voffset moves from the middle",
    ),
    _Idle(
        "watermark",
        ("voffset",),
        lambda values: values.get("g", "se") not in {"west", "center", "east"},
        "it is for west, center and east",
    ),
)
# Actions that change nothing, as they are written.
_NOTHING = frozenset({"rotate,0", "rotate,360", "bright,0", "contrast,0", "resize,p_100"})


def without_effect(step: Step) -> Iterator[Remark]:
    """Remarks on what a step says in vain."""
    for rule in _IDLE:
        if rule.action != step.name:
            continue
        for name in rule.names:
            if name in step.values and rule.where(step.values):
                reason = f"{step.name}: {name}_{step.values[name]} has no effect: {rule.why}"
                yield Remark(step.number, reason, rule.mend)
    if step.text in _NOTHING:
        yield Remark(step.number, f"{step.text} changes nothing", _LEAVE_OUT)
    if step.name == "resize" and step.values.get("m") == "fixed" and _one_side(step.values):
        yield Remark(step.number, "m_fixed with one side makes a square of every picture", "give w and h")
    if step.name == "watermark":
        yield from _watermark(step)


def _watermark(step: Step) -> Iterator[Remark]:
    if step.values.get("t") == "0":
        yield Remark(step.number, "t_0 makes the watermark invisible", "t is the opacity: 100 hides what is below")
    key = (decoded(step.values.get("image", "")) or "").partition("?")[0]
    _, dot, extension = key.rpartition(".")
    if dot and extension.lower() not in _WATERMARK_FORMATS:
        reason = f"the watermark image ends in .{extension}: the service takes JPG, PNG, BMP, WebP and TIFF"
        yield Remark(step.number, reason, "use a PNG or WebP with a transparent ground")
