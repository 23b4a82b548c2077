"""The actions that make parts of a picture transparent: circle and rounded-corners."""

from worker.emulator.images.geometry import Size
from worker.emulator.images.libvips import Image


def circle(image: Image, radius: int) -> Image:
    """The circle around the middle, on a canvas that just holds it."""
    side = min(2 * radius, image.width, image.height)
    cut = image.crop((image.width - side) // 2, (image.height - side) // 2, side, side)
    return _masked(cut, _rounded(Size(side, side), side / 2))


def round_corners(image: Image, radius: int) -> Image:
    """The picture with corners of this radius."""
    size = Size(image.width, image.height)
    return _masked(image, _rounded(size, min(radius, size.width / 2, size.height / 2)))


def multiply_alpha(image: Image, alpha: Image | float) -> Image:
    """A picture with alpha, whose alpha is multiplied by another one (0 to 255 in a picture, 0 to 1 as a number)."""
    colors = image.extract_band(0, n=image.bands - 1)
    share = alpha / 255 if isinstance(alpha, Image) else alpha
    return colors.bandjoin((image.extract_band(image.bands - 1) * share).rint().cast("uchar"))


def _masked(image: Image, mask: Image) -> Image:
    return multiply_alpha(image, mask) if image.hasalpha() else image.bandjoin(mask)


def _rounded(size: Size, radius: float) -> Image:
    """A rectangle with rounded corners: 255 inside, 0 outside, between them what the edge leaves of a pixel."""
    pixels = Image.xyz(size.width, size.height) + 0.5
    beyond_x = _beyond(pixels[0], size.width, radius)
    beyond_y = _beyond(pixels[1], size.height, radius)
    distance = (beyond_x**2 + beyond_y**2) ** 0.5
    return ((radius - distance + 0.5) * 255).rint().cast("uchar")


def _beyond(places: Image, length: int, radius: float) -> Image:
    """How far each place lies outside the middle part, that from `radius` to `length - radius`."""
    outside = (places - length / 2).abs() - (length / 2 - radius)
    return (outside > 0).ifthenelse(outside, 0)
