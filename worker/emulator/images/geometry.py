"""Sizes and positions: what resize and crop mean in pixels. Pure.

Sources: OSS, "Resize images" and "Custom crop"; a derived side is rounded half up (documented).
"""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_SIDE = 16_384
MAX_PIXELS = 16_777_216  # of a resize's result; this server holds watermark images and texts to it as well
_RIM = 4  # pixels beside a pixel that a filter looks at, and one more


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many pixels."""
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a picture; x and y of its upper left corner."""

    x: int
    y: int
    size: Size


@dataclass(frozen=True, slots=True)
class Scaling:
    """A resize: scale to `scaled`, then cut out `crop`, or put it on a canvas at the place of `pad` (x, y, canvas)."""

    scaled: Size
    crop: Box | None = None
    pad: Box | None = None

    @property
    def is_vast(self) -> bool:
        """Whether the scaled picture is larger than any result may be, of which a crop shows a strip."""
        return max(self.scaled.width, self.scaled.height) > MAX_SIDE or self.scaled.pixels > MAX_PIXELS

    @property
    def result(self) -> Size:
        """The size of the result."""
        framed = self.crop or self.pad
        return framed.size if framed else self.scaled


def scaling(source: Size, values: Mapping[str, str], *, may_enlarge: bool = True) -> Scaling | None:
    """What `resize` with these (complete) values does to a picture, None where `limit` leaves it as it is.

    With `may_enlarge` false (GIF) `limit_0` has no effect.
    """
    limited = values["limit"] == "1" or not may_enlarge
    if "p" in values and not any(name in values for name in "whls"):
        scaled = percent_of(source, int(values["p"]))
        # The documentation says that p above 100 enlarges, and does not mention limit there.
        return Scaling(scaled) if may_enlarge or scaled.pixels <= source.pixels else None
    mode = values["m"]
    width, height = _asked(source, values)
    if mode == "fixed":
        scaled = Size(width or height or 1, height or width or 1)
        enlarges = scaled.width > source.width or scaled.height > source.height
        return None if limited and enlarges else Scaling(scaled)
    scaled = _fitted(source, width, height, outside=mode in {"mfit", "fill"})
    if limited and (scaled.width > source.width or scaled.height > source.height):
        return None
    if width is None or height is None or mode in {"lfit", "mfit"}:
        return Scaling(scaled)
    if mode == "fill":
        x, y = (scaled.width - width) // 2, (scaled.height - height) // 2
        return Scaling(scaled, crop=Box(x, y, Size(width, height)))
    x, y = (width - scaled.width) // 2, (height - scaled.height) // 2
    return Scaling(scaled, pad=Box(x, y, Size(width, height)))


def shown(source: Size, found: Scaling) -> tuple[Box, Scaling]:
    """The part of a picture that the crop of a scaling shows, a rim for filters around it, and its own scaling."""
    assert found.crop is not None
    across = _visible(source.width, found.scaled.width, found.crop.x, found.crop.size.width)
    down = _visible(source.height, found.scaled.height, found.crop.y, found.crop.size.height)
    part = Box(across.start, down.start, Size(across.length, down.length))
    crop = Box(across.skipped, down.skipped, found.crop.size)
    return part, Scaling(Size(across.scaled, down.scaled), crop=crop)


@dataclass(frozen=True, slots=True)
class _Visible:
    """Along one axis: the part of the source, its scaled length, and what of that lies before the crop."""

    start: int
    length: int
    scaled: int
    skipped: int


def _visible(length: int, scaled: int, first: int, asked: int) -> _Visible:
    if asked == scaled:
        return _Visible(0, length, scaled, 0)
    rim = _RIM * max(1, -(-length // scaled))
    start = max(0, first * length // scaled - rim)
    end = min(length, -(-(first + asked) * length // scaled) + rim)
    skipped = first - _share(start, scaled, length, least=0)
    return _Visible(start, end - start, max(_share(end - start, scaled, length), skipped + asked), skipped)


def percent_of(size: Size, percent: int) -> Size:
    """So many percent of both sides."""
    return Size(_share(size.width, percent, 100), _share(size.height, percent, 100))


def cropping(source: Size, values: Mapping[str, str]) -> Box | None:
    """What `crop` with these (complete) values cuts out, None where it begins outside the picture."""
    # 0 means as much as there is; what reaches beyond the edge is cut off.
    width = min(int(values["w"]) or source.width, source.width)
    height = min(int(values["h"]) or source.height, source.height)
    across, down = GRAVITY[values["g"]]
    x = (source.width - width) * across // 2 + int(values["x"])
    y = (source.height - height) * down // 2 + int(values["y"])
    if x >= source.width or y >= source.height:
        return None
    return Box(x, y, Size(min(width, source.width - x), min(height, source.height - y)))


def slicing(source: Size, values: Mapping[str, str]) -> Box | None:
    """What `indexcrop` with these (complete) values cuts out, None where there is no such slice: it stays whole.

    Slices lie side by side, or one below the other where y is given (it wins, documented); the last is cut short.
    """
    index = int(values["i"])
    if "y" in values:
        length = int(values["y"])
        y = index * length
        return Box(0, y, Size(source.width, min(length, source.height - y))) if y < source.height else None
    length = int(values["x"])
    x = index * length
    return Box(x, 0, Size(min(length, source.width - x), source.height)) if x < source.width else None


# Halves of the free room to the left and above.
GRAVITY = {
    "nw": (0, 0),
    "north": (1, 0),
    "ne": (2, 0),
    "west": (0, 1),
    "center": (1, 1),
    "east": (2, 1),
    "sw": (0, 2),
    "south": (1, 2),
    "se": (2, 2),
}


def _asked(source: Size, values: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Asked width and height; l and s, the longer and the shorter side, count only without w and h (documented)."""
    width, height = values.get("w"), values.get("h")
    if width is None and height is None:
        longer, shorter = values.get("l"), values.get("s")
        width, height = (longer, shorter) if source.width >= source.height else (shorter, longer)
    return (int(width) if width else None), (int(height) if height else None)


def _fitted(source: Size, width: int | None, height: int | None, *, outside: bool) -> Size:
    """The size with the source's proportions inside the asked one, or `outside`: the least that covers it."""
    if height is None or (width is not None and (width * source.height <= height * source.width) != outside):
        assert width is not None
        return Size(width, _share(source.height, width, source.width))
    return Size(_share(source.width, height, source.height), height)


def _share(length: int, part: int, whole: int, least: int = 1) -> int:
    """Length * part / whole, rounded half up, at least one pixel."""
    return max(least, (2 * length * part + whole) // (2 * whole))
