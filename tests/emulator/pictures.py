"""Pictures made and opened with Pillow, which the local OSS does not process with."""

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from PIL import Image, ImageSequence

from worker.emulator.images import check, render
from worker.oss.process import Image as ImageProcess
from worker.oss.process import parse
from worker.oss.refusal import Refusal, RefusedError

QUADRANTS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 40))  # nw, ne, sw, se

NOTHING: Mapping[str, bytes] = MappingProxyType({})


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Four quadrants in four colours, so that it can be seen where a part came from and how it was turned."""
    image = Image.new("RGB", (width, height))
    half_x, half_y = width // 2, height // 2
    for color, x, y in zip(QUADRANTS, (0, half_x, 0, half_x), (0, 0, half_y, half_y), strict=True):
        image.paste(color, (x, y, width if x else half_x, height if y else half_y))
    return image.convert(mode)


def saved(image: Image.Image, format_name: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def jpeg(width: int = 400, height: int = 300, **options: Any) -> bytes:
    return saved(picture(width, height), quality=options.pop("quality", 90), **options)


def oriented(width: int, height: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(width, height, exif=exif)


def animated(format_name: str, frames: int = 3) -> bytes:
    first, *others = [Image.new("RGB", (60, 40), (60 * index, 90, 200 - 50 * index)) for index in range(frames)]
    return saved(first, format_name, save_all=True, append_images=others, duration=[50, 80, 110][:frames], loop=0)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def frames_of(data: bytes) -> int:
    return sum(1 for _ in ImageSequence.Iterator(Image.open(io.BytesIO(data))))


def processed(data: bytes, process: str, objects: Mapping[str, bytes] = NOTHING) -> Image.Image:
    return opened(rendered(data, process, objects))


def rendered(data: bytes, process: str, objects: Mapping[str, bytes] = NOTHING) -> bytes:
    """The result of a process; `objects` is what else the bucket holds."""
    (image,) = parse(process)
    assert isinstance(image, ImageProcess)
    return render(data, check(image.actions), objects.__getitem__).body


def refusal(data: bytes, process: str, objects: Mapping[str, bytes] = NOTHING) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        rendered(data, process, objects)
    return caught.value.refusal


def refusal_or_none(data: bytes, process: str) -> Refusal | None:
    try:
        rendered(data, process)
    except RefusedError as error:
        return error.refusal
    return None


def near(found: Any, wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(found, wanted, strict=True))
