"""A whole process on one picture: judge the actions, decode, apply, encode."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.emulator import refusals
from worker.emulator.images.decoding import Source, check_limits, inspect, load, load_frames, load_scaled
from worker.emulator.images.encoding import Encoder
from worker.emulator.images.formats import FORMATS, WRITTEN
from worker.emulator.images.geometry import Size
from worker.emulator.images.information import information
from worker.emulator.images.jpeg import NO_DENSITY
from worker.emulator.images.libvips import Error, Image
from worker.emulator.images.steps import STEPS, check_rotation, frame, orient, scaling_of
from worker.oss import actions as table
from worker.oss.actions import BARE
from worker.oss.process import Action

MAX_SOURCE = 20_971_520  # bytes; the number is in the recorded message
MAX_INFO_SOURCE = 209_715_200  # bytes; info is not bound by the limit above (recorded), but memory is

# Where the source does not say: not recorded anywhere, so what looks right.
_DEFAULT_QUALITY = {"jpg": 85, "webp": 80}
_SETTINGS = frozenset({"auto-orient", "quality", "format", "interlace"})
_SUPPORTED = frozenset({"info", *STEPS, *_SETTINGS})


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a process makes of a source."""

    body: bytes = field(repr=False)
    content_type: str


def check(actions: Sequence[Action]) -> None:
    """Refuse actions that are wrong, as the service does, and those that are right but not done here, by name."""
    for action in actions:
        table.check(action)
        if action.name not in _SUPPORTED:
            raise refusals.not_implemented(f"the image action {action.name}")
        if action.name == "format" and table.values(action)[BARE] not in WRITTEN:
            raise refusals.not_implemented(f"the output format {table.values(action)[BARE]}")
    if len(actions) > 1 and _asks_info(actions):
        message = "The action: info cannot be combined with other actions."
        raise refusals.invalid_argument("x-oss-process", "info", message)


def source_limit(actions: Sequence[Action]) -> int:
    """How many bytes a source may have for these actions."""
    return MAX_INFO_SOURCE if _asks_info(actions) else MAX_SOURCE


def render(data: bytes, actions: Sequence[Action]) -> Rendered:
    """Apply checked actions to a source.

    Raises:
        RefusedError: The source is no picture, is damaged or too large, or an action does not fit it.
    """
    source = inspect(data)
    if _asks_info(actions):
        return Rendered(information(source), "application/json")
    check_limits(source)
    try:
        return _render(source, actions)
    except Error as error:
        # Actions were checked, so what libvips complains of is the source.
        raise refusals.damaged_picture(source.format.name) from error


def _render(source: Source, actions: Sequence[Action]) -> Rendered:
    settings = {action.name: table.values(action) for action in actions if action.name in _SETTINGS}
    target = _target_format(source, settings.get("format", {}).get(BARE, ""))
    steps = [action for action in actions if action.name in STEPS]
    oriented = settings.get("auto-orient", {}).get(BARE, "1") == "1" and source.frames == 1
    if source.frames > 1 and FORMATS[target].animated and all(map(_keeps_animation, steps)):
        frames = [_stepped(image, steps, source) for image in load_frames(source)]
    else:
        frames = [_still(source, steps, source.orientation if oriented else 1)]
    encoder = Encoder(
        target,
        _quality(source, target, settings.get("quality", {})),
        settings.get("interlace", {}).get(BARE) == "1",
        source.jpeg.density or NO_DENSITY,
        *_timing(source, len(frames)),
    )
    return Rendered(encoder.encode(frames), FORMATS[target].content_type)


def _still(source: Source, steps: Sequence[Action], orientation: int) -> Image:
    """The first frame, turned and with its steps done. A resize that comes first decodes no more than it needs."""
    if orientation != 1:
        check_rotation(source.size)  # of the source: turning comes first, whatever is made smaller before it here
    if not steps or steps[0].name != "resize":
        return _stepped(orient(load(source), orientation), steps, source)
    values = table.values(steps[0])
    across = orientation >= 5  # it lies on its side as stored
    size = Size(source.size.height, source.size.width) if across else source.size
    found = scaling_of(size, values, may_enlarge=source.format.name != "gif")
    if found is None:
        return _stepped(orient(load(source), orientation), steps[1:], source)
    stored = Size(found.scaled.height, found.scaled.width) if across else found.scaled
    return _stepped(frame(orient(load_scaled(source, stored), orientation), found, values), steps[1:], source)


def _stepped(image: Image, steps: Sequence[Action], source: Source) -> Image:
    for step in steps:
        image = STEPS[step.name](image, table.values(step), source.format.name != "gif")
    return image


def _keeps_animation(step: Action) -> bool:
    return step.name == "crop" or (step.name == "resize" and "p" not in table.values(step))


def _target_format(source: Source, asked: str) -> str:
    # Documented: gif is kept as GIF only if the source is one, otherwise the source's format is kept.
    target = source.format.name if not asked or (asked == "gif" and source.format.name != "gif") else asked
    if target not in WRITTEN:
        raise refusals.not_implemented(f"the output format {target}")
    return target


def _quality(source: Source, target: str, values: dict[str, str]) -> int:
    """`q` is relative to the source's quality, `Q` absolute but never above it; both are JPG's and WebP's only."""
    own = source.jpeg.quality if target == "jpg" else None
    if "Q" in values:
        return min(int(values["Q"]), own or 100)
    if "q" in values:
        return max(1, round(own * int(values["q"]) / 100)) if own else int(values["q"])
    return own or _DEFAULT_QUALITY.get(target, 100)


def _timing(source: Source, frames: int) -> tuple[list[int], int]:
    if frames == 1:
        return [], 0
    known = source.header.get_fields()
    return (
        list(source.header.get("delay")) if "delay" in known else [],
        source.header.get("loop") if "loop" in known else 0,
    )


def _asks_info(actions: Sequence[Action]) -> bool:
    return any(action.name == "info" for action in actions)
