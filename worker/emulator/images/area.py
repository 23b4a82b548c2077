"""Making small pictures smaller by averaging areas.

Each pixel of the result is the mean of what of the source lies under it, of pixels at its edge the share that does. A
recorded file of the service comes out so to the byte, and with no other filter. libvips has none of this kind. It can
be had from sums along each axis, at twenty times the cost of its own filters; hence for small pictures alone.
"""

from worker.emulator.images.geometry import Size
from worker.emulator.images.libvips import GValue, Image, Interpolate

MAX_PIXELS = 131_072  # of a source; some 15 ms
_PROFILE = "icc-profile-data"


def average(image: Image, size: Size) -> Image:
    """A picture in a size that is not larger in any direction, proportions or not.

    The numbers on the way are whole, so that what lies halfway between two levels is not decided by errors of rounding;
    it goes to the even one, as recorded.
    """
    down = _sums(image, size.height)
    both = _sums(down.rot90(), size.width).rot270()
    result = (both / (image.width * image.height)).rint().cast("uchar").copy(interpretation=image.interpretation)
    if _PROFILE in image.get_fields():
        result.set_type(GValue.blob_type, _PROFILE, image.get(_PROFILE))
    return result


def _sums(image: Image, rows: int) -> Image:
    """For each of so many rows `rows` times the sum of the rows of the picture under it, at its edges of a part."""
    width, height, bands = image.width, image.height, image.bands
    # Every row as one pixel, for libvips sums along a line of pixels.
    line = Image.new_from_memory(image.write_to_memory(), height, 1, width * bands, image.format)
    total = line.hist_cum().embed(1, 0, height + 1, 1)
    total = Image.new_from_memory(total.write_to_memory(), width, height + 1, bands, total.format).cast("double")
    # The sum of the part of a row is that share of it, so between rows sums are linear.
    edges = total.affine(
        [1, 0, 0, rows / height], interpolate=Interpolate.new("bilinear"), oarea=[0, 0, width, rows + 1], extend="copy"
    )
    edges = (edges * rows).rint()
    return edges.crop(0, 1, width, rows) - edges.crop(0, 0, width, rows)
