"""Painting with libvips: planes of numbers, mixed into colours. Coordinates run from 0 to 1, colours from 0 to 255."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from worker.emulator.images.libvips import Image

Color = Sequence[float]
Paint: TypeAlias = Image | Color


@dataclass(frozen=True, slots=True)
class Canvas:
    """The coordinates of a picture: `x` grows to the right by 1, `y` downwards by height / width."""

    width: int
    height: int
    x: Image
    y: Image

    @property
    def tall(self) -> float:
        """The greatest y."""
        return self.height / self.width

    def fill(self, color: Color) -> Image:
        """One colour everywhere."""
        return mix(color, color, self.x)

    def distance(self, x: float, y: float, stretch: float = 1) -> Image:
        """The distance to a point, in widths; `stretch` above 1 makes what is drawn with it wider."""
        return ((self.x - x) / stretch).complexform(self.y - y).abs()

    def noise(self, cell: float, seed: int, stretch: float = 1) -> Image:
        """Soft noise from -1 to 1 with cells of a size in widths, `stretch` times as wide as high."""
        size = max(2, int(cell * self.width))
        plane = Image.perlin(max(2, int(self.width / stretch)), self.height, cell_size=size, seed=seed)
        return plane.resize(self.width / plane.width, vscale=1, kernel="linear").crop(0, 0, self.width, self.height)

    def ridge(self, base: float, size: float, seed: int, waves: int = 7) -> Image:
        """A line of hills: a height y for each column, the same for all rows."""
        chance = random.Random(seed)  # noqa: S311 - scenery, the same every time
        parts = [(1.7**wave, chance.uniform(0, math.tau), size * 0.62**wave) for wave in range(waves)]
        return self.curve(lambda x: base + sum(high * math.sin(often * 3 * x + shift) for often, shift, high in parts))

    def curve(self, height_at: Callable[[float], float]) -> Image:
        """A number for each x, the same for all rows."""
        row = [height_at(column / self.width) for column in range(self.width)]
        return Image.new_from_array([row]).cast("float").replicate(1, self.height)


def canvas(width: int, height: int) -> Canvas:
    """A canvas of a size in pixels."""
    plane = Image.xyz(width, height) / width
    return Canvas(width, height, plane[0], plane[1])


def mix(first: Paint, second: Paint, share: Image) -> Image:
    """The first colour where `share` is 0, the second where it is 1."""
    mask = (bounded(share) * 255).rint().cast("uchar")
    return mask.ifthenelse(_paint(second), _paint(first), blend=True)


def gradient(position: Image, stops: Sequence[tuple[float, Color]]) -> Image:
    """Colours along a position: each stop is where it begins to be, smoothly."""
    position = kept(position)
    result: Paint = stops[0][1]
    for (begin, _), (end, color) in pairwise(stops):
        result = mix(result, color, smooth((position - begin) / (end - begin)))
    assert isinstance(result, Image)
    return result


def inside(distance: Image, radius: float, soft: float = 0.002) -> Image:
    """1 within a radius, 0 outside, with an edge as soft as said."""
    return bounded((radius - distance) / soft + 0.5)


def wave(angle: Image) -> Image:
    """The sine of an angle in radians."""
    return (angle * (180 / math.pi)).sin()


def glow(distance: Image, radius: float) -> Image:
    """Light that falls off from 1."""
    return (distance * (-1 / radius)).exp()


def smooth(share: Image) -> Image:
    """From 0 to 1 without corners."""
    share = kept(bounded(share))
    return share * share * (share * -2 + 3)


def bounded(plane: Image) -> Image:
    """Nothing below 0 or above 1."""
    return plane.clamp(min=0, max=1)


def kept(plane: Image) -> Image:
    """The plane as numbers in memory: otherwise each of its uses would compute it again."""
    return plane.copy_memory()


def finished(colors: Image) -> Image:
    """The picture, ready to be saved."""
    return colors.rint().cast("uchar").copy(interpretation="srgb")


def _paint(paint: Paint) -> Paint:
    return paint if isinstance(paint, Image) else [round(part) for part in paint]
