"""From bytes to pictures: what a source is, within the limits, and its pixels in one of few forms."""

from dataclasses import dataclass

from PIL.Image import DecompressionBombError

from worker.emulator import refusals
from worker.emulator.images import area
from worker.emulator.images.bitmap import is_lab_tiff, read_bmp
from worker.emulator.images.formats import MAX_PIXELS, MAX_WHOLE_SOURCE, Format, format_of
from worker.emulator.images.geometry import Size
from worker.emulator.images.jpeg import JpegHeader, read_header
from worker.emulator.images.libvips import Error, Image

# A file that breaks off is refused; one that merely has warnings is processed.
_STRICT = {"fail_on": "error"}


@dataclass(frozen=True, slots=True)
class Source:
    """A source by its header: `size` is that of a frame as stored, `orientation` is EXIF's, 1 to 8.

    `header` is the picture before any pixel is decoded; it holds the metadata.
    """

    data: bytes
    format: Format
    header: Image
    size: Size
    frames: int
    orientation: int
    jpeg: JpegHeader


def inspect(data: bytes) -> Source:
    """Read the header of a source.

    Raises:
        RefusedError: It is no picture, or is damaged.
    """
    found = format_of(data)
    if found is None:
        raise refusals.unsupported_picture()
    try:
        header = _open_bmp(data) if found.name == "bmp" else Image.new_from_buffer(data, "", access="sequential")
    except (Error, OSError, ValueError, SyntaxError, DecompressionBombError):
        if is_lab_tiff(data):
            raise refusals.unsupported_picture() from None
        raise refusals.damaged_picture(found.name) from None
    frames = header.get("n-pages") if found.animated and "n-pages" in header.get_fields() else 1
    orientation = header.get("orientation") if "orientation" in header.get_fields() else 1
    jpeg = read_header(data) if found.name == "jpg" else JpegHeader(None, None)
    size = Size(header.width, header.height)
    return Source(data, found, header, size, frames, orientation if 1 <= orientation <= 8 else 1, jpeg)


def check_limits(source: Source) -> None:
    """Refuse what is too large to decode."""
    if max(source.size.width, source.size.height) > source.format.max_side:
        raise refusals.too_many_pixels(source.format.too_long)
    if source.size.pixels * source.frames > MAX_PIXELS:
        raise refusals.too_many_pixels("0040-00000012")
    if source.format.whole and source.size.pixels * source.frames > MAX_WHOLE_SOURCE:
        raise refusals.not_implemented(f"sources in {source.format.name} of more than {MAX_WHOLE_SOURCE:,} pixels")


def load(source: Source) -> Image:
    """The first frame."""
    if source.format.name == "bmp":
        return source.header
    return _normal(Image.new_from_buffer(source.data, "", access="sequential", **_STRICT))


def load_scaled(source: Source, size: Size) -> Image:
    """The first frame in another size, as stored. A JPEG is decoded no larger than needed."""
    if source.format.name != "jpg":
        return resize(load(source), size)
    # Not libvips' own thumbnail of a buffer, which ignores fail_on. As there, what is decoded is left at least twice as
    # large as the result, for the eighths that a JPEG decoder offers are coarse.
    factor = min(source.size.width / size.width, source.size.height / size.height)
    whole = source.size.pixels <= area.MAX_PIXELS
    shrink = 1 if whole else next(step for step in (8, 4, 2, 1) if factor >= 2 * step or step == 1)
    return resize(_normal(Image.jpegload_buffer(source.data, shrink=shrink, access="sequential", **_STRICT)), size)


def load_frames(source: Source) -> list[Image]:
    """All frames."""
    strip = _normal(Image.new_from_buffer(source.data, "", n=-1, **_STRICT))
    width, height = source.size.width, source.size.height
    return [strip.crop(0, index * height, width, height) for index in range(source.frames)]


def resize(image: Image, size: Size) -> Image:
    """A picture in exactly this size, proportions or not."""
    smaller = size.width <= image.width and size.height <= image.height
    if smaller and image.width * image.height <= area.MAX_PIXELS and not image.hasalpha():
        return area.average(image, size)
    return image.thumbnail_image(size.width, height=size.height, size="force", no_rotate=True)


def _open_bmp(data: bytes) -> Image:
    # Decoded as a whole, even to see its header: the limit of such formats comes first.
    image = read_bmp(data, MAX_WHOLE_SOURCE)
    if image is None:
        raise refusals.too_many_pixels("0040-00000012")
    return image


def _normal(image: Image) -> Image:
    """The picture as 8-bit sRGB or grey, with or without alpha."""
    if image.interpretation == "cmyk":
        image = image.icc_transform("srgb", embedded=True, input_profile="cmyk")
    elif image.interpretation not in {"srgb", "b-w"}:
        image = image.colourspace("srgb")
    if image.format != "uchar":
        image = image.cast("uchar")
    return image if image.bands <= 4 else image.extract_band(0, n=3)
