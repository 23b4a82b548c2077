"""Sizes: what resize and crop mean, with the documentation's and the recorded numbers first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.emulator.images.geometry import Box, Size, cropping, scaling
from worker.oss.actions import complete, values
from worker.oss.process import Action, parse_action


def said(name: str, **given: str) -> dict[str, str]:
    return values(complete(Action(name, tuple(given.items()))))


def resized(source: tuple[int, int], parameters: str) -> tuple[int, int]:
    found = scaling(Size(*source), values(complete(parse_action(f"resize,{parameters}"))))
    result = found.result if found else Size(*source)
    return result.width, result.height


@pytest.mark.parametrize(
    ("source", "parameters", "result"),
    [
        # Documented: 200x100 resized to 150x80 in every mode.
        ((200, 100), "m_lfit,w_150,h_80", (150, 75)),
        ((200, 100), "m_mfit,w_150,h_80", (160, 80)),
        ((200, 100), "m_fill,w_150,h_80", (150, 80)),
        ((200, 100), "m_pad,w_150,h_80", (150, 80)),
        ((200, 100), "m_fixed,w_150,h_80", (150, 80)),
        ((200, 100), "m_fixed,h_100", (100, 100)),
        # Recorded.
        ((4096, 444), "w_1600", (1600, 173)),
        ((900, 7321), "m_lfit,w_1600", (900, 7321)),
        ((400, 267), "m_fixed,w_100,h_100", (100, 100)),
        ((333, 424), "w_100", (100, 127)),
        # A derived side is rounded half up.
        ((200, 101), "w_100", (100, 51)),
        ((200, 99), "w_100", (100, 50)),
        ((101, 200), "h_100", (51, 100)),
        ((4000, 3), "w_100", (100, 1)),
        # One side: the other follows.
        ((400, 267), "h_100", (150, 100)),
        ((400, 267), "m_fill,w_100", (100, 67)),
        ((400, 267), "m_pad,h_100", (150, 100)),
        ((400, 267), "m_mfit,w_100", (100, 67)),
        ((400, 267), "m_fixed,w_100", (100, 100)),
        # The longer and the shorter side.
        ((400, 267), "l_100", (100, 67)),
        ((267, 400), "l_100", (67, 100)),
        ((400, 267), "s_100", (150, 100)),
        ((267, 400), "s_100", (100, 150)),
        ((400, 200), "l_100,s_80", (100, 50)),
        ((400, 200), "m_mfit,l_100,s_80", (160, 80)),
        ((200, 400), "m_fixed,l_100,s_80", (80, 100)),
        ((400, 267), "m_lfit,w_100,l_50", (100, 67)),
        # Percent.
        ((400, 267), "p_50", (200, 134)),
        ((400, 267), "p_200", (800, 534)),
        ((3, 3), "p_1", (1, 1)),
        ((400, 267), "w_100,p_50", (100, 67)),
        # Limit: nothing is enlarged unless asked for.
        ((100, 50), "w_200", (100, 50)),
        ((100, 50), "w_200,limit_1", (100, 50)),
        ((100, 50), "w_200,limit_0", (200, 100)),
        ((100, 50), "m_fill,w_90,h_80", (100, 50)),
        ((100, 50), "m_fill,w_90,h_80,limit_0", (90, 80)),
        ((100, 50), "m_pad,w_200,h_200", (100, 50)),
        ((100, 50), "m_pad,w_100,h_200", (100, 200)),
        ((100, 50), "m_pad,w_200,h_200,limit_0", (200, 200)),
        ((100, 50), "m_fixed,w_50,h_60", (100, 50)),
        ((100, 50), "m_fixed,w_50,h_60,limit_0", (50, 60)),
        ((100, 50), "m_mfit,w_100,h_50", (100, 50)),
        # The old name of the modes; the last of duplicates wins.
        ((200, 100), "e_1,w_150,h_80", (160, 80)),
        ((200, 100), "e_0,w_150,h_80", (150, 75)),
        ((200, 100), "e_1,m_lfit,w_150,h_80", (150, 75)),
        ((200, 100), "w_10,w_150,h_80", (150, 75)),
    ],
)
def test_resize(source: tuple[int, int], parameters: str, result: tuple[int, int]) -> None:
    assert resized(source, parameters) == result


@given(
    source=st.tuples(st.integers(1, 30_000), st.integers(1, 30_000)),
    asked=st.tuples(st.integers(1, 16_384), st.integers(1, 16_384)),
    mode=st.sampled_from(["lfit", "mfit", "fill", "pad", "fixed"]),
)
def test_every_mode_keeps_its_promise(source: tuple[int, int], asked: tuple[int, int], mode: str) -> None:
    width, height = resized(source, f"m_{mode},w_{asked[0]},h_{asked[1]},limit_0")
    if mode in {"fill", "pad", "fixed"}:
        assert (width, height) == asked
    elif mode == "lfit":
        assert width <= asked[0]
        assert height <= asked[1]
        assert width == asked[0] or height == asked[1]
    else:
        assert width >= asked[0]
        assert height >= asked[1]
        assert width == asked[0] or height == asked[1]


def test_fill_cuts_from_the_middle_and_pad_puts_into_the_middle() -> None:
    filled = scaling(Size(200, 100), said("resize", m="fill", w="100", h="100"))
    padded = scaling(Size(200, 100), said("resize", m="pad", w="100", h="100"))
    assert filled is not None
    assert padded is not None
    assert (filled.scaled, filled.crop) == (Size(200, 100), Box(50, 0, Size(100, 100)))
    assert (padded.scaled, padded.pad) == (Size(100, 50), Box(0, 25, Size(100, 100)))


def test_a_gif_is_never_enlarged() -> None:
    assert scaling(Size(60, 40), said("resize", w="120", limit="0"), may_enlarge=False) is None
    assert scaling(Size(60, 40), said("resize", p="120"), may_enlarge=False) is None


@pytest.mark.parametrize(
    ("gravity", "x", "y"),
    [
        *[("nw", 0, 0), ("north", 150, 0), ("ne", 300, 0), ("west", 0, 83), ("center", 150, 83)],
        *[("east", 300, 83), ("sw", 0, 167), ("south", 150, 167), ("se", 300, 167)],
    ],
)
def test_crop_starts_where_the_documented_table_says(gravity: str, x: int, y: int) -> None:
    asked = said("crop", w="100", h="100", g=gravity)
    assert cropping(Size(400, 267), asked) == Box(x, y, Size(100, 100))
    if x + 7 < 400:
        moved = cropping(Size(400, 267), {**asked, "x": "7", "y": "5"})
        assert moved is not None
        assert (moved.x, moved.y) == (x + 7, y + 5)
        assert moved.size == Size(min(100, 400 - x - 7), min(100, 267 - y - 5))


@pytest.mark.parametrize(
    ("asked", "box"),
    [
        ({}, Box(0, 0, Size(400, 267))),
        ({"w": "0", "h": "0"}, Box(0, 0, Size(400, 267))),
        ({"x": "100"}, Box(100, 0, Size(300, 267))),
        ({"w": "9999", "h": "10"}, Box(0, 0, Size(400, 10))),
        ({"w": "100", "h": "100", "x": "399", "y": "266"}, Box(399, 266, Size(1, 1))),
        ({"x": "400"}, None),
        ({"y": "267"}, None),
    ],
)
def test_crop_takes_what_is_there(asked: dict[str, str], box: Box | None) -> None:
    assert cropping(Size(400, 267), said("crop", **asked)) == box
