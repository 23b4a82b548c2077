"""The actions that change pixels, each on one frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.emulator import refusals
from worker.emulator.images import effects, shapes
from worker.emulator.images.decoding import resize
from worker.emulator.images.geometry import Box, Scaling, Size, cropping, scaling, shown, slicing
from worker.emulator.images.libvips import GValue, Image
from worker.emulator.images.watermark import Overlay, Values, watermark
from worker.emulator.images.weight import Reserve
from worker.oss.actions import BARE
from worker.oss.limits import MAX_RESULT_PIXELS, MAX_RESULT_SIDE, MAX_ROTATED_SIDE


@dataclass(frozen=True, slots=True)
class Context:
    """What steps know besides the picture: the source's format, where watermark images and memory come from."""

    format: str
    overlay: Overlay
    reserve: Reserve

    @property
    def may_enlarge(self) -> bool:
        """Whether a resize may enlarge: a GIF is never enlarged (documented)."""
        return self.format != "gif"


Step = Callable[[Image, Values, Context], Image]


def scaling_of(size: Size, values: Values, *, may_enlarge: bool) -> Scaling | None:
    """What a resize does, within the limits of a result."""
    found = scaling(size, values, may_enlarge=may_enlarge)
    if found is None:
        return None
    if max(found.result.width, found.result.height) > MAX_RESULT_SIDE or found.result.pixels > MAX_RESULT_PIXELS:
        raise refusals.result_too_large()
    return found


def frame(image: Image, found: Scaling, values: Values) -> Image:
    """What a resize does after scaling: cut out, or put on a canvas."""
    if found.crop is not None:
        return _cut(image, found.crop)
    if found.pad is None:
        return image
    color = values["color"]
    background = [int(color[index : index + 2], 16) for index in (0, 2, 4)]
    image = image if image.interpretation == "srgb" else image.colourspace("srgb")
    if image.hasalpha():
        background.append(255)
    canvas = found.pad.size
    return image.embed(
        found.pad.x, found.pad.y, canvas.width, canvas.height, extend="background", background=background
    )


def orient(image: Image, orientation: int) -> Image:
    """The picture turned as EXIF's orientation says."""
    if orientation == 1:
        return image
    turned = image.copy_memory()  # turning reads rows out of order
    turned.set_type(GValue.gint_type, "orientation", orientation)
    return turned.autorot()


def _resize(image: Image, values: Values, context: Context) -> Image:
    size = Size(image.width, image.height)
    found = scaling_of(size, values, may_enlarge=context.may_enlarge)
    if found is None:
        return image
    if found.is_vast:
        part, found = shown(size, found)
        image = _cut(image, part)
    return frame(resize(image, found.scaled), found, values)


def _crop(image: Image, values: Values, _context: Context) -> Image:
    box = cropping(Size(image.width, image.height), values)
    if box is None:
        raise refusals.cut_beyond_edge()
    return _cut(image, box)


def _indexcrop(image: Image, values: Values, _context: Context) -> Image:
    box = slicing(Size(image.width, image.height), values)
    return image if box is None else _cut(image, box)


def _rotate(image: Image, values: Values, _context: Context) -> Image:
    angle = int(values[BARE]) % 360
    if angle == 0:
        return image
    check_rotation(Size(image.width, image.height))
    image = image.copy_memory()  # turning reads rows out of order
    if angle % 90 == 0:
        return image.rot(f"d{angle}")
    # The new corners show nothing where the picture can, else white: what the documentation's pictures suggest.
    background = [0] * image.bands if image.hasalpha() else [255] * image.bands
    return image.rotate(angle, background=background)


def _rounded_corners(image: Image, values: Values, context: Context) -> Image:
    if context.format == "gif":
        raise refusals.not_for_gif("rounded-corners")
    return shapes.round_corners(image, int(values["r"]))


def _blur(image: Image, values: Values, _context: Context) -> Image:
    radius = int(values["r"]) if "r" in values else 3 * int(values["s"])
    return effects.blur(image, radius, int(values.get("s", radius)))


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "resize": _resize,
        "crop": _crop,
        "indexcrop": _indexcrop,
        "rotate": _rotate,
        "circle": lambda image, values, _: shapes.circle(image, int(values["r"])),
        "rounded-corners": _rounded_corners,
        "blur": _blur,
        "sharpen": lambda image, values, _: effects.sharpen(image, int(values[BARE])),
        "bright": lambda image, values, _: effects.bright(image, int(values[BARE])),
        "contrast": lambda image, values, _: effects.contrast(image, int(values[BARE])),
        "watermark": lambda image, values, context: watermark(image, values, context.overlay),
    }
)


def check_rotation(size: Size) -> None:
    """Refuse to turn what is too large for it."""
    if max(size.width, size.height) > MAX_ROTATED_SIDE:
        raise refusals.beyond_rotation()


def _cut(image: Image, box: Box) -> Image:
    return image.crop(box.x, box.y, box.size.width, box.size.height)
