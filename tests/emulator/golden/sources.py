"""The pictures that the tables of this directory speak of, made with Pillow."""

from functools import cache

from PIL import Image

from tests.emulator.pictures import QUADRANTS, animated, oriented, picture, saved

# The colours that the tables name: the four quadrants, and what else is needed.
COLORS = {
    **{name: (*color, 255) for name, color in zip(("nw", "ne", "sw", "se"), QUADRANTS, strict=True)},
    "white": (255, 255, 255, 255),
    "black": (0, 0, 0, 255),
    "red": (255, 0, 0, 255),
    "blue": (0, 0, 255, 255),
}


def _with_a_clear_quadrant() -> Image.Image:
    image = picture(120, 80, "RGBA")
    image.paste((0, 0, 0, 0), (60, 0, 120, 40))
    return image


def _two_colors() -> Image.Image:
    image = Image.new("RGBA", (40, 20), COLORS["red"])
    image.paste(COLORS["blue"], (20, 0, 40, 20))
    return image


@cache
def sources() -> dict[str, bytes]:
    """All sources by key."""
    mark = _two_colors()
    half = Image.new("RGBA", (40, 20), (255, 0, 0, 128))
    small = picture(80, 60)
    return {
        "photo.jpg": saved(picture(400, 267), quality=90, subsampling=0),
        "wide.png": saved(picture(200, 100), "PNG"),
        "tall.png": saved(picture(100, 200), "PNG"),
        "clear.png": saved(_with_a_clear_quadrant(), "PNG"),
        "grey.png": saved(Image.new("L", (80, 60), 100), "PNG"),
        "white.png": saved(Image.new("RGB", (300, 200), "white"), "PNG"),
        "turned.jpg": oriented(120, 80, 6),
        "small.webp": saved(small, "WEBP", quality=95),
        "small.bmp": saved(small, "BMP"),
        "small.tiff": saved(small, "TIFF"),
        "small.gif": saved(small, "GIF"),
        "lab.tiff": saved(Image.new("LAB", (80, 60)), "TIFF"),
        "small.avif": saved(small, "AVIF", quality=95),
        "moving.gif": animated("GIF"),
        "moving.webp": animated("WEBP"),
        "mark.png": saved(mark, "PNG"),
        "dir/标 1.jpg": saved(mark.convert("RGB"), quality=95, subsampling=0),
        "half.png": saved(half, "PNG"),
        "mark.bmp": saved(mark.convert("RGB"), "BMP"),
        "mark.webp": saved(mark, "WEBP", lossless=True),
        "mark.tiff": saved(mark, "TIFF"),
        "long.jpg": saved(Image.new("RGB", (4097, 8)), quality=60),
        "broad.png": saved(Image.new("1", (16_400, 4)), "PNG"),
        "text.txt": b"no picture",
        "broken.jpg": saved(picture(400, 267))[:900],
        "broken.png": saved(picture(200, 100), "PNG")[:-20],
        "broken.webp": saved(picture(200, 100), "WEBP")[:80],
    }
