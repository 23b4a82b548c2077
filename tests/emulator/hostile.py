"""Pictures that lie about themselves, and what a process of its own makes of them: its verdicts and its memory.

Run as a module it prints one JSON object, so that what it took can be told apart from the tests.
"""

import io
import json
import resource
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests.emulator.pictures import refusal_or_none, saved
from worker.oss.refusal import Refusal

PROCESSES = ("resize,w_100", "rotate,90", "blur,r_2,s_1", "average-hue", "format,webp", "interlace,1", "format,bmp")


def lying_png(width: int, height: int, data: bytes = b"") -> bytes:
    """A small file that claims a large picture."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def whole_png(width: int, height: int) -> bytes:
    """A small file that does hold a large picture, all black."""
    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return lying_png(width, height, data)


def lying_jpeg(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose frame header claims another size."""
    data = bytearray(saved(Image.new("RGB", (16, 16)), **options))
    position = next(index for index in range(len(data)) if data[index] == 0xFF and data[index + 1] in (0xC0, 0xC2))
    data[position + 5 : position + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def lying_gif(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("P", (16, 16)), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    frame = data.index(b",", 6 + 7 + 3 * 2) + 5  # after the palette comes the frame, with a size of its own
    data[frame : frame + 4] = struct.pack("<HH", width, height)
    return bytes(data)


def blinking_gif(frames: int) -> bytes:
    """Many frames of one pixel each."""
    frame = (
        struct.pack("<4sHBB", b"\x21\xf9\x04\0", 2, 0, 0) + struct.pack("<c4HB", b",", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    )
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + frame * frames + b";"


def lying_bmp(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGB", (16, 16)), "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def lying_webp(width: int, height: int) -> bytes:
    data = bytearray(saved(Image.new("RGBA", (16, 16)), "WEBP", lossless=True))
    position = data.index(b"VP8L") + 9
    (bits,) = struct.unpack_from("<I", data, position)
    bits = (bits & ~0xFFFFFFF) | (width - 1) | ((height - 1) << 14)
    struct.pack_into("<I", data, position, bits)
    return bytes(data)


def lying_tiff(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (16, 16)).save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for index in range(count):
        place = start + 2 + 12 * index
        (tag,) = struct.unpack_from("<H", data, place)
        if tag in (256, 257, 278):  # width, height, rows in a strip
            struct.pack_into("<HHII", data, place, tag, 4, 1, width if tag == 256 else height)
    return bytes(data)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Beyond the limits: refused by what the header says."""
    yield "whole.png", whole_png(30_000, 30_000)
    yield "lying.png", lying_png(30_000, 30_000)
    yield "lying.jpg", lying_jpeg(30_000, 30_000)
    yield "progressive.jpg", lying_jpeg(30_000, 30_000, progressive=True)
    yield "lying.gif", lying_gif(60_000, 60_000)
    yield "lying.bmp", lying_bmp(30_000, 30_000)
    yield "lying.webp", lying_webp(16_000, 16_000)
    yield "lying.tiff", lying_tiff(30_000, 30_000)


def liars() -> Iterator[tuple[str, bytes]]:
    """Within the limits by what the header says, but there is nothing behind it."""
    yield "lying.png", lying_png(15_000, 16_000)
    yield "lying.jpg", lying_jpeg(15_000, 16_000)
    yield "progressive.jpg", lying_jpeg(15_000, 16_000, progressive=True)
    yield "lying.gif", lying_gif(15_000, 16_000)
    yield "lying.bmp", lying_bmp(15_000, 16_000)
    yield "lying.tiff", lying_tiff(15_000, 16_000)


def main(kind: str) -> None:
    """Print the refusals, and the greatest size of this process in bytes."""
    verdicts: dict[str, list[str]] = {}
    for name, data in bombs() if kind == "bombs" else liars():
        found: list[Refusal | None] = [refusal_or_none(data, f"image/{process}") for process in PROCESSES]
        verdicts[name] = [verdict.code if verdict else "" for verdict in found]
    print(json.dumps({"verdicts": verdicts, "peak": _peak()}))  # noqa: T201 - its answer to the test that started it


def _peak() -> int:
    """The most memory this process held; what getrusage says on Linux begins with what its parent held."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


if __name__ == "__main__":
    main(sys.argv[1])
