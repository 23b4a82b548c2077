"""Memory of the worker while it relays large pictures: all of them are on their way at once."""

import asyncio
import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bench.memory import ROOT, measured_run
from worker.holding import IN_MEMORY

COUNT, MEGABYTES = 64, 20
# Of each picture what is held in memory, and the pieces on their way through connections and files.
_BYTES_EACH = IN_MEMORY + (1 << 20)
_IDLE_MB = 75.0

_MANIFEST = """\
version: 1
job: relays
bucket: photos
sources:
  - prefix: in/
pipelines:
  - name: far
    save: relay
    process: image/resize,w_4
    target: {bucket: far, key: "far/{key}"}
"""
_CONFIG = """\
endpoint: URL
results: ./results
limits: {requests_per_second: 1000, source_mb_per_second: 100000, concurrency: COUNT}
timeout: {total_s: 600}
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """So many relays in flight at once, of pictures of so many megabytes, and the most memory the worker held."""

    count: int
    megabytes: int
    peak_mb: float
    seconds: float


def allowed_mb(count: int) -> float:
    """How much memory so many relays may take, however large their pictures are."""
    return _IDLE_MB + count * _BYTES_EACH / 1e6


def main() -> int:
    """Measure, print, and say whether memory is bounded."""
    figures = [measure(count, megabytes) for count, megabytes in ((1, MEGABYTES), (COUNT, 1), (COUNT, MEGABYTES))]
    print("in flight  MB each   peak memory   allowed    time")
    for one in figures:
        allowed = allowed_mb(one.count)
        print(f"{one.count:9}  {one.megabytes:7}  {one.peak_mb:9.1f} MB  {allowed:5.0f} MB  {one.seconds:5.1f} s")
    return 0 if all(one.peak_mb <= allowed_mb(one.count) for one in figures) else 1


def measure(count: int, megabytes: int) -> Figure:
    """A run of so many relays against a stand-in for OSS, which answers no PUT before all of them have come."""
    with tempfile.TemporaryDirectory(prefix="oss-saveas-bench-") as directory:
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.relays", str(count), str(megabytes)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().decode().strip()
            return _measured(count, megabytes, Path(directory), url)
        finally:
            server.kill()
            server.communicate()


def _measured(count: int, megabytes: int, directory: Path, url: str) -> Figure:
    (directory / "job.yaml").write_text(_MANIFEST)
    (directory / "config.yaml").write_text(_CONFIG.replace("URL", url).replace("COUNT", str(count)))
    return Figure(count, megabytes, *measured_run(directory, count))


async def _serve(count: int, megabytes: int) -> None:
    picture = bytes(megabytes * 1_000_000)
    etag = hashlib.md5(picture, usedforsecurity=False).hexdigest()
    listed = "".join(
        f"<Contents><Key>in/{number}.jpg</Key><ETag>E</ETag><Size>1000</Size></Contents>" for number in range(count)
    )
    all_came, came = asyncio.Event(), 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal came
        if request.method == "PUT":
            came += 1
            if came == count:
                all_came.set()
            await all_came.wait()
            async for _ in request.content.iter_any():
                pass
            return web.Response(headers={"ETag": f'"{etag}"'})
        if "x-oss-process" in request.query:
            return web.Response(body=picture, content_type="image/jpeg")
        if "list-type" in request.query:
            return web.Response(text=f"<ListBucketResult>{listed}</ListBucketResult>")
        return web.Response(text="<BucketInfo><Bucket><Name>any</Name></Bucket></BucketInfo>")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
