"""The picture of the live screen in docs/img. `python -m tests.terminal_picture` takes it anew.

A run against the stand-in, in a pseudo-terminal of 80 by 24; what a terminal emulator shows of it becomes an SVG.
"""

import asyncio
import random
import re
import signal
import tempfile
from io import StringIO
from itertools import groupby
from pathlib import Path

from pyte.screens import Char
from rich.console import Console
from rich.text import Text

from tests.e2e.desk import KEYS, Desk
from tests.e2e.terminal import ENVIRON, Window, watched_window
from tests.stand_in import Reply, Seen, StandIn, refusal

PICTURE = Path(__file__).parents[1] / "docs/img/terminal.svg"
SLOTS, AFTER_S = 22, 25
MANIFEST = """\
version: 1
job: product-renditions
bucket: photos
sources: [{prefix: products/}]
pipelines:
  - {name: thumb, process: "image/resize,m_fill,w_100,h_100", target: {bucket: renditions, key: "thumbs/{key}"}}
  - {name: hero, process: "image/resize,m_fill,w_1200,h_630", target: {bucket: renditions, key: "hero/{key}"}}
"""
# A page asks nobody for anything: not for a font either.
_FONTS = re.compile(r"@font-face\s*\{[^}]*\}")


async def take() -> str:
    """Run, look, and end the run."""
    keys = dict.fromkeys((f"products/2026/{number:05}.jpg" for number in range(4000)), "E")
    dice = random.Random(7)

    def service(seen: Seen) -> Reply | None:
        if seen.method != "POST":
            return None
        request_id = f"{dice.getrandbits(96):024X}"
        if server.in_flight > SLOTS:
            return refusal(503, "CpuLimitExceeded", x_oss_request_id=request_id)
        if dice.random() < 0.003:
            return refusal(400, "ImageDamage", "The image is damaged.", x_oss_request_id=request_id)
        return Reply(200, (), b"{") if dice.random() < 0.001 else None

    with tempfile.TemporaryDirectory() as directory:
        desk = Desk(Path(directory) / "desk")
        desk.path.mkdir()
        async with (
            StandIn({"photos": keys, "renditions": {}}, service, delay_s=0.1) as server,
            watched_window() as window,
        ):
            desk.set_up(server, MANIFEST, rate=200, concurrency=64)
            environ = {
                **KEYS,
                **ENVIRON,
                "OSS_SAVEAS_LIMITS__SOURCE_MB_PER_SECOND": "20",
                "OSS_SAVEAS_LOG__LEVEL": "error",
            }
            args = ("run", "job.yaml", "--processes", "2")
            process = await desk.start(*args, stderr=window.theirs, environ=environ)
            try:
                await asyncio.sleep(AFTER_S)
                return svg(window)
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()


def svg(window: Window) -> str:
    """What a terminal shows."""
    screen = window.screen
    console = Console(record=True, width=screen.columns, file=StringIO(), force_terminal=True, color_system="standard")
    for number in range(screen.lines):
        cells = [screen.buffer[number][column] for column in range(screen.columns)]
        parts = [("".join(cell.data for cell in run), style) for style, run in groupby(cells, _style)]
        console.print(Text.assemble(*parts), no_wrap=True, overflow="crop")
    return _FONTS.sub("", console.export_svg(title="oss-saveas run job.yaml --processes 2", unique_id="terminal"))


def _style(cell: Char) -> str:
    color = {"default": "", "brown": "yellow"}.get(cell.fg, cell.fg)
    return " ".join(filter(None, ("bold" if cell.bold else "", color)))


if __name__ == "__main__":
    PICTURE.write_text(asyncio.run(take()), encoding="utf-8")
