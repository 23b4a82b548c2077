"""Process strings and what comes of them, through the local OSS: the tables beside this file.

What they say is from the documentation and from recorded answers of the service; where both are silent it is what the
support table in docs/local-oss.md marks as a guess.
"""

import json

import pytest
from defusedxml import ElementTree
from PIL import Image

from tests.emulator.client import Client
from tests.emulator.golden.sources import sources
from tests.emulator.golden.tables import Probe, Refused, Rendition, refusals, renditions
from tests.emulator.pictures import frames_of, opened, saved
from worker.emulator.memory_store import MemoryStore
from worker.emulator.store import put
from worker.oss.answer import Answer

TOLERANCE = 20  # what JPEG, WebP and AVIF make of a flat colour


@pytest.fixture(autouse=True)
def stored(store: MemoryStore) -> None:
    for key, data in sources().items():
        put(store, "photos", key, data, {})


def test_the_tables_are_as_long_as_promised() -> None:
    assert len(renditions()) >= 150
    assert len(refusals()) >= 60
    for rows in (renditions(), refusals()):
        named = [(row.source, row.process) for row in rows]
        assert len(set(named)) == len(named)


@pytest.mark.parametrize("row", renditions(), ids=lambda row: f"{row.source}-{row.process}")
async def test_a_process_makes_the_picture_of_the_table(client: Client, row: Rendition) -> None:
    answer = await client.get("photos", row.source, ("x-oss-process", row.process))
    skip_without_font(answer)
    assert answer.status == 200, answer.body
    image = opened(answer.body)
    assert (image.format, image.size, frames_of(answer.body)) == (row.format, row.size, row.frames)
    colors = image.convert("RGBA")
    assert (colors.getchannel("A").getextrema()[0] != 255) == row.alpha
    assert answer.headers["content-type"] == f"image/{row.format.lower()}"
    wrong = [(probe, found) for probe in row.probes if not matches(probe, found := pixel(colors, probe))]
    assert not wrong


@pytest.mark.parametrize("row", refusals(), ids=lambda row: f"{row.source}-{row.process}")
async def test_a_process_is_refused_as_in_the_table(client: Client, row: Refused) -> None:
    answer = await client.get("photos", row.source, ("x-oss-process", row.process))
    root = ElementTree.fromstring(answer.body)
    found = (answer.status, root.findtext("Code"), root.findtext("EC"), root.findtext("Message"))
    assert found == (row.status, row.code, row.ec, row.message)
    assert answer.headers.get("x-oss-ec") == row.ec


@pytest.mark.parametrize(("source", "hue"), [("grey.png", "0x646464"), ("white.png", "0xffffff")])
async def test_the_average_hue_of_one_colour_is_that_colour(client: Client, source: str, hue: str) -> None:
    answer = await client.get("photos", source, ("x-oss-process", "image/average-hue"))
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == f'{{"RGB": "{hue}"}}'.encode()


async def test_average_hue_leaves_out_what_is_far_from_the_mean_hue(client: Client, store: MemoryStore) -> None:
    # Three of hue 0 and one of another: of 40 the mean is 10, so that all are near; of 100 it is 25, so that only those
    # three are; of 180 it is 45, and none is (45 is not less than 45), so that the mean of all is told.
    others = (
        ("near", (200, 133, 0), "0xc82100"),
        ("far", (67, 200, 0), "0xc80000"),
        ("apart", (0, 200, 200), "0x963232"),
    )
    for name, other, hue in others:
        image = Image.new("RGB", (4, 1), (200, 0, 0))
        image.putpixel((3, 0), other)
        put(store, "photos", f"{name}.png", saved(image, "PNG"), {})
        answer = await client.get("photos", f"{name}.png", ("x-oss-process", "image/average-hue"))
        assert json.loads(answer.body) == {"RGB": hue}, name


def skip_without_font(answer: Answer) -> None:
    if answer.status == 501 and b"fonts-wqy-zenhei" in answer.body:
        pytest.skip("no font on this machine has the characters")


def pixel(image: Image.Image, probe: Probe) -> tuple[int, ...]:
    found = image.getpixel((probe.x, probe.y))
    assert isinstance(found, tuple)
    return found


def matches(probe: Probe, found: tuple[int, ...]) -> bool:
    wanted = probe.color
    if wanted[0] < 0 or wanted[3] == 0:
        return abs(found[3] - wanted[3]) <= TOLERANCE
    return all(abs(one - other) <= TOLERANCE for one, other in zip(found, wanted, strict=True))
