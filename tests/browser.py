"""Chromium, for what people open in a browser: driven by Playwright, which brings none of its own."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Asks nobody for anything by itself, so that whatever is asked for is asked for by the page.
_FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser of this machine, without a window."""
    assert CHROMIUM is not None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
