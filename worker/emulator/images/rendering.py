"""A whole process on one picture: judge the actions, decode, apply, encode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from worker.emulator import refusals
from worker.emulator.images import weight
from worker.emulator.images.decoding import Source, check_limits, inspect, load
from worker.emulator.images.drawing import keeps_animation, moving, still
from worker.emulator.images.encoding import Encoder
from worker.emulator.images.formats import FORMATS, WRITTEN
from worker.emulator.images.hue import average_hue
from worker.emulator.images.information import information
from worker.emulator.images.jpeg import NO_DENSITY
from worker.emulator.images.libvips import Error
from worker.emulator.images.overlay import Fetch, Overlays
from worker.emulator.images.steps import STEPS, Context
from worker.oss import actions as table
from worker.oss.actions import BARE
from worker.oss.limits import MAX_WATERMARK_IMAGES
from worker.oss.process import Action
from worker.oss.refusal import RefusedError

MAX_SOURCE = 20_971_520  # bytes; the number is in the recorded message
MAX_INFO_SOURCE = 209_715_200  # bytes; info is not bound by the limit above (recorded), but memory is

_SETTINGS = ("auto-orient", "quality", "format", "interlace")
_UNSAID = {name: table.ACTIONS[name].defaults for name in _SETTINGS}  # what these mean where they are not asked for
_QUESTIONS = frozenset({"info", "average-hue"})  # answered in JSON, each by itself
_MAX_ACTIONS = 50  # each is a step that libvips nests in the one before: hundreds would exhaust its stack


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a process makes of a source."""

    body: bytes = field(repr=False)
    content_type: str


def check(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The actions, complete. Wrong ones are refused as the service does, and right ones not done here by name."""
    if _count(actions) > _MAX_ACTIONS:
        raise refusals.not_implemented(f"more than {_MAX_ACTIONS} actions in a process")
    for action in actions:
        table.check(action)
        if action.name == "format" and table.values(action)[BARE] not in WRITTEN:
            raise refusals.not_implemented(f"the output format {table.values(action)[BARE]}")
    asked = next((action.name for action in actions if action.name in _QUESTIONS), None)
    if len(actions) > 1 and asked:
        message = f"The action: {asked} cannot be combined with other actions."
        raise refusals.invalid_argument("x-oss-process", asked, message)
    images = {table.values(action).get("image") for action in actions if action.name == "watermark"} - {None}
    if len(images) > MAX_WATERMARK_IMAGES:
        message = f"Maximal number of watermark images supported is {MAX_WATERMARK_IMAGES}"
        raise refusals.watermark_error(message, "0040-00000026")
    return tuple(map(table.complete, actions))


def _count(actions: Sequence[Action]) -> int:
    """How many actions there are, those of watermark images among them."""
    images = [value for action in actions if (value := table.values(action).get("image")) is not None]
    return len(actions) + sum(_count(_actions_of(image)) for image in images)


def _actions_of(image: str) -> Sequence[Action]:
    try:
        return table.watermark_image(image)[1]
    except RefusedError:
        return ()  # refused in its turn, by the table


def _unbounded(_: int) -> None:
    """Nobody counts."""


def source_limit(actions: Sequence[Action]) -> int:
    """How many bytes a source may have for these actions."""
    return MAX_INFO_SOURCE if _asks_info(actions) else MAX_SOURCE


def render(data: bytes, actions: Sequence[Action], fetch: Fetch, reserve: weight.Reserve = _unbounded) -> Rendered:
    """Apply complete actions to a source; `fetch` gets the watermark images they name.

    `reserve` is told each piece of memory before it is taken; what it raises comes through.

    Raises:
        RefusedError: The source is no picture, is damaged or too large, or an action does not fit it.
    """
    source = inspect(data)
    if _asks_info(actions):
        return Rendered(information(source), "application/json")
    check_limits(source)
    try:
        reserve(weight.of_source(source.header, source.format.name))
        if actions[0].name == "average-hue":
            return Rendered(average_hue(lambda: load(source)), "application/json")
        return _render(source, actions, fetch, reserve)
    except Error as error:
        # Actions were checked, so what libvips complains of is the source.
        raise refusals.damaged_picture(source.format.name) from error


def _render(source: Source, actions: Sequence[Action], fetch: Fetch, reserve: weight.Reserve) -> Rendered:
    settings = {**_UNSAID, **{action.name: table.values(action) for action in actions if action.name in _SETTINGS}}
    target = _target_format(source, settings["format"].get(BARE, ""))
    steps = [action for action in actions if action.name in STEPS]
    # Each frame of an animation asks again.
    context = Context(source.format.name, Overlays(cache(fetch), reserve), reserve)
    if source.frames > 1 and FORMATS[target].animated and keeps_animation(steps):
        frames = moving(source, steps, context)
    else:
        oriented = settings["auto-orient"][BARE] == "1"
        frames = [still(source, steps, context, oriented=oriented)]
    encoder = Encoder(
        target,
        _quality(source, target, settings["quality"]),
        settings["interlace"][BARE] == "1",
        source.jpeg.density or NO_DENSITY,
        reserve,
        *_timing(source, len(frames)),
    )
    return Rendered(encoder.encode(frames), FORMATS[target].content_type)


def _target_format(source: Source, asked: str) -> str:
    # Documented: gif is kept as GIF only if the source is one, otherwise the source's format is kept.
    target = source.format.name if not asked or (asked == "gif" and source.format.name != "gif") else asked
    if target not in WRITTEN:
        raise refusals.not_implemented(f"the output format {target}")
    return target


def _quality(source: Source, target: str, values: Mapping[str, str]) -> int:
    """`q` is relative to the source's quality, `Q` absolute but never above it; both for JPG, WebP and AVIF only."""
    own = source.jpeg.quality if target == "jpg" else None
    if "Q" in values:
        return min(int(values["Q"]), own or 100)
    if "q" in values:
        return max(1, round(own * int(values["q"]) / 100)) if own else int(values["q"])
    return own or FORMATS[target].quality


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
