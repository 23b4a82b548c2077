"""What libvips as it is distributed cannot do: BMP, read and written, and TIFF in CIELAB, recognised."""

import io
import struct

from PIL import Image as Bitmap

from worker.emulator.images.libvips import Image

_FILE_HEADER, _INFO_HEADER, _V4_HEADER = 14, 40, 108
_BITFIELDS = 3
_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)  # of red, green, blue and alpha


def read_bmp(data: bytes, max_pixels: int) -> Image | None:
    """The picture of a file; None where it has more pixels than that.

    Raises:
        Exception: One of several of Pillow's: the file is damaged.
    """
    bitmap = Bitmap.open(io.BytesIO(data), formats=["BMP"])
    if bitmap.width * bitmap.height > max_pixels:
        return None
    mode = "RGBA" if bitmap.mode == "RGBA" else "RGB"
    pixels = bitmap.convert(mode).tobytes()
    image = Image.new_from_memory(pixels, bitmap.width, bitmap.height, len(mode), "uchar")
    return image.copy(interpretation="srgb")


def is_lab_tiff(data: bytes) -> bool:
    """Whether a file is a TIFF in CIELAB of 8 bits, which libvips as it is distributed fails to read."""
    try:
        return Bitmap.open(io.BytesIO(data), formats=["TIFF"]).mode == "LAB"
    except Exception:  # noqa: BLE001 - one of several of Pillow's: the file is damaged
        return False


def write_bmp(image: Image) -> bytes:
    """The file of a picture, with its alpha where it has one."""
    image = image if image.interpretation == "srgb" else image.colourspace("srgb")
    mode = "RGBA" if image.hasalpha() else "RGB"
    bitmap = Bitmap.frombytes(mode, (image.width, image.height), bytes(image.write_to_memory()))
    buffer = io.BytesIO()
    bitmap.save(buffer, "BMP")
    return _with_masks(buffer.getvalue()) if mode == "RGBA" else buffer.getvalue()


def _with_masks(data: bytes) -> bytes:
    """The file with a header that says which bits are alpha: without it readers take a fourth byte for padding."""
    start = _FILE_HEADER + _V4_HEADER
    pixels = data[_FILE_HEADER + _INFO_HEADER :]
    info = data[_FILE_HEADER + 4 : _FILE_HEADER + 16] + struct.pack("<I", _BITFIELDS)
    rest = data[_FILE_HEADER + 20 : _FILE_HEADER + _INFO_HEADER]
    v4 = struct.pack("<I", _V4_HEADER) + info + rest + struct.pack("<4I", *_MASKS)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + v4.ljust(_V4_HEADER, b"\0") + pixels
