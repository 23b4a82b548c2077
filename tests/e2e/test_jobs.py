"""The jobs that are shipped: each runs on the local OSS and its sample pictures, and makes what it says."""

import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from tests.e2e.desk import Desk
from tests.inventories import delivered, row
from worker.emulator.folder_store import FolderStore
from worker.emulator.images.text import draw_text
from worker.emulator.samples import make_samples
from worker.emulator.samples.making import SAMPLES
from worker.oss.refusal import RefusedError

ROOT = Path(__file__).parents[2]
Size = tuple[int, int]
Made = dict[str, tuple[str, Size]]  # by key: format and size

# The sample pictures, upright.
SIZES: dict[str, Size] = {
    "landscapes/sunset over the sea.jpg": (3000, 4000),
    "landscapes/雪山.jpg": (1280, 853),
    "landscapes/night sky.jpg": (1200, 800),
    "art/still life.jpg": (960, 720),
    "art/waves.webp": (1080, 720),
    "art/fractal.png": (660, 440),
    "art/portrait.jpg": (800, 960),
    "art/gradient mesh.jpg": (1024, 768),
    "art/orbit.gif": (320, 240),
    "products/2026/mug.jpg": (960, 960),
    "products/2026/balloon.png": (720, 960),
    "products/2026/sales chart.png": (1000, 640),
    "brand/logo.png": (360, 360),
}
PRODUCTS = [key for key in SIZES if key.startswith("products/")]
PAGES = [key for key in SIZES if key.startswith(("landscapes/", "art/")) and not key.endswith(".gif")]
PICTURES = [key for key in SIZES if not key.startswith("brand/")]
STILL = [key for key in PICTURES if key.endswith(("jpg", "png"))]
FORMATS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def own_format(key: str) -> str:
    return FORMATS[key.rpartition(".")[2]]


def wide(size: Size, width: int) -> Size:
    """Scaled to a width, never enlarged; a derived side is rounded half up."""
    return size if size[0] <= width else (width, (2 * size[1] * width + size[0]) // (2 * size[0]))


def long(size: Size, longer: int) -> Size:
    """Scaled to a longer side, never enlarged."""
    return wide(size, longer) if size[0] >= size[1] else wide(size[::-1], longer)[::-1]


def shop() -> Made:
    made: Made = {}
    for key in PRODUCTS:
        made[f"shop/{key}/thumb.jpg"] = ("JPEG", (240, 240))
        made[f"shop/{key}/card.jpg"] = ("JPEG", (600, 600))
        made[f"shop/{key}/zoom.jpg"] = ("JPEG", long(SIZES[key], 1600))
    return made


def responsive() -> Made:
    widths = (320, 640, 960, 1440)
    return {f"responsive/{key}/{width}.webp": ("WEBP", wide(SIZES[key], width)) for key in PAGES for width in widths}


def previews() -> Made:
    keys = [*(key for key in SIZES if key.startswith("landscapes/")), "art/portrait.jpg", "art/still life.jpg"]
    return {f"previews/{key}.jpg": ("JPEG", long(SIZES[key], 1024)) for key in keys}


def stills() -> Made:
    return {
        "stills/art/orbit.gif.jpg": ("JPEG", (320, 240)),
        "stills/art/orbit.gif.160.webp": ("WEBP", (160, 160)),
    }


def nightly() -> Made:
    return {f"nightly/{key}": (own_format(key), (200, 200)) for key in PICTURES}


def banners() -> Made:
    return {f"banners/{slug}.jpg": ("JPEG", (1200, 400)) for slug in ("summer", "nights", "spa")}


def backfill() -> Made:
    return {f"display/{key}.webp": ("WEBP", long(SIZES[key], 1280)) for key in PICTURES if not key.endswith(".gif")}


def cards() -> Made:
    keys = [*(key for key in PAGES if key.startswith("landscapes/")), "art/still life.jpg", "art/waves.webp"]
    return {f"cards/{key}.jpg": ("JPEG", (640, 360)) for key in keys}


def migrated() -> Made:
    return {f"webp/{key}.webp": ("WEBP", SIZES[key]) for key in STILL}


def avatars() -> Made:
    """By pipeline: the keys hide the names of the sources."""
    return {}


MADE: dict[str, Callable[[], Made]] = {
    "ecommerce-renditions": shop,
    "responsive-webp": responsive,
    "watermarked-previews": previews,
    "gif-stills": stills,
    "avatars": avatars,
    "banners": banners,
    "nightly": nightly,
    "inventory-backfill": backfill,
    "style-rollout": cards,
    "format-migration": migrated,
}


def has_font() -> bool:
    try:
        draw_text("Summer", "wqy-zenhei", 20)
    except RefusedError:
        return False
    return True


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a local OSS with its sample pictures, and what some jobs need beside them."""
    root = tmp_path_factory.mktemp("samples")
    store = FolderStore(root)
    make_samples(store)
    store.put_style("photos", "card-v2", "image/resize,m_fill,w_640,h_360/format,jpg/quality,Q_85")
    inventory = delivered([row(key, Size="1000") for key in SAMPLES], destination="inventories")
    for key, content in inventory.objects.items():
        name = key.replace(inventory.manifest, "photos/daily/2026-11-22T00-00Z/manifest.json")
        path = root / "inventories" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def command(job: str) -> tuple[str, ...]:
    return ("run", f"jobs/{job}.yaml", "--rate", "2000", "--json")


async def run(desk: Desk, samples: Path, job: str) -> list[dict[str, Any]]:
    """The lines of a job's first run."""
    shutil.copytree(samples, desk.path / "local-oss")
    shutil.copytree(ROOT / "jobs", desk.path / "jobs")
    shutil.copy(ROOT / "config.yaml", desk.path)
    ended = await desk.run(*command(job), environ={}, within_s=110)
    assert ended.code == 0, ended.err
    return desk.lines(job)


def opened(desk: Desk, key: str) -> Image.Image:
    return Image.open(io.BytesIO((desk.path / "local-oss/renditions" / key).read_bytes()))


def brightest(image: Image.Image) -> int:
    return max(index for index, count in enumerate(image.histogram()) if count)


async def check(desk: Desk, samples: Path, job: str) -> None:
    """Run a job and open all that it makes."""
    lines, expected = await run(desk, samples, job), MADE[job]()
    assert {line["target"]["key"] for line in lines if line["status"] == "saved"} == set(expected)
    for key, made in expected.items():
        image = opened(desk, key)
        image.load()
        assert (image.format, image.size) == made, key


def test_every_job_that_is_shipped_is_run_here() -> None:
    assert {path.stem for path in (ROOT / "jobs").glob("*.yaml")} == {*MADE, "quickstart"}
    recipes = (ROOT / "docs/recipes.md").read_text("utf-8")
    assert all(f"../jobs/{job}.yaml" in recipes for job in MADE)


def test_the_sizes_are_those_of_the_sample_pictures(samples: Path) -> None:
    assert set(SIZES) == set(SAMPLES)
    for key, size in SIZES.items():
        with Image.open(samples / "photos" / key) as image:
            assert image.size == (size[::-1] if image.getexif().get(0x0112) == 6 else size)


@pytest.mark.parametrize("job", [job for job in MADE if job not in {"avatars", "banners", "nightly"}])
async def test_a_job_makes_what_it_says(desk: Desk, samples: Path, job: str) -> None:
    await check(desk, samples, job)
    if job == "watermarked-previews":
        night = opened(desk, "previews/landscapes/night sky.jpg.jpg").convert("L")
        # A mark in the dark wood is lighter than the gap beside it.
        marked, plain = (ImageStat.Stat(night.crop(box)).mean[0] for box in ((5, 610, 105, 630), (115, 610, 195, 630)))
        assert marked > plain + 20


async def test_the_nights_after_have_only_what_is_new(desk: Desk, samples: Path) -> None:
    await check(desk, samples, "nightly")
    again = (await desk.run(*command("nightly"), environ={})).json
    assert (again["attempts"], again["already_saved"]) == (0, len(PICTURES))
    desk.write("local-oss/photos/art/new.jpg", (samples / "photos/art/portrait.jpg").read_bytes())
    last_week = time.time() - 7 * 86_400
    for key in PICTURES:
        os.utime(desk.path / "local-oss/photos" / key, (last_week, last_week))
    third = (await desk.run(*command("nightly"), environ={})).json
    assert (third["selected"], third["saved"]) == (1, 1)


async def test_avatars_are_round_upright_and_say_nothing_of_their_origin(desk: Desk, samples: Path) -> None:
    lines = await run(desk, samples, "avatars")
    assert len(lines) == 4
    for line in lines:
        image = opened(desk, line["target"]["key"])
        assert not image.getexif()
        if line["pipeline"] == "round":
            assert (image.format, image.size, image.mode) == ("PNG", (256, 256), "RGBA")
            alpha = image.getchannel("A")
            assert [alpha.getpixel(at) for at in ((0, 0), (255, 255), (128, 128))] == [0, 0, 255]
        else:
            assert (image.format, image.size) == ("WEBP", (64, 64))
        assert line["source"]["key"].rpartition("/")[2] not in line["target"]["key"]


@pytest.mark.skipif(not has_font(), reason="no font for texts")
async def test_banners_have_the_text_of_their_row(desk: Desk, samples: Path) -> None:
    await check(desk, samples, "banners")
    spa = opened(desk, "banners/spa.jpg").convert("L")
    assert brightest(spa.crop((56, 170, 400, 230))) > 240  # white letters at the left
