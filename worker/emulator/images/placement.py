"""Where a watermark lies on a picture. Pure. Source: OSS, "Add watermarks"."""

from collections.abc import Mapping

from worker.emulator.images.geometry import GRAVITY, Size


def place(picture: Size, mark: Size, values: Mapping[str, str]) -> tuple[int, int]:
    """The upper left corner of the watermark; it may lie outside the picture.

    x counts from the left or right edge, y from the upper or lower one, both only where the watermark stands at that
    edge; voffset moves it down (a guess: the documentation says up or down) where it stands halfway.
    """
    across, down = GRAVITY[values["g"]]
    x, y = int(values["x"]), int(values["y"])
    middle = (picture.height - mark.height) // 2 + int(values["voffset"])
    left = (x, (picture.width - mark.width) // 2, picture.width - mark.width - x)[across]
    top = (y, middle, picture.height - mark.height - y)[down]
    return left, top


def beside(first: Size, second: Size, *, align: int, interval: int) -> tuple[Size, int, int]:
    """Two parts in a row: the size of both, and the y of each. `align` is 0 top, 1 middle, 2 bottom."""
    height = max(first.height, second.height)
    tops = [(height - part.height) * align // 2 for part in (first, second)]
    return Size(first.width + interval + second.width, height), tops[0], tops[1]
