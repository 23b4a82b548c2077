"""Results beside those of another library: the same picture, made with Pillow from the words of the documentation."""

from collections.abc import Callable

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageStat

from tests.emulator.golden.sources import sources
from tests.emulator.pictures import opened, processed, saved
from worker.oss.encoding import to_base64

Work = Callable[[Image.Image], Image.Image]


def photo() -> Image.Image:
    """Colour that changes everywhere, with fine detail: a wrong place or size shows in the mean difference."""
    bands = [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90)]
    image = Image.merge("RGB", bands).resize((400, 267), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for index in range(1500):
        x, y = index * 37 % 400, index * 53 % 267
        draw.rectangle(
            (x, y, x + index % 5, y + index % 7), fill=(index * 5 % 256, index * 11 % 256, 255 - index % 256)
        )
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean absolute difference over all pixels and bands; transparent pixels count by their alpha alone."""
    assert one.size == other.size
    assert one.mode == other.mode
    if one.mode == "RGBA":
        one, other = one.convert("RGBa"), other.convert("RGBa")
    bands = zip(one.split(), other.split(), strict=True)
    means = [ImageStat.Stat(ImageChops.difference(left, right)).mean[0] for left, right in bands]
    return sum(means) / len(means)


def scaled(width: int, height: int) -> Work:
    return lambda image: image.resize((width, height), Image.Resampling.LANCZOS)


def most_different(one: Image.Image, other: Image.Image) -> int:
    """The greatest difference of any pixel in any band: at the edges, if something is missing there."""
    return max(high for _, high in ImageChops.difference(one, other).getextrema())  # type: ignore[misc]  # pairs: the image has bands


def half_even(part: int, whole: int) -> int:
    """Their quotient as a whole number; what lies halfway goes to the even one."""
    quotient, rest = divmod(part, whole)
    return quotient + (2 * rest > whole or (2 * rest == whole and quotient % 2 == 1))


def averaged(width: int, height: int) -> Work:
    """Each pixel is the mean of what lies under it, of pixels at its edge the share that does, in whole numbers."""

    def shares(length: int, parts: int) -> list[list[tuple[int, int]]]:
        """For each part the pixels under it, and how many of `parts` pieces of each."""
        return [
            [
                (place, min((part + 1) * length, (place + 1) * parts) - max(part * length, place * parts))
                for place in range(part * length // parts, -(-(part + 1) * length // parts))
            ]
            for part in range(parts)
        ]

    def work(image: Image.Image) -> Image.Image:
        across, down = shares(image.width, width), shares(image.height, height)
        bands = []
        for band in image.split():
            pixels = band.tobytes()
            rows = [pixels[start : start + image.width] for start in range(0, len(pixels), image.width)]
            sums = [[sum(row[place] * share for place, share in part) for part in across] for row in rows]
            area = image.width * image.height
            means = [
                half_even(sum(sums[place][x] * share for place, share in part), area)
                for part in down
                for x in range(width)
            ]
            bands.append(Image.frombytes("L", (width, height), bytes(means)))
        return Image.merge(image.mode, bands)

    return work


def cut(x: int, y: int, width: int, height: int) -> Work:
    return lambda image: image.crop((x, y, x + width, y + height))


def turned(image: Image.Image) -> Image.Image:
    # 400 cos 30 + 267 sin 30 is 480 wide, 400 sin 30 + 267 cos 30 is 431 high; Pillow adds a row above and below.
    return image.rotate(-30, Image.Resampling.BILINEAR, expand=True, fillcolor="white").crop((0, 1, 480, 432))


def padded(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (200, 200), (255, 128, 0))
    canvas.paste(averaged(200, 134)(image), (0, 33))
    return canvas


def masked(image: Image.Image, draw: Callable[[ImageDraw.ImageDraw, int], None]) -> Image.Image:
    """With a mask drawn eight times as large and averaged."""
    mask = Image.new("L", (image.width * 8, image.height * 8))
    draw(ImageDraw.Draw(mask), 8)
    image = image.convert("RGBA")
    image.putalpha(mask.reduce(8))
    return image


def in_circle(diameter: int) -> Work:
    def work(image: Image.Image) -> Image.Image:
        x, y = (image.width - diameter) // 2, (image.height - diameter) // 2
        part = image.crop((x, y, x + diameter, y + diameter))
        return masked(
            part, lambda draw, scale: draw.ellipse((0, 0, diameter * scale - 1, diameter * scale - 1), fill=255)
        )

    return work


def with_corners(radius: int) -> Work:
    def work(image: Image.Image) -> Image.Image:
        def shape(draw: ImageDraw.ImageDraw, scale: int) -> None:
            box = (0, 0, image.width * scale - 1, image.height * scale - 1)
            draw.rounded_rectangle(box, radius * scale, fill=255)

        return masked(image, shape)

    return work


def marked(x: int, y: int, opacity: int = 100, size: tuple[int, int] = (40, 20), key: str = "mark.png") -> Work:
    def work(image: Image.Image) -> Image.Image:
        return over(image, opened(sources()[key]).resize(size, Image.Resampling.LANCZOS), (x, y), opacity)

    return work


def tiled(gap_x: int, gap_y: int, opacity: int) -> Work:
    def work(image: Image.Image) -> Image.Image:
        layer = Image.new("RGBA", image.size)
        for x in range(0, image.width, 40 + gap_x):
            for y in range(0, image.height, 20 + gap_y):
                layer.paste(opened(sources()["mark.png"]), (x, y))
        return over(image, layer, (0, 0), opacity)

    return work


def over(image: Image.Image, layer: Image.Image, place: tuple[int, int], opacity: int) -> Image.Image:
    layer.putalpha(layer.getchannel("A").point(lambda value: value * opacity // 100))
    canvas = Image.new("RGBA", image.size)
    canvas.paste(layer, place)
    return Image.alpha_composite(image.convert("RGBA"), canvas).convert("RGB")


def stretched(percent: int) -> Work:
    level = 255 * percent / 100
    factor = 259 * (level + 255) / (255 * (259 - level))
    return lambda image: image.point(
        [round(min(max(factor * (value - 128) + 128, 0), 255)) for value in range(256)] * 3
    )


MARK = to_base64("mark.png")
CASES: list[tuple[str, Work, float]] = [
    # Cuts and turns: exact.
    ("crop,w_123,h_45,x_67,y_89", cut(67, 89, 123, 45), 0),
    ("crop,w_123,h_45,g_center", cut(138, 111, 123, 45), 0),
    ("crop,w_123,h_45,g_se,x_3,y_4", cut(280, 226, 120, 41), 0),
    ("indexcrop,x_90,i_3", cut(270, 0, 90, 267), 0),
    ("indexcrop,y_90,i_2", cut(0, 180, 400, 87), 0),
    ("rotate,90", lambda image: image.transpose(Image.Transpose.ROTATE_270), 0),
    ("rotate,180", lambda image: image.transpose(Image.Transpose.ROTATE_180), 0),
    ("rotate,270", lambda image: image.transpose(Image.Transpose.ROTATE_90), 0),
    ("rotate,30", turned, 2.5),
    # A small picture is made smaller exactly.
    ("resize,m_fixed,w_100,h_100", averaged(100, 100), 0),
    ("resize,w_133", averaged(133, 89), 0),
    ("resize,w_399", averaged(399, 266), 0),
    ("resize,m_fixed,w_400,h_1", averaged(400, 1), 0),
    # libvips lays an enlarged picture half a pixel off, which fine detail shows.
    ("resize,p_200", lambda image: image.resize((800, 534), Image.Resampling.BICUBIC), 6),
    ("resize,m_fill,w_100,h_100", lambda image: cut(25, 0, 100, 100)(averaged(150, 100)(image)), 0),
    ("resize,m_pad,w_200,h_200,color_FF8000", padded, 0),
    # Shapes.
    ("circle,r_77", in_circle(154), 0.2),
    ("circle,r_4096", in_circle(267), 0.2),
    ("rounded-corners,r_40", with_corners(40), 0.2),
    ("rounded-corners,r_133", with_corners(133), 0.2),
    # Watermarks.
    (f"watermark,image_{MARK}", marked(350, 237), 0.1),
    (f"watermark,image_{MARK},g_center,voffset_-20,t_40", marked(180, 103, 40), 0.1),
    (f"watermark,image_{MARK},g_north,y_30", marked(180, 30), 0.1),
    (f"watermark,image_{MARK},g_sw,t_70", marked(10, 237, 70), 0.1),
    (f"watermark,image_{to_base64('half.png')},g_nw", marked(10, 10, key="half.png"), 0.05),
    (f"watermark,image_{MARK},P_50,g_nw", marked(10, 10, size=(200, 100)), 0.3),
    (f"watermark,image_{MARK},fill_1,padx_7,pady_9,t_60", tiled(7, 9, 60), 0.3),
    (f"watermark,image_{MARK},fill_1", tiled(0, 0, 100), 0.1),
    # Effects: what the support table says they are.
    ("bright,30", lambda image: image.point([min(255, round(value + 76.5)) for value in range(256)] * 3), 0.6),
    ("bright,-30", lambda image: image.point([max(0, round(value - 76.5)) for value in range(256)] * 3), 0.6),
    ("contrast,40", stretched(40), 0.1),
    ("contrast,-40", stretched(-40), 0.1),
    ("contrast,-100", lambda image: ImageEnhance.Brightness(image).enhance(0).point([128] * 768), 0.6),
    ("blur,r_12,s_4", lambda image: image.filter(ImageFilter.GaussianBlur(4)), 1),
    ("blur,r_3,s_1", lambda image: image.filter(ImageFilter.GaussianBlur(1)), 1),
    ("sharpen,100", lambda image: image.filter(ImageFilter.UnsharpMask(1, 80, 0)), 1),
    ("sharpen,300", lambda image: image.filter(ImageFilter.UnsharpMask(1, 240, 0)), 2),
]


def test_a_large_picture_is_made_smaller_by_lanczos() -> None:
    large = photo().resize((800, 534), Image.Resampling.BICUBIC)
    assert difference(processed(saved(large, "PNG"), "image/resize,w_240"), scaled(240, 160)(large)) < 1


@pytest.mark.parametrize(
    ("size", "process", "scaled_size", "corner"),
    [
        ((400, 10), "w_100,h_1000", (40_000, 1000), (19_950, 0)),
        ((10, 400), "w_1000,h_100", (1000, 40_000), (0, 19_950)),
        ((400, 10), "w_4096,h_1024", (40_960, 1024), (18_432, 0)),
    ],
)
def test_a_strip_is_cut_out_of_what_no_result_may_be_as_large_as(
    size: tuple[int, int], process: str, scaled_size: tuple[int, int], corner: tuple[int, int]
) -> None:
    image = photo().resize(size)
    found = processed(saved(image, "PNG"), f"image/resize,m_fill,{process},limit_0")
    wanted = cut(*corner, *found.size)(image.resize(scaled_size, Image.Resampling.BICUBIC))
    assert difference(found, wanted) < 0.3
    assert most_different(found, wanted) < 10


def test_a_strip_of_what_is_made_smaller_is_cut_out_as_well() -> None:
    image = photo().resize((6000, 1500), Image.Resampling.BICUBIC)
    found = processed(saved(image, "PNG"), "image/resize,m_fill,w_60,h_1400")
    wanted = cut(2770, 0, 60, 1400)(image.resize((5600, 1400), Image.Resampling.LANCZOS))
    assert difference(found, wanted) < 0.3
    assert most_different(found, wanted) < 10


@pytest.mark.parametrize(("process", "work", "tolerance"), CASES, ids=[case[0] for case in CASES])
def test_a_result_is_near_what_another_library_makes(process: str, work: Work, tolerance: float) -> None:
    found = processed(saved(photo(), "PNG"), f"image/{process}", sources())
    wanted = work(photo())
    assert difference(found, wanted) <= tolerance
    if found.size == photo().size:
        assert difference(photo().convert(wanted.mode), wanted) > 2 * tolerance, "else this would not see a plain copy"
