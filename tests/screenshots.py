"""The pictures of docs/img, of the report of a real run on the local OSS. `python -m tests.screenshots` makes them anew."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.browser import chromium
from worker.emulator.folder_store import FolderStore
from worker.emulator.samples import make_samples
from worker.emulator.samples.making import SAMPLES

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/img"
JOB = "product-renditions"
COPIES = 40
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


def run(place: Path, *args: str, environ: Mapping[str, str] = {}) -> None:  # noqa: B006 - never changed
    print("oss-saveas", *args)  # noqa: T201 - says what takes its time
    command = [sys.executable, "-m", "worker", *args]
    subprocess.run(command, cwd=place, env={**os.environ, **KEYS, **environ}, check=False)


@contextmanager
def served(place: Path, *args: str) -> Iterator[str]:
    """A local OSS on a port; its URL."""
    command = [sys.executable, "-m", "worker", "serve", "--root", "oss", *args]
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
            if path.suffix in {".jpg", ".png", ".webp"} and not key.startswith("brand/"):
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
    """Light, dark, and as a phone has it; a palette of 128 colours is enough for all but photographs."""
    async with chromium() as browser:
        for name, scheme, width, height, scale, at in SHOTS:
            context = await browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": height}, device_scale_factor=scale
            )
            tab = await context.new_page()
            await tab.goto(page.as_uri())
            await tab.locator(at).scroll_into_view_if_needed()
            await tab.evaluate("at => document.querySelector(at).scrollIntoView()", at)
            path = IMAGES / f"{name}.png"
            await tab.screenshot(path=path)
            await context.close()


def main() -> None:
    """Make the report, or take the one that is named, and its pictures."""
    if len(sys.argv) > 1:
        asyncio.run(take(Path(sys.argv[1]).resolve()))
        return
    with tempfile.TemporaryDirectory(prefix="oss-saveas-screenshots-") as name:
        asyncio.run(take(report(Path(name))))


if __name__ == "__main__":
    main()
