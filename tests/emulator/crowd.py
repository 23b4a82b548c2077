"""A real server under many clients at once, and the most memory it ever held."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image as Pillow

from tests.emulator.hostile import whole_png
from tests.emulator.pictures import saved
from worker.emulator.folder_store import FolderStore
from worker.emulator.images.libvips import Image
from worker.emulator.server import LocalOSS
from worker.oss.encoding import to_base64

ROOT = Path(__file__).parents[2]
GIGABYTE = 1 << 30
LIMIT_S = 900


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    def peak(self) -> int:
        """The greatest resident size so far, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer."""
        reader, writer = await self.connect()
        head = (
            f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            async with asyncio.timeout(LIMIT_S):
                status = int((await reader.readline()).split()[1])
                _, _, content = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        return status, content

    async def process(self, key: str, process: str, target: str = "") -> tuple[int, bytes]:
        saveas = f"|sys/saveas,o_{to_base64(target)}" if target else ""
        return await self.ask("POST", f"/photos/{key}?x-oss-process", f"x-oss-process={process}{saveas}".encode())


@contextmanager
def crowded(*options: str) -> Iterator[Server]:
    """A server in a process of its own."""
    with running([sys.executable, "-m", "worker", "serve", "--no-auth", *options]) as server:
        yield server


@contextmanager
def impatient(root: Path) -> Iterator[Server]:
    """One that cuts clients off after seconds in which nothing happens."""
    with running([sys.executable, "-m", "tests.emulator.crowd", str(root)]) as server:
        yield server


@contextmanager
def running(command: list[str]) -> Iterator[Server]:
    """Where the greatest size of a process can be told."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the greatest size of another process")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().decode().strip().removeprefix("listening on ")
            yield Server(url, child.pid)
        finally:
            child.terminate()


def heavy_webp() -> bytes:
    return bytes(_black(8000, 7000).webpsave_buffer(effort=0))


def heavy() -> dict[str, bytes]:
    """Small files that take as much memory as the limits allow, each in a way of its own; by name."""
    black = _black(8000, 7000)
    return {
        "heavy.webp": heavy_webp(),
        "heavy.avif": bytes(black.crop(0, 0, 6000, 5500).heifsave_buffer(compression="av1", effort=0)),
        "heavy.gif": bytes(black.gifsave_buffer(effort=1)),
        "bilevel.bmp": saved(Pillow.new("1", (7000, 7000)), "BMP"),
        "progressive.jpg": bytes(black.jpegsave_buffer(interlace=True, subsample_mode="off")),
        "beyond.jpg": bytes(_black(15_000, 16_000).jpegsave_buffer(interlace=True, subsample_mode="off")),
        "interlaced.png": bytes(black.pngsave_buffer(interlace=True, compression=1)),
        "wide.png": whole_png(30_000, 2_000),
        "clear.png": clear_png(),
        "noise.png": saved(Pillow.effect_noise((2000, 2000), 200).convert("RGBA"), "PNG", compress_level=1),
        "noise.jpg": saved(Pillow.effect_noise((5000, 4000), 200).convert("RGB"), quality=60),
        "tiled.tiff": bytes(
            black.tiffsave_buffer(tile=True, tile_width=8000 // 16 * 16, tile_height=6992, compression="deflate")
        ),
    }


def clear_png() -> bytes:
    return saved(Pillow.new("RGBA", (6000, 5000)), "PNG", compress_level=1)


def _black(width: int, height: int) -> Image:
    return Image.black(width, height, bands=3).copy(interpretation="srgb")


async def _serve(root: Path) -> None:
    async with LocalOSS(FolderStore(root), auth=False, idle_s=3) as server:
        print(server.url, flush=True)  # noqa: T201 - told to the test that started it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
