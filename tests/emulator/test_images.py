"""Actions on real pictures, made and looked at with another library."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps

from tests.emulator.pictures import (
    QUADRANTS,
    animated,
    frames_of,
    jpeg,
    near,
    opened,
    oriented,
    picture,
    processed,
    refusal,
    rendered,
    saved,
)
from worker.emulator.images import decoding
from worker.emulator.images.formats import FORMATS
from worker.emulator.images.geometry import Size
from worker.emulator.images.jpeg import read_header
from worker.oss.refusal import RefusedError

EXAMPLE = Path(__file__).parents[3] / "shared/data/example.jpg"
WHITE = (255, 255, 255)


def corners(image: Image.Image) -> list[Any]:
    """What is in the middle of each quadrant: nw, ne, sw, se."""
    width, height = image.size
    places = ((width // 4, height // 4), (3 * width // 4, height // 4), (width // 4, 3 * height // 4))
    colors = image.convert("RGB")
    return [colors.getpixel(place) for place in (*places, (3 * width // 4, 3 * height // 4))]


def looks_like(image: Image.Image, *wanted: int) -> bool:
    """Whether the quadrants are those of the source, in this order."""
    return all(near(found, QUADRANTS[index]) for found, index in zip(corners(image), wanted, strict=True))


@pytest.mark.parametrize("format_name", ["jpg", "png", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_format_becomes_every_other(source: str, format_name: str) -> None:
    image = processed(saved(picture(80, 60), source), f"image/format,{format_name}")
    assert image.format == {"jpg": "JPEG"}.get(format_name, format_name.upper())
    assert image.size == (80, 60)
    assert looks_like(image, 0, 1, 2, 3)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_without_format_the_format_stays(source: str) -> None:
    image = processed(saved(picture(80, 60), source), "image/resize,w_40")
    assert (image.format, image.size) == (source, (40, 30))


def test_gif_is_written_only_from_gif() -> None:
    assert processed(jpeg(), "image/format,gif").format == "JPEG"
    assert processed(saved(picture(80, 60), "GIF"), "image/format,gif").format == "GIF"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_a_jpeg_that_looks_right(mode: str) -> None:
    made = {
        "P": lambda: picture(80, 60).quantize(4),
        "I;16": lambda: picture(80, 60, "L").convert("I").point(lambda value: value * 257).convert("I;16"),
    }
    source = saved(made.get(mode, lambda: picture(80, 60, mode))(), "TIFF" if mode == "CMYK" else "PNG")
    found = processed(source, "image/resize,w_40/format,jpg")
    assert (found.format, found.size) == ("JPEG", (40, 30))
    wanted = picture(80, 60, "L" if mode in {"L", "LA", "I;16"} else "RGB")
    if mode not in {"1", "CMYK"}:  # dithered, or converted by another profile
        assert all(near(one, other, 16) for one, other in zip(corners(found), corners(wanted), strict=True))


def test_transparency_stays_in_png_and_webp_and_is_white_in_jpg() -> None:
    clear = saved(Image.new("RGBA", (40, 40), (200, 0, 0, 0)), "PNG")
    for format_name in ("png", "webp"):
        assert (
            processed(clear, f"image/resize,w_20/format,{format_name}").convert("RGBA").getchannel("A").getpixel((5, 5))
            == 0
        )
    assert near(processed(clear, "image/format,jpg").getpixel((5, 5)), WHITE)


@pytest.mark.parametrize(
    ("process", "size", "order"),
    [
        ("rotate,0", (80, 60), (0, 1, 2, 3)),
        ("rotate,90", (60, 80), (2, 0, 3, 1)),
        ("rotate,180", (80, 60), (3, 2, 1, 0)),
        ("rotate,270", (60, 80), (1, 3, 0, 2)),
        ("rotate,360", (80, 60), (0, 1, 2, 3)),
        ("resize,m_fixed,w_30,h_90,limit_0", (30, 90), (0, 1, 2, 3)),
        ("resize,m_fill,w_30,h_30", (30, 30), (0, 1, 2, 3)),
        ("resize,w_40/rotate,90/resize,h_20", (15, 20), (2, 0, 3, 1)),
        ("crop,w_60,h_40,g_center", (60, 40), (0, 1, 2, 3)),
        ("rotate,90/crop,w_40,h_60,g_center/resize,w_20", (20, 30), (2, 0, 3, 1)),
    ],
)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "BMP"])
def test_what_turns_and_scales_goes_the_right_way(
    source: str, process: str, size: tuple[int, int], order: tuple[int, ...]
) -> None:
    data = jpeg(80, 60, subsampling=0, quality=95) if source == "JPEG" else saved(picture(80, 60), source)
    image = processed(data, f"image/{process}/format,png")
    assert image.size == size
    assert looks_like(image, *order)


@pytest.mark.parametrize("process", ["rotate,90", "rotate,180", "rotate,270", "rotate,45"])
@pytest.mark.parametrize("source", [jpeg(1200, 1600), saved(picture(1200, 1600), "PNG"), oriented(1200, 1600, 3)])
def test_a_picture_that_is_decoded_row_by_row_can_be_turned(source: bytes, process: str) -> None:
    assert processed(source, f"image/{process}/resize,w_400").size[0] == 400


@pytest.mark.parametrize("gravity", ["nw", "ne", "sw", "se"])
def test_a_corner_crop_holds_that_corner(gravity: str) -> None:
    image = processed(jpeg(), f"image/crop,w_100,h_100,g_{gravity}")
    assert near(image.getpixel((50, 50)), QUADRANTS[["nw", "ne", "sw", "se"].index(gravity)])


def test_pad_paints_its_color_around_the_picture() -> None:
    image = processed(saved(picture(80, 40), "PNG"), "image/resize,m_pad,w_40,h_40,color_FF8000")
    assert image.size == (40, 40)
    assert image.getpixel((20, 2)) == (255, 128, 0)
    assert image.getpixel((20, 37)) == (255, 128, 0)
    assert near(image.getpixel((5, 15)), QUADRANTS[0])
    grey = processed(saved(picture(80, 40, "LA"), "PNG"), "image/resize,m_pad,w_40,h_40,color_FF8000")
    assert grey.getpixel((20, 2)) == (255, 128, 0, 255)
    white = processed(saved(picture(80, 40), "PNG"), "image/resize,m_pad,w_40,h_40")
    assert white.getpixel((20, 2)) == WHITE


def test_an_oblique_rotation_enlarges_the_canvas() -> None:
    image = processed(jpeg(400, 300), "image/rotate,45")
    assert image.size == pytest.approx((495, 495), abs=2)
    assert near(image.getpixel((2, 2)), WHITE)
    clear = processed(saved(picture(80, 60, "RGBA"), "PNG"), "image/rotate,45")
    assert clear.getchannel("A").getpixel((1, 1)) == 0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "process", ["resize,w_60", "quality,Q_90", "crop,w_60,h_60,g_center", "resize,m_fill,w_30,h_50"]
)
def test_orientation_is_applied_before_everything_else(orientation: int, process: str) -> None:
    data = oriented(120, 80, orientation)
    turned = opened(data)
    upright = ImageOps.exif_transpose(turned)
    assert upright is not None
    found = processed(data, f"image/{process}")
    wanted = processed(saved(upright, "PNG"), f"image/{process}")
    assert found.size == wanted.size
    assert all(near(one, other, 20) for one, other in zip(corners(found), corners(wanted), strict=True))
    assert 0x0112 not in found.getexif()


def test_orientation_is_left_alone_on_demand_wherever_it_is_written() -> None:
    data = oriented(120, 80, 6)
    assert processed(data, "image/resize,w_60").size == (60, 90)
    assert processed(data, "image/resize,w_60/auto-orient,1").size == (60, 90)
    assert processed(data, "image/resize,w_60/auto-orient,0").size == (60, 40)


@pytest.mark.parametrize("quality", [1, 30, 50, 82, 95, 100])
def test_a_jpeg_keeps_the_quality_it_had(quality: int) -> None:
    data = jpeg(quality=quality)
    assert read_header(data).quality == quality
    assert read_header(rendered(data, "image/resize,w_100")).quality == quality


@pytest.mark.parametrize(
    ("process", "quality"),
    [
        *[("quality,q_50", 40), ("quality,q_100", 80), ("quality,q_1", 1), ("quality,Q_50", 50)],
        *[("quality,Q_95", 80), ("quality,q_10,Q_60", 60), ("resize,w_90/quality,q_50", 40)],
    ],
)
def test_quality_is_relative_to_the_source_or_absolute(process: str, quality: int) -> None:
    assert read_header(rendered(jpeg(quality=80), f"image/{process}")).quality == quality


@pytest.mark.parametrize("format_name", ["webp", "avif"])
def test_quality_makes_webp_and_avif_smaller(format_name: str) -> None:
    data = saved(Image.effect_noise((200, 200), 60).convert("RGB"), "PNG")
    low, high = (rendered(data, f"image/format,{format_name}/quality,q_{quality}") for quality in (20, 90))
    assert len(low) < len(high) * 0.7


def test_interlace_makes_a_progressive_jpeg() -> None:
    assert "progressive" in processed(jpeg(), "image/interlace,1").info
    assert "progressive" not in processed(jpeg(), "image/interlace,0").info
    assert "progressive" not in processed(jpeg(progressive=True), "image/resize,w_100").info


def test_a_jpeg_is_written_as_recorded() -> None:
    image = processed(jpeg(subsampling=0), "image/resize,w_100")
    assert image.info["jfif_density"] == (1, 1)
    assert image.info["jfif_unit"] == 0
    assert image.layer[0][1:3] == (2, 2), "4:2:0"  # type: ignore[attr-defined]  # Pillow's JPEG plugin has it


def test_a_profile_is_kept_and_other_metadata_is_not() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "a description"
    image = processed(jpeg(icc_profile=profile, exif=exif), "image/resize,w_100")
    assert image.info["icc_profile"] == profile
    assert dict(image.getexif()) == {}


@pytest.mark.parametrize("format_name", ["GIF", "WEBP"])
def test_an_animation_stays_one_through_resize_and_crop_only(format_name: str) -> None:
    data = animated(format_name)
    moving = rendered(data, "image/resize,w_30/crop,w_20,h_20")
    assert frames_of(moving) == 3
    assert opened(moving).size == (20, 20)
    assert all(near(frame_color(moving, index), frame_color(data, index), 20) for index in range(3))
    for process in ("rotate,90", "resize,p_50", "format,jpg", "format,png"):
        assert frames_of(rendered(data, f"image/{process}")) == 1


def frame_color(data: bytes, index: int) -> tuple[int, ...]:
    image = opened(data)
    image.seek(index)
    color = image.convert("RGB").getpixel((5, 5))
    assert isinstance(color, tuple)
    return color


def test_an_animation_is_not_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("RGB", (60, 40), color) for color in QUADRANTS]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=exif)
    assert decoding.inspect(data).orientation == 6
    assert processed(data, "image/resize,w_30").size == (30, 20)
    assert processed(data, "image/format,jpg").size == (60, 40)


def test_an_animation_keeps_its_pace() -> None:
    image = opened(rendered(animated("GIF"), "image/resize,w_30"))
    delays = []
    for index in range(3):
        image.seek(index)
        delays.append(image.info["duration"])
    assert delays == [50, 80, 110]
    assert image.info["loop"] == 0


def test_a_gif_becomes_an_animated_webp() -> None:
    assert frames_of(rendered(animated("GIF"), "image/format,webp")) == 3


@pytest.mark.parametrize(
    ("process", "http", "code", "ec"),
    [
        ("resize,w_0", 400, "InvalidArgument", "0040-00000312"),
        ("resize,w_16385", 400, "InvalidArgument", "0040-00000312"),
        ("resize,m_lfit", 400, "MissingArgument", "0040-00000321"),
        ("resize,m_other,w_10", 400, "InvalidArgument", "0040-00000311"),
        ("resize,w_5000,h_5000,m_fixed,limit_0", 400, "InvalidArgument", "0040-00000007"),
        ("resize,p_1000/resize,p_1000", 400, "InvalidArgument", "0040-00000007"),
        ("crop,x_400", 400, "CutEdgeExceedRange", ""),
        ("crop,y_300", 400, "CutEdgeExceedRange", ""),
        ("crop,w_-1", 400, "InvalidArgument", "0040-00000225"),
        ("rotate,361", 400, "InvalidArgument", "0040-00000217"),
        ("rotate", 400, "MissingArgument", "0040-00000216"),
        ("auto-orient,2", 400, "InvalidArgument", "0040-00000215"),
        ("quality,q_0", 400, "InvalidArgument", "0040-00000309"),
        ("quality,Q_101", 400, "InvalidArgument", "0040-00000308"),
        ("format,f_png", 400, "InvalidArgument", "0040-00000206"),
        ("format,psd", 400, "InvalidArgument", "0040-00000206"),
        ("flip,1", 400, "InvalidArgument", "0040-00000213"),
        ("info/resize,w_10", 400, "InvalidArgument", ""),
        ("resize,w_10/info", 400, "InvalidArgument", ""),
        ("average-hue/resize,w_10", 400, "InvalidArgument", ""),
        ("format,heic", 501, "NotImplemented", ""),
    ],
)
def test_what_is_refused(process: str, http: int, code: str, ec: str) -> None:
    found = refusal(jpeg(400, 300), f"image/{process}")
    assert (found.http, found.code, found.ec) == (http, code, ec)
    if http == 501:
        name, _, value = process.partition(",")
        assert name in found.message or value in found.message


@pytest.mark.parametrize(
    ("data", "code", "ec"),
    [
        (b"just text", "BadRequest", "0040-00000005"),
        (b"", "BadRequest", "0040-00000005"),
        (jpeg()[:700], "ImageDamage", ""),
        (jpeg()[:4], "ImageDamage", ""),
        (saved(picture(80, 60), "PNG")[:60], "ImageDamage", ""),
        (saved(picture(80, 60), "PNG")[:-30], "ImageDamage", ""),
        (saved(picture(80, 60), "GIF")[:40], "ImageDamage", ""),
        (saved(picture(80, 60), "BMP")[:40], "ImageDamage", ""),
        (saved(picture(80, 60), "BMP")[:-40], "ImageDamage", ""),
        (saved(picture(80, 60), "WEBP")[:60], "BadWebPImage", ""),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "BadWebPImage", ""),
    ],
)
def test_what_is_no_whole_picture_is_refused(data: bytes, code: str, ec: str) -> None:
    found = refusal(data, "image/resize,w_10")
    assert (found.http, found.code, found.ec) == (400, code, ec)


def lying_png(width: int, height: int) -> bytes:
    """A small file that claims a large picture."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + saved(picture(8, 8), "PNG")[33:]
    )


@pytest.mark.parametrize(("size", "ec"), [((30_001, 10), "0040-00000012"), ((20_000, 20_000), "0040-00000012")])
def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(size: tuple[int, int], ec: str) -> None:
    found = refusal(lying_png(*size), "image/resize,w_10")
    assert (found.http, found.code, found.ec) == (400, "MemLimitExceeded", ec)


def test_pixels_of_all_frames_count() -> None:
    source = decoding.inspect(animated("GIF"))
    assert source.frames == 3
    by_rows = replace(source, format=FORMATS["png"])
    decoding.check_limits(replace(by_rows, size=Size(10_000, 8_000)))
    with pytest.raises(RefusedError, match="MemLimitExceeded"):
        decoding.check_limits(replace(by_rows, size=Size(10_000, 8_000), frames=4))
    # What is decoded as a whole is refused earlier, by name: the service takes it, this server has not the memory.
    decoding.check_limits(replace(source, size=Size(5_000, 6_000)))
    with pytest.raises(RefusedError, match="sources in gif of more than 100,000,000 pixels"):
        decoding.check_limits(replace(source, size=Size(5_000, 7_000)))


def test_what_is_too_large_to_turn_is_refused_also_where_the_orientation_asks_for_it() -> None:
    assert refusal(jpeg(4097, 10), "image/rotate,90").ec == "0040-00000006"
    assert refusal(oriented(4097, 10, 6), "image/resize,w_5").ec == "0040-00000006"
    assert processed(oriented(4097, 10, 6), "image/auto-orient,0/resize,h_5").size == (2049, 5)
    assert processed(jpeg(4097, 10), "image/resize,w_4096/rotate,90").size == (10, 4096)


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the recorded example picture is not here")
def test_the_recorded_colour_of_the_example_picture() -> None:
    assert rendered(EXAMPLE.read_bytes(), "image/average-hue") == b'{"RGB": "0x5c783b"}'


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the recorded example picture is not here")
@pytest.mark.parametrize(
    ("process", "format_name", "size", "length"),
    [
        ("rotate,90", "JPEG", (267, 400), 20998),
        ("resize,m_fixed,w_100,h_100", "JPEG", (100, 100), None),
        ("crop,w_100,h_100,x_100,y_100,r_1", "JPEG", (100, 100), None),
        ("sharpen,100", "JPEG", (400, 267), None),
        ("format,png", "PNG", (400, 267), None),
    ],
)
def test_the_recorded_results_of_the_example_picture(
    process: str, format_name: str, size: tuple[int, int], length: int | None
) -> None:
    data = rendered(EXAMPLE.read_bytes(), f"image/{process}")
    image = opened(data)
    assert (image.format, image.size) == (format_name, size)
    if length is not None:
        assert len(data) == length, "turned without scaling, the service's file is known to the byte"
