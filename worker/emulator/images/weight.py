"""How much memory pictures take while they are worked on, in bytes: upper bounds, measured with libvips 8 on noise.

What is read row by row takes a few hundred rows. Formats that are not, and steps that read out of order, take whole
pictures.
"""

from collections.abc import Callable, Mapping

from worker.emulator.images.formats import MAX_CAREFUL_WEBP
from worker.emulator.images.libvips import Image
from worker.oss.encoding import from_base64
from worker.oss.limits import MAX_RESULT_PIXELS

Reserve = Callable[[int], None]  # called with bytes of memory before they are taken; raises where there are none

_MARGIN = 8 << 20
_ROWS = 900
_SAMPLE_BYTES = {"ushort": 2, "short": 2, "uint": 4, "int": 4, "float": 4, "complex": 8, "double": 8, "dpcomplex": 16}
# Of a pixel without and with alpha, for what is decoded or encoded with the whole picture in memory.
_DECODED = {"webp": (8.5, 12), "gif": (6, 6), "avif": (32, 34), "heic": (32, 34), "bmp": (12, 14)}
_ENCODED = {"webp": (10, 38), "gif": (42, 42), "avif": (32, 48), "bmp": (16, 16)}
_CAREFUL_WEBP = (32, 40)
_LAYER = 4  # a pixel with alpha
_FLOAT = 4


def of_source(header: Image, file_format: str) -> int:
    """Decoding the first frame of a source."""
    pixels = int(header.width * header.height)
    if file_format in _DECODED:
        return int(pixels * _DECODED[file_format][header.hasalpha()]) + _MARGIN
    pel = int(header.bands) * _SAMPLE_BYTES.get(header.format, 1)
    rows = int(header.width) * pel * min(_ROWS, int(header.height)) + _MARGIN
    if not _interlaced(header):
        return rows
    if file_format == "jpg":  # the coefficients of all its blocks, two bytes each
        halved = "jpeg-chroma-subsample" in header.get_fields() and header.get("jpeg-chroma-subsample") == "4:2:0"
        return rows + int(pixels * 2 * (1.5 if halved and header.bands == 3 else max(3, header.bands)))
    return rows + pixels * pel


def of_frames(width: int, height: int, frames: int) -> int:
    """All frames of an animation, decoded."""
    return width * height * frames * _LAYER


def of_turning(width: int, height: int) -> int:
    """Turning a picture: before and after."""
    return 2 * width * height * _LAYER


def of_step(name: str, values: Mapping[str, str], image: Image, reach: int) -> int:
    """An action on a picture. `reach` is how many rows around one of its result the steps so far read."""
    pixels = int(image.width * image.height)
    match name:
        case "rotate":
            return min(of_turning(image.width, image.height), 2 * MAX_RESULT_PIXELS * _LAYER)  # more is refused
        case "blur" | "sharpen":
            return int(image.width * image.bands) * _FLOAT * (reach + reach_of(name, values))
        case "watermark":
            text = min(MAX_RESULT_PIXELS, _text_pixels(values)) * _LAYER * 4
            return text + (min(pixels, 5 * MAX_RESULT_PIXELS) * _LAYER if values.get("fill") == "1" else 0)
        case _:
            return 0


def reach_of(name: str, values: Mapping[str, str]) -> int:
    """How many rows around one of its result an action reads."""
    if name == "blur":
        return 2 * (int(values["r"]) if "r" in values else 3 * int(values["s"]))
    return 6 if name == "sharpen" else 0


def of_result(file_format: str, image: Image, *, whole: bool) -> int:
    """Encoding a picture, without the bytes of the file. `whole`: a JPEG whose coefficients are kept."""
    pixels = int(image.width * image.height)
    rows = int(image.width * image.bands * min(_ROWS, image.height))
    if file_format == "jpg" and whole:
        return rows + pixels * 7
    if file_format == "tiff":  # with its file, twice, which does not shrink at worst
        return rows + pixels * int(image.bands) * 3
    careful = file_format == "webp" and pixels <= MAX_CAREFUL_WEBP
    return rows + int(pixels * (_CAREFUL_WEBP if careful else _ENCODED.get(file_format, (0, 0)))[image.hasalpha()])


def _interlaced(header: Image) -> bool:
    return "interlaced" in header.get_fields() and header.get("interlaced") == 1


def _text_pixels(values: Mapping[str, str]) -> int:
    if "text" not in values:
        return 0
    return 2 * int(values.get("size", "40")) ** 2 * max(1, len(from_base64(values["text"])))
