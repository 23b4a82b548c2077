"""Text watermarks with the fonts of this machine, of which there may be none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.emulator.pictures import opened, refusal_or_none, rendered, saved
from worker.oss.encoding import to_base64

WHITE = saved(Image.new("RGB", (300, 200), "white"), "PNG")


def process(text: str, *parameters: str) -> str:
    return ",".join(["image/watermark", f"text_{to_base64(text)}", *parameters])


def ink(text: str, *parameters: str) -> Image.Image:
    """Where a text is, white on black; skipped without a font for it."""
    found = refusal_or_none(WHITE, process(text, *parameters))
    if found is not None and found.http == 501:
        pytest.skip("no font on this machine has the characters")
    return ImageOps.invert(opened(rendered(WHITE, process(text, *parameters))).convert("L"))


def box(image: Image.Image) -> tuple[int, int, int, int]:
    found = image.getbbox()
    assert found is not None
    return found


@pytest.mark.parametrize("character", ["\ufdd0", "\U0010fffd", "\ue000"])
def test_a_character_that_no_font_has_is_refused_by_name_with_the_mend(character: str) -> None:
    found = refusal_or_none(WHITE, process(f" {character}{character}"))
    assert found is not None
    assert (found.http, found.code) == (501, "NotImplemented")
    assert found.message.count(f"(U+{ord(character):04X})") == 1
    assert "fonts-wqy-zenhei" in found.message


@pytest.mark.parametrize("text", ["A", "R&D <1>", "<b>x</b>", "&amp;", "é—ñ", "a\x00b\tc\nd", "%s {x} \\"])
def test_any_text_is_taken_as_it_is(text: str) -> None:
    assert ink(text).getbbox() is not None


def test_markup_is_text() -> None:
    left, _, right, _ = box(ink("<b>A</b>"))
    plain_left, _, plain_right, _ = box(ink("A"))
    assert right - left > 3 * (plain_right - plain_left)


def test_the_size_is_in_pixels() -> None:
    small, large = box(ink("E", "size_20")), box(ink("E", "size_80"))
    heights = small[3] - small[1], large[3] - large[1]
    assert 3.2 <= heights[1] / heights[0] <= 4.8
    assert 40 <= heights[1] <= 80


def test_text_turns_clockwise() -> None:
    turned = ink("HHH.", "rotate_90", "size_60", "g_nw", "x_0", "y_0")
    left, top, right, bottom = box(turned)
    assert bottom - top > 2 * (right - left)
    dot = turned.crop((left, bottom - 5, right, bottom))  # the dot ends the text, so it is the lowest
    assert box(dot)[2] < (right - left) // 2, "and stood at the foot of the line, so it is at the left"


def test_a_long_large_text_is_drawn_as_far_as_it_is_seen() -> None:
    assert ink("W" * 64, "size_1000").getbbox() is not None


def test_chinese_is_drawn_where_there_is_a_font_and_refused_where_not() -> None:
    left, top, right, bottom = box(ink("图片", "size_40"))
    assert 60 <= right - left <= 90
    assert 30 <= bottom - top <= 45


def test_without_any_font_every_text_is_refused_and_nothing_else(tmp_path: Path) -> None:
    fonts = tmp_path / "fonts.conf"
    fonts.write_text(f"<fontconfig><dir>{tmp_path}/none</dir><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    script = (
        "from tests.emulator.test_text import WHITE, process, refusal_or_none\n"
        "for made in (process('A'), process('图'), 'image/blur,r_1'):\n"
        "    found = refusal_or_none(WHITE, made)\n"
        "    print(found.message if found else 'a picture')"
    )
    environ = {**os.environ, "FONTCONFIG_FILE": str(fonts), "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, check=True, timeout=60)
    latin, chinese, plain = run.stdout.decode().splitlines()
    assert "A (U+0041)" in latin
    assert "图 (U+56FE)" in chinese
    assert plain == "a picture"
