"""Sizes that no result can have, or that a later action cannot take, as far as a recipe alone tells them."""

from collections.abc import Iterator, Mapping, Sequence

from worker.oss.limits import MAX_RESULT_PIXELS, MAX_ROTATED_SIDE, MAX_WRITTEN
from worker.oss.lint.remark import Remark, Step
from worker.oss.parameter import is_integer

Size = tuple[int, int]  # width and height in pixels
_SMALLER = "make the picture smaller"
_KEEPS_SIZE = frozenset(
    {"watermark", "blur", "sharpen", "bright", "contrast", "quality", "format", "interlace", "auto-orient"}
)


def out_of_size(steps: Sequence[Step]) -> Iterator[Remark]:
    """Remarks on sizes. What depends on the source is advice: a picture that is smaller stays as it is (`limit_1`)."""
    size: Size | None = None
    for step in steps:
        match step.name:
            case "resize":
                size = _asked(step.values)
                if size and size[0] * size[1] > MAX_RESULT_PIXELS:
                    pixels = size[0] * size[1]
                    reason = f"{size[0]} x {size[1]} are {pixels:,} pixels: a result has at most {MAX_RESULT_PIXELS:,}"
                    yield Remark(step.number, f"{reason} (0040-00000007)", _SMALLER, refused=True)
                if step.values.get("m") == "mfit":
                    size = None  # one side is longer than asked
            case "crop" if size and _begins_outside(step.values, size):
                reason = f"{step.text} begins outside a picture of {size[0]} x {size[1]}"
                yield Remark(step.number, reason, "x and y are counted from the corner of the resized picture")
                size = None
            case "rotate" if size and max(size) > MAX_ROTATED_SIDE:
                reason = (
                    f"a picture of {size[0]} x {size[1]} is refused: the longest side to rotate is {MAX_ROTATED_SIDE:,}"
                )
                yield Remark(step.number, f"{reason} (0040-00000006)", "rotate first, or " + _SMALLER)
                size = None
            case name if name not in _KEEPS_SIZE:
                size = None
    yield from _too_large_for_format(steps, size)


def _asked(values: Mapping[str, str]) -> Size | None:
    """The size that a resize gives what it does not leave alone, where it is the same for all; for m_mfit the least."""
    width, height = values.get("w"), values.get("h")
    if values.get("m") == "fixed":
        width, height = width or height, height or width
    if values.get("m") not in {"fill", "pad", "fixed", "mfit"} or not width or not height:
        return None
    return (int(width), int(height)) if is_integer(width) and is_integer(height) else None


def _begins_outside(values: Mapping[str, str], size: Size) -> bool:
    if values.get("g", "nw") != "nw":
        return False
    starts = zip((values.get("x", "0"), values.get("y", "0")), size, strict=True)
    return any(is_integer(start) and int(start) >= side for start, side in starts)


def _too_large_for_format(steps: Sequence[Step], size: Size | None) -> Iterator[Remark]:
    last = next((step for step in reversed(steps) if step.name == "format"), None)
    if last is None or size is None or last.value not in MAX_WRITTEN:
        return
    width, height, pixels = MAX_WRITTEN[last.value]
    if size[0] > width or size[1] > height or size[0] * size[1] > pixels:
        reason = f"{size[0]} x {size[1]} is refused: {last.value} has at most {width:,} x {height:,}"
        reason += f" and {pixels:,} pixels" if pixels < 1 << 40 else ""
        yield Remark(last.number, reason, _SMALLER)
