"""The action watermark: a text, an image or both as one layer over the picture. Source: OSS, "Add watermarks"."""

import math
from collections.abc import Callable, Mapping

from worker.emulator import refusals
from worker.emulator.images.geometry import Size
from worker.emulator.images.libvips import Image
from worker.emulator.images.placement import beside, place
from worker.emulator.images.shapes import multiply_alpha
from worker.emulator.images.text import draw_text
from worker.oss.encoding import from_base64
from worker.oss.limits import MAX_RESULT_PIXELS  # texts are held to it as well

Values = Mapping[str, str]
# The watermark image that the values name, for a main picture of a size.
Overlay = Callable[[Values, Size], Image]


def watermark(image: Image, values: Values, overlay: Overlay) -> Image:
    """The picture with its watermark; transparent where it was."""
    size = Size(image.width, image.height)
    layer = multiply_alpha(_layer(values, size, overlay), int(values["t"]) / 100)
    if values["fill"] == "1":
        layer, x, y = _tiled(layer, size, int(values["padx"]), int(values["pady"])), 0, 0
    else:
        x, y = place(size, Size(layer.width, layer.height), values)
    base = image if image.interpretation == "srgb" else image.colourspace("srgb")
    painted = base.composite2(layer, "over", x=x, y=y).cast("uchar")
    return painted if base.hasalpha() else painted.extract_band(0, n=3)


def _layer(values: Values, size: Size, overlay: Overlay) -> Image:
    """Text, image or both side by side, in sRGB with alpha."""
    parts = []
    if "image" in values:
        parts.append(_with_alpha(overlay(values, size)))
    if "text" in values:
        parts.append(_text(values))
    if len(parts) == 1:
        return parts[0]
    if values["order"] == "1":
        parts.reverse()
    first, second = parts
    interval = int(values["interval"])
    sizes = [Size(part.width, part.height) for part in parts]
    both, first_y, second_y = beside(*sizes, align=int(values["align"]), interval=interval)
    row = first.embed(0, first_y, both.width, both.height)
    return row.insert(second, first.width + interval, second_y)


def _text(values: Values) -> Image:
    size = int(values["size"])
    mask = draw_text(from_base64(values["text"]), from_base64(values["type"]), size)
    if mask.width * mask.height > MAX_RESULT_PIXELS:
        raise refusals.not_implemented(f"a text watermark of more than {MAX_RESULT_PIXELS:,} pixels")
    color = values["color"]
    layer = _filled([int(color[index : index + 2], 16) for index in (0, 2, 4)], mask)
    shade = int(values["shadow"])
    if shade:
        layer = _shadowed(layer, mask, shade, max(1, size // 20))
    angle = int(values["rotate"]) % 360
    return layer.copy_memory().rotate(angle, background=[0, 0, 0, 0]) if angle else layer


def _shadowed(layer: Image, mask: Image, shade: int, offset: int) -> Image:
    """The text above its shadow, which lies down and right of it."""
    width, height = layer.width + offset, layer.height + offset
    shadow = multiply_alpha(_filled([0, 0, 0], mask), shade / 100).embed(offset, offset, width, height)
    return shadow.composite2(layer, "over").cast("uchar")


def _filled(color: list[int], mask: Image) -> Image:
    plain = Image.black(mask.width, mask.height, bands=3) + color
    return plain.cast("uchar").copy(interpretation="srgb").bandjoin(mask)


def _tiled(layer: Image, size: Size, gap_x: int, gap_y: int) -> Image:
    """The layer again and again, from the upper left corner on, over the whole picture."""
    tile = layer.embed(0, 0, layer.width + gap_x, layer.height + gap_y)
    # What of a tile lies outside the picture is never seen, and would only take memory.
    tile = tile.crop(0, 0, min(tile.width, size.width), min(tile.height, size.height)).copy_memory()
    tiles = tile.replicate(math.ceil(size.width / tile.width), math.ceil(size.height / tile.height))
    return tiles.crop(0, 0, size.width, size.height)


def _with_alpha(image: Image) -> Image:
    image = image if image.interpretation == "srgb" else image.colourspace("srgb")
    return image if image.hasalpha() else image.addalpha()
