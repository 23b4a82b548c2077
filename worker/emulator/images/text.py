"""Text as pixels, drawn by Pango with the fonts that fontconfig finds."""

import unicodedata
from functools import lru_cache
from xml.sax.saxutils import escape  # quotes text as Pango's markup needs it; nothing is parsed

from worker.emulator import refusals
from worker.emulator.images.libvips import Error, Image

# The families of the service's fonts. Where one is not installed fontconfig takes the nearest that is.
_FAMILIES = {
    "wqy-zenhei": "WenQuanYi Zen Hei",
    "wqy-microhei": "WenQuanYi Micro Hei",
    "fangzhengshusong": "FZShuSong-Z01",
    "fangzhengkaiti": "FZKai-Z03",
    "fangzhengheiti": "FZHei-B01",
    "fangzhengfangsong": "FZFangSong-Z02",
    "droidsansfallback": "Droid Sans Fallback",
}
_MAX_WIDTH = 16_384  # FreeType's bitmaps end at 32,767; a longer line is drawn smaller and enlarged
_UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Mc", "Me"})  # blanks, controls, and marks on other characters
_NEVER = ("\ufdd0", "\U0010fffe")  # what Unicode promises never to be a character, of four and of six digits


def draw_text(text: str, font: str, size: int) -> Image:
    """How much each pixel is covered, 0 to 255, in the smallest box that holds the text of this size in pixels.

    Raises:
        RefusedError: There is nothing to draw, or no font for it.
    """
    shown = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    if all(unicodedata.category(character) in _UNSEEN for character in shown):
        raise refusals.watermark_error("The text of the watermark has nothing to draw.")
    family = _FAMILIES[font]
    missing = "".join(dict.fromkeys(character for character in shown if not _has_glyph(family, character)))
    if missing:
        raise refusals.no_font(missing)
    fitting = min(size, max(1, _MAX_WIDTH // len(shown)))
    try:
        mask = _drawn(shown, family, fitting)
    except Error:  # a letter that is invisible although Unicode counts it among the visible ones
        raise refusals.watermark_error("The text of the watermark has nothing to draw.") from None
    return mask if fitting == size else mask.resize(size / fitting)


def _drawn(text: str, family: str, size: int) -> Image:
    # At 72 dots per inch a point is a pixel.
    return Image.text(escape(text), font=f"{family} {size}", dpi=72)


@lru_cache(maxsize=65_536)
def _has_glyph(family: str, character: str) -> bool:
    """Whether any font has the character: for one that none has, Pango draws a box that looks the same for all."""
    if unicodedata.category(character) in _UNSEEN:
        return True
    try:
        drawn = _drawn(character, family, 40)
    except Error:
        return True
    return _outline(drawn) != _outline(_box(family, wide=ord(character) > 0xFFFF))


@lru_cache(maxsize=16)
def _box(family: str, *, wide: bool) -> Image:
    return _drawn(_NEVER[wide], family, 40).copy_memory()


def _outline(mask: Image) -> tuple[int, int, int, int, bytes]:
    """Size, place and rim of a drawing: the boxes of missing characters differ in the digits within, not in these."""
    left, top, width, height = mask.find_trim(threshold=1, background=0, line_art=True)
    rim = mask.crop(left, top, width, height)
    if width > 2 and height > 2:
        rim = rim.draw_rect(0, 1, 1, width - 2, height - 2, fill=True)
    return width, height, mask.xoffset + left, mask.yoffset + top, bytes(rim.write_to_memory())
