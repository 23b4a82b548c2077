"""From a source to the frames of a result: decoded, turned upright, and every step done."""

from collections.abc import Sequence

from worker.emulator.images.decoding import Source, load, load_frames, load_scaled
from worker.emulator.images.geometry import Size
from worker.emulator.images.libvips import Image
from worker.emulator.images.steps import STEPS, Context, check_rotation, frame, orient, scaling_of
from worker.oss import actions as table
from worker.oss.process import Action


def still(source: Source, steps: Sequence[Action], context: Context, *, oriented: bool) -> Image:
    """The first frame with its steps done. A resize that comes first decodes no more than it needs."""
    orientation = source.orientation if oriented and source.frames == 1 else 1
    if orientation != 1:
        check_rotation(source.size)  # of the source: turning comes first, whatever is made smaller before it here
    if not steps or steps[0].name != "resize":
        return _stepped(orient(load(source), orientation), steps, context)
    values = table.values(steps[0])
    across = orientation >= 5  # it lies on its side as stored
    size = Size(source.size.height, source.size.width) if across else source.size
    found = scaling_of(size, values, may_enlarge=context.may_enlarge)
    if found is None or found.is_vast:
        return _stepped(orient(load(source), orientation), steps[found is None :], context)
    stored = Size(found.scaled.height, found.scaled.width) if across else found.scaled
    return _stepped(frame(orient(load_scaled(source, stored), orientation), found, values), steps[1:], context)


def moving(source: Source, steps: Sequence[Action], context: Context) -> list[Image]:
    """All frames with their steps done."""
    return [_stepped(image, steps, context) for image in load_frames(source)]


def keeps_animation(steps: Sequence[Action]) -> bool:
    """Whether an animation stays one (documented for GIF): only through resize, crop and image watermarks."""
    return all(map(_keeps, steps))


def _stepped(image: Image, steps: Sequence[Action], context: Context) -> Image:
    for step in steps:
        image = STEPS[step.name](image, table.values(step), context)
    return image


def _keeps(step: Action) -> bool:
    values = table.values(step)
    match step.name:
        case "crop":
            return True
        case "resize":
            return "p" not in values
        case "watermark":
            return "text" not in values
        case _:
            return False
