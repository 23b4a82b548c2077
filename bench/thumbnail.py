"""The local OSS on a 12-megapixel JPEG: its CPU for a thumbnail beside libvips' own, and what a second core brings."""

import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pyvips

ALLOWED_RATIO = 1.25
NEEDED_SPEEDUP = 1.7
PICTURES = 100
ROUNDS = 3
WIDTH, HEIGHT, THUMBNAIL = 4000, 3000, 400
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Figure:
    """So many thumbnails: CPU seconds and wall seconds of the process that made them."""

    cpu_s: float
    wall_s: float


def main() -> int:
    """Measure, print, and say whether the promises are kept."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as name:
        source = Path(name) / "photos/source.jpg"
        source.parent.mkdir()
        source.write_bytes(_picture())
        ours = min((_served(Path(name), {_a_core()}, 1) for _ in range(ROUNDS)), key=lambda figure: figure.cpu_s)
        theirs = min((_alone(source) for _ in range(ROUNDS)), key=lambda figure: figure.cpu_s)
        ratio = ours.cpu_s / theirs.cpu_s
        print(f"thumbnail of {WIDTH * HEIGHT / 1e6:.0f} MP, POST + saveas: {_ms(ours.cpu_s):.1f} ms CPU each")
        print(f"pyvips thumbnail_buffer + save:     {_ms(theirs.cpu_s):.1f} ms CPU each")
        print(f"ratio: {ratio:.2f} (allowed: {ALLOWED_RATIO})")
        return int(ratio > ALLOWED_RATIO) | _cores(Path(name))


def _cores(root: Path) -> int:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("two cores: not measured, there is one")
        return 0
    one = min(_served(root, set(cores[:1]), 4).wall_s for _ in range(ROUNDS))
    two = min(_served(root, set(cores[:2]), 4).wall_s for _ in range(ROUNDS))
    print(f"one core: {PICTURES / one:.0f} thumbnails/s; two: {PICTURES / two:.0f} thumbnails/s; ", end="")
    print(f"{one / two:.2f} times (promised: {NEEDED_SPEEDUP})")
    return int(one / two < NEEDED_SPEEDUP)


def _picture() -> bytes:
    """Noise on a gradient, in JPEG of about the bytes that a camera writes."""
    noise = pyvips.Image.gaussnoise(WIDTH, HEIGHT, sigma=12, mean=0, seed=1)
    slope = pyvips.Image.xyz(WIDTH, HEIGHT)[0] * (200 / WIDTH) + 20
    image = (slope + noise).bandjoin([slope * 0.7 + noise, 220 - slope + noise]).cast("uchar")
    return bytes(image.copy(interpretation="srgb").jpegsave_buffer(Q=85))


def _served(root: Path, cores: set[int], concurrency: int) -> Figure:
    """The server in a process of its own, on these cores; what it took to start is not counted."""
    command = [sys.executable, "-m", "worker", "serve", "--root", str(root), "--no-auth"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    os.sched_setaffinity(server.pid, cores)  # inherited by its threads, which start later
    try:
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip().removeprefix("listening on ")
        asyncio.run(_send(url, 5, concurrency))
        cpu, wall = _cpu_of(server.pid), time.monotonic()
        asyncio.run(_send(url, PICTURES, concurrency))
        return Figure(_cpu_of(server.pid) - cpu, time.monotonic() - wall)
    finally:
        server.terminate()
        server.communicate()


async def _send(url: str, count: int, concurrency: int) -> None:
    turns = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession() as session:

        async def one(number: int) -> None:
            target = base64.urlsafe_b64encode(f"out/{number}.jpg".encode()).decode().rstrip("=")
            body = f"x-oss-process=image/resize,w_{THUMBNAIL}|sys/saveas,o_{target}"
            async with turns, session.post(f"{url}/photos/source.jpg?x-oss-process", data=body.encode()) as answer:
                assert answer.status == 200, await answer.text()

        await asyncio.gather(*map(one, range(count)))


def _alone(source: Path) -> Figure:
    """The least that libvips can do, in a process of its own on one core."""
    command = [sys.executable, "-m", "bench.thumbnail", str(source)]
    wall = time.monotonic()
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Figure(float(found.stdout), time.monotonic() - wall)


def _thumbnails(source: Path) -> float:
    os.sched_setaffinity(0, {_a_core()})
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    cpu = 0.0
    for number in range(PICTURES + 5):
        if number == 5:
            cpu = time.process_time()
        image = pyvips.Image.thumbnail_buffer(source.read_bytes(), THUMBNAIL, height=HEIGHT)
        (source.parent / f"{number}.jpg").write_bytes(image.jpegsave_buffer(Q=85, optimize_coding=True))
    return time.process_time() - cpu


def _cpu_of(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _a_core() -> int:
    return min(os.sched_getaffinity(0))


def _ms(seconds: float) -> float:
    return seconds * 1000 / PICTURES


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_thumbnails(Path(sys.argv[1])))
    else:
        sys.exit(main())
