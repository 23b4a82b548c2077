"""The actions that change the look of every pixel: blur, sharpen, bright, contrast.

The service does not publish how it does these. What stands here is what the words mean elsewhere; see the notes in the
table of actions.
"""

import math
from collections.abc import Callable

from worker.emulator.images.libvips import Image

# Of the recorded file of sharpen,100: an unsharp mask of radius 1 comes within a percent of its size at this strength.
_SHARPEN_SHARE = 0.8
_SHARPEN_RADIUS = 3
_FULL = 255
_MIDDLE = 128


def blur(image: Image, radius: int, sigma: int) -> Image:
    """A Gaussian of this standard deviation, cut off at the radius."""
    weights = [_gauss(distance, sigma) for distance in range(-radius, radius + 1)]
    # Convolution in whole numbers is faster, but off by several levels.
    kernel = Image.new_from_array([weights], scale=sum(weights))
    if not image.hasalpha():
        return image.convsep(kernel, precision="float").rint().cast("uchar")
    # The colour of what is transparent does not spread.
    spread = image.premultiply().rint().cast("uchar").convsep(kernel, precision="float")
    return spread.unpremultiply().rint().cast("uchar")


def sharpen(image: Image, strength: int) -> Image:
    """Every pixel moves away from the mean of its neighbours; 100 is the strength the documentation recommends."""
    places = range(-_SHARPEN_RADIUS, _SHARPEN_RADIUS + 1)
    around = [[_gauss(math.hypot(x, y), 1) for x in places] for y in places]
    total = sum(map(sum, around))
    share = _SHARPEN_SHARE * strength / 100
    # One kernel, identity and mask together, so that the picture is read once.
    kernel = [[-share * weight / total for weight in row] for row in around]
    kernel[_SHARPEN_RADIUS][_SHARPEN_RADIUS] += 1 + share
    return _on_colors(image, lambda colors: colors.conv(Image.new_from_array(kernel), precision="float"))


def bright(image: Image, percent: int) -> Image:
    """So many percent of full scale are added: 100 is white, -100 black."""
    return _on_colors(image, lambda colors: colors.linear(1, _FULL * percent / 100))


def contrast(image: Image, percent: int) -> Image:
    """Distances from middle grey are stretched: 0 leaves them, -100 takes them away, 100 leaves black and white."""
    level = _FULL * percent / 100
    factor = (259 * (level + 255)) / (255 * (259 - level))
    return _on_colors(image, lambda colors: colors.linear(factor, _MIDDLE - factor * _MIDDLE))


def _gauss(distance: float, sigma: float) -> float:
    return math.exp(-(distance**2) / (2 * sigma**2))


def _on_colors(image: Image, change: Callable[[Image], Image]) -> Image:
    if not image.hasalpha():
        return change(image).rint().cast("uchar")
    colors = change(image.extract_band(0, n=image.bands - 1)).rint().cast("uchar")
    return colors.bandjoin(image.extract_band(image.bands - 1))
