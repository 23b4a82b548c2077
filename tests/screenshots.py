"""The pictures of docs/img, of the report of a real run. `python -m tests.screenshots` makes them anew."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser import chromium
from worker.emulator.folder_store import FolderStore
from worker.emulator.samples import make_samples
from worker.emulator.samples.making import SAMPLES

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/img"
JOB = "product-renditions"
COPIES = 30
PORT = "8377"  # one for all, so that both nights have the same settings
COLORS = 256
DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 1180}}
SHOTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("report-light", "html", DESK),
    ("report-dark", "html", DESK | {"color_scheme": "dark"}),
    ("report-phone", "html", {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}),
    ("report-pictures", "#pictures", {"viewport": {"width": 1100, "height": 740}}),
)
KEYS = {"OSS_ACCESS_KEY_ID": "made-up-id", "OSS_ACCESS_KEY_SECRET": "made-up-secret"}
CONFIG = "endpoint: {url}\nlimits: {{requests_per_second: 12, source_mb_per_second: 100}}\n"
MANIFEST = f"""\
version: 1
job: {JOB}
bucket: photos
sources:
  - prefix: catalogue/
pipelines:
  - name: thumb
    process: image/resize,m_fill,w_200,h_200/quality,q_85
    target: {{bucket: renditions, key: "thumbs/{{key}}"}}
  - name: web
    process: image/resize,l_1200/format,webp
    target: {{bucket: renditions, key: "web/{{key}}.webp"}}
  - name: zoom
    process: image/resize,l_1600/format,png
    target: {{bucket: renditions, key: "zoom/{{key}}.png"}}
"""
# A busy service for a while, and one that is slow now and then: what a timeline is for.
FAULTS = """\
version: 1
seed: 3
faults:
  - {fault: latency, seconds: 120ms, jitter: 200ms, operation: ProcessObject}
  - {fault: latency, seconds: 1500ms, probability: 0.02, operation: ProcessObject}
  - {fault: answer, status: 503, code: CpuLimitExceeded, probability: 0.5, operation: ProcessObject, from: 450, to: 620}
  - {fault: reset, probability: 0.01, operation: ProcessObject}
"""


def run(place: Path, *args: str, environ: Mapping[str, str] | None = None) -> None:
    print("oss-saveas", *args)  # noqa: T201 - says what takes its time
    command = [sys.executable, "-m", "worker", *args]
    subprocess.run(command, cwd=place, env={**os.environ, **KEYS, **(environ or {})}, check=False)


@contextmanager
def served(place: Path, *args: str) -> Iterator[str]:
    """A local OSS on a port; its URL."""
    command = [sys.executable, "-m", "worker", "serve", "--root", "oss", "--port", PORT, *args]
    with subprocess.Popen(command, cwd=place, env={**os.environ, **KEYS}, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().removeprefix("listening on ").strip()
        finally:
            server.terminate()


def pictures(root: Path) -> None:
    """A shop's pictures: the sample pictures under many names, a few of them cut short."""
    make_samples(FolderStore(root))
    for number in range(COPIES):
        for key in SAMPLES:
            path = root / "photos" / key
            if path.suffix in {".jpg", ".png", ".webp"} and key.isascii() and not key.startswith("brand/"):
                content = path.read_bytes()
                damaged = number % 13 == 5 and path.suffix == ".jpg"
                copy = root / f"photos/catalogue/{number:03}/{path.name}"
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(content[: len(content) // 3] if damaged else content)


def report(place: Path) -> Path:
    """A report of tonight beside last night."""
    pictures(place / "oss")
    (place / "job.yaml").write_text(MANIFEST)
    (place / "faults.yaml").write_text(FAULTS)
    for night, faults in (("2026-11-23", ()), ("2026-11-24", ("--faults", "faults.yaml"))):
        with served(place, *faults) as url:
            (place / "config.yaml").write_text(CONFIG.format(url=url))
            run(place, "run", "job.yaml", "--redo", environ={"OSS_SAVEAS_RUN": night})
    with served(place) as url:
        (place / "config.yaml").write_text(CONFIG.format(url=url))
        run(place, "report", JOB, "--against", "2026-11-23")
    return place / f"{JOB}-report.html"


async def take(page: Path) -> None:
    """The top of the page in light and dark and on a phone, and its pictures; few colours are enough for each."""
    async with chromium() as browser:
        for name, place, surroundings in SHOTS:
            context = await browser.new_context(**surroundings)
            tab = await context.new_page()
            await tab.goto(page.as_uri())
            await tab.evaluate("place => document.querySelector(place).scrollIntoView()", place)
            path = IMAGES / f"{name}.png"
            await tab.screenshot(path=path)
            await context.close()
            with Image.open(path) as image:
                shot = image.convert("RGB")
            shot.quantize(palette=shot.quantize(COLORS), dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
            print(path, path.stat().st_size)  # noqa: T201 - says what it has made


def main() -> None:
    """Make the report, or take the one that is named, and its pictures."""
    if len(sys.argv) > 1:
        asyncio.run(take(Path(sys.argv[1]).resolve()))
        return
    with tempfile.TemporaryDirectory(prefix="oss-saveas-screenshots-") as name:
        asyncio.run(take(report(Path(name))))


if __name__ == "__main__":
    main()
