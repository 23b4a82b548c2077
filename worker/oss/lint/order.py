"""Actions that stand in one another's way. Source: OSS, "Format conversion": the advice on order."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from worker.oss.lint.remark import Remark, Step
from worker.oss.parameter import is_integer

# They say how the result is written, so the last of each is the one that counts.
_SETTINGS = frozenset({"format", "quality", "interlace", "auto-orient"})
_SHAPING = frozenset({"resize", "crop", "indexcrop", "circle", "rounded-corners", "rotate"})
_WITH_QUALITY = frozenset({"jpg", "webp", "heic", "avif"})


def out_of_order(steps: Sequence[Step]) -> Iterator[Remark]:
    """Remarks on the order of actions, and on what one does to another."""
    for number, step in enumerate(steps):
        later = steps[number + 1 :]
        if step.name in _SETTINGS and (other := _next(later, {step.name})):
            reason = f"{step.text} has no effect: {other.text} after it replaces it"
            yield Remark(step.number, reason, "leave one out")
        elif step.name == "watermark" and (other := _next(later, _SHAPING)):
            reason = f"{step.text.partition(',')[0]} before {other.name}, which changes the watermark, too"
            yield Remark(step.number, reason, f"put it after {other.name}")
        elif step.name == "format" and (other := _next(later, _SHAPING)):
            yield Remark(step.number, f"{step.text} before {other.name}", "put it after all that shapes the picture")
    yield from _undone([step for step in steps if step.name not in _SETTINGS])
    yield from _unfit(steps)


def _next(later: Sequence[Step], names: frozenset[str] | set[str]) -> Step | None:
    return next((step for step in later if step.name in names), None)


def _undone(steps: Sequence[Step]) -> Iterator[Remark]:
    """Steps that the very next one undoes."""
    for step, other in pairwise(steps):
        if step.name == other.name == "resize":
            yield Remark(step.number, f"{other.text} right after it resizes again", "keep one resize")
        turns = [one.value for one in (step, other) if one.name == "rotate" and is_integer(one.value)]
        if len(turns) > 1 and sum(map(int, turns)) % 360 == 0:
            yield Remark(step.number, f"{other.text} right after it turns the picture back", "leave out both")


def _unfit(steps: Sequence[Step]) -> Iterator[Remark]:
    """Steps that the format of the result has no use for."""
    form = next((step.value for step in reversed(steps) if step.name == "format"), "")
    for step in steps:
        if step.name == "quality" and form and form not in _WITH_QUALITY:
            yield Remark(step.number, f"{form} has no quality", "leave it out, or choose jpg, webp or avif")
        elif step.name == "interlace" and step.value == "1" and form not in {"", "jpg"}:
            yield Remark(step.number, f"interlace is for jpg; this recipe puts out {form}", "leave it out")
        elif step.name in {"circle", "rounded-corners"} and form in {"", "jpg"}:
            what = "jpg has" if form else "pictures that stay JPG have"
            reason = f"{step.name}: {what} no transparency, so what is cut away becomes white"
            yield Remark(step.number, reason, "end the recipe with the format png or webp")
        elif step.name == "format" and step.value == form == "gif":
            reason = "gif is put out for GIF sources only: others keep their format"
            yield Remark(step.number, reason, "choose webp or png for what is no GIF")
