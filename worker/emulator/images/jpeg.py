"""What libvips does not tell of a JPEG file: the quality it was saved with, and its density as written.

Source: ITU-T T.81, annex B (segments) and K.1 (the example table that encoders scale by their quality).
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

# Annex K.1, table for luminance. The order does not matter here.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_APP0, _DQT, _SOS = 0xE0, 0xDB, 0xDA
_JFIF = b"JFIF\0"


@dataclass(frozen=True, slots=True)
class Density:
    """The density of a JFIF header: `unit` 0 is none (the proportions of a pixel), 1 the inch, 2 the centimetre."""

    unit: int
    x: int
    y: int


NO_DENSITY = Density(0, 1, 1)


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """`quality` is 1 to 100, None where the tables are missing; `density` is None without a JFIF header."""

    quality: int | None
    density: Density | None


def read_header(data: bytes) -> JpegHeader:
    """What the segments before the picture say; nothing where they are damaged."""
    quality, density = None, None
    for marker, content in _segments(data):
        if marker == _APP0 and content.startswith(_JFIF) and len(content) >= 12:
            density = Density(content[7], int.from_bytes(content[8:10]), int.from_bytes(content[10:12]))
        elif marker == _DQT and quality is None:
            quality = _quality(content)
    return JpegHeader(quality, density)


def with_density(data: bytes, density: Density) -> bytes:
    """The file with a JFIF header that says this density, in place of any it begins with."""
    start = 2
    if data[2:4] == bytes([0xFF, _APP0]):
        start += 2 + int.from_bytes(data[4:6])
    version, no_thumbnail = b"\x01\x01", b"\0\0"
    fields = bytes([density.unit]) + density.x.to_bytes(2) + density.y.to_bytes(2)
    content = _JFIF + version + fields + no_thumbnail
    return data[:2] + bytes([0xFF, _APP0]) + (len(content) + 2).to_bytes(2) + content + data[start:]


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and their contents up to the scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
            continue
        if marker == _SOS:
            return
        size = int.from_bytes(data[position + 2 : position + 4])
        yield marker, data[position + 4 : position + 2 + size]
        position += 2 + max(size, 2)


def _quality(tables: bytes) -> int | None:
    """The quality whose scaled example table is nearest to table 0, the one of luminance."""
    position = 0
    while position < len(tables):
        wide, number = tables[position] >> 4, tables[position] & 15
        width = 2 if wide else 1
        entries = tables[position + 1 : position + 1 + 64 * width]
        if number == 0 and len(entries) == 64 * width:
            total = sum(int.from_bytes(entries[index : index + width]) for index in range(0, 64 * width, width))
            return _nearest_quality(total)
        position += 1 + 64 * width
    return None


def _nearest_quality(total: int) -> int:
    sums = _table_sums()
    # The sums fall as the quality rises.
    index = bisect_left(sums, -total, key=lambda value: -value)
    candidates = [candidate for candidate in (index - 1, index) if 0 <= candidate < len(sums)]
    return min(candidates, key=lambda candidate: abs(sums[candidate] - total)) + 1


@cache
def _table_sums() -> tuple[int, ...]:
    """The sums of the tables of the qualities 1 to 100, scaled as the IJG's library does."""
    sums = []
    for quality in range(1, 101):
        factor = 5000 // quality if quality < 50 else 200 - 2 * quality
        sums.append(sum(min(max((value * factor + 50) // 100, 1), 255) for value in _LUMINANCE))
    return tuple(sums)
