"""The page of `report` in a real browser: light and dark, by keyboard, on a phone, on paper, and asking nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.browser import CHROMIUM, chromium
from tests.e2e.desk import KEYS, Desk
from tests.emulator.pictures import picture, saved
from tests.stand_in import Reply, Seen, StandIn, keys_below, refusal

ODD = "in/<script>alert(1)</script>\x1b\u202egpj.jpg"
CODES = {"in/00001.jpg": "ImageDamage", "in/00004.jpg": "ImageTooLarge", ODD: "ImageDamage"}
PHONE, PAPER = 360, 718  # CSS pixels: a small phone; A4 without its margins
SMALL = saved(picture(240, 160), "WEBP")


def answer(seen: Seen) -> Reply | None:
    """Damaged pictures are refused, a few requests are one too many; pictures of the report are real ones."""
    if seen.method == "POST":
        return refusal(400, CODES[seen.key], "<b>made up</b>") if seen.key in CODES else None
    return Reply(body=SMALL) if "x-oss-process" in seen.query else None


async def reported(desk: Desk) -> Path:
    """A page with all that a page can have: charts, errors, pictures, failures, and what got worse."""
    oss = StandIn({"photos": keys_below("in/", 12) | {ODD: "E"}, "renditions": {}})
    async with oss:
        desk.set_up(oss)
        await desk.run("run", "job.yaml", environ={**KEYS, "OSS_SAVEAS_RUN": "first"})
        oss.script = answer
        await desk.run("run", "job.yaml", "--redo", environ={**KEYS, "OSS_SAVEAS_RUN": "second"})
        found = await desk.run("report", "copies", "--against", "first", "--embed", "3")
        assert found.code == 0, found.err
    return desk.path / "copies-report.html"


@dataclass(slots=True)
class Heard:
    """What a browser has been asked for and has complained of while a page was open."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def opened(browser: Browser, file: Path, **surroundings: Any) -> AsyncIterator[tuple[Page, Heard]]:
    """A page in surroundings of its own, without a network."""
    context = await browser.new_context(offline=True, **surroundings)
    page, heard = await context.new_page(), Heard()
    page.on("request", lambda request: heard.requests.append(request.url))
    page.on("console", lambda message: heard.complaints.append(message.text))
    page.on("pageerror", lambda error: heard.complaints.append(error.message))
    await page.goto(file.as_uri())
    yield page, heard
    await context.close()
    assert not heard.complaints
    assert [url for url in heard.requests if not url.startswith("data:image/webp;base64,")] == [file.as_uri()]


async def assert_accessible(page: Page) -> None:
    """What axe-core finds, whatever it calls it; details are open, so that it looks within them."""
    await page.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true })")
    found = await Axe().run(page)
    assert not found.response["violations"], found.generate_report()
    assert len(found.response["passes"]) > 20


async def shown(page: Page) -> list[str]:
    """The codes of the failures that can be seen."""
    return await page.locator("#failed tbody tr:visible td:first-child").all_inner_texts()


async def filter_by_keyboard(page: Page) -> None:
    """From the top of the page, with nothing but keys."""
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the report"
    await page.keyboard.press("Enter")
    for _ in range(20):
        await page.keyboard.press("Tab")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        if await page.evaluate("document.activeElement.id") == "filter-text":
            break
    await page.keyboard.type("00004")
    assert await shown(page) == ["ImageTooLarge"]
    assert await page.locator("#shown").inner_text() == "1 of 3 shown"
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Delete")
    assert len(await shown(page)) == 3
    await page.keyboard.press("Tab")
    await page.keyboard.type("ImageD")
    assert await shown(page) == ["ImageDamage"] * 2
    await page.keyboard.press("Home")
    assert len(await shown(page)) == 3


async def wider_than(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert isinstance(width, int)
    return width


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here to open the page with")
async def test_the_page_in_a_browser(desk: Desk) -> None:
    file = await reported(desk)
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    async with chromium() as browser:
        backgrounds = set()
        for scheme in schemes:
            async with opened(browser, file, color_scheme=scheme) as (page, _):
                await filter_by_keyboard(page)
                await assert_accessible(page)
                backgrounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
                assert await page.locator("img").evaluate_all("all => all.every(one => one.naturalWidth === 240)")
                assert await page.locator("img").count() == 6
        assert len(backgrounds) == 2
        async with opened(browser, file, viewport={"width": PHONE, "height": 740}, has_touch=True) as (page, _):
            assert await wider_than(page) == 0
            await assert_accessible(page)
        async with opened(browser, file, color_scheme="dark", viewport={"width": PAPER, "height": 1000}) as (page, _):
            await page.emulate_media(media="print")
            assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            assert not await page.locator("#filter, .skip").evaluate_all("all => all.some(one => one.offsetHeight)")
            assert await wider_than(page) == 0
            assert (await page.pdf(format="A4")).startswith(b"%PDF-")
