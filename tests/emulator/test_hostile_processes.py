"""Random process strings over HTTP to a served local OSS: each is answered by a picture or an error of OSS."""

import asyncio
import collections
import io
import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from defusedxml import ElementTree
from PIL import Image
from yarl import URL

from tests.emulator.golden.sources import sources
from tests.emulator.processes import random_process
from worker.emulator.folder_store import FolderStore
from worker.emulator.store import put

SAMPLE, FULL = 400, 10_000
KEYS = ("wide.png", "clear.png", "grey.png", "turned.jpg", "small.webp", "small.tiff", "moving.gif", "broken.jpg")
STYLES = {"small": "image/resize,w_30/format,jpg", "chain": "image/bright,5|image/rotate,90|image/circle,r_9"}
LIMIT_S = 60


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The address of a local OSS in a process of its own, which has nothing to say on standard error."""
    store = FolderStore(folder / "root")
    store.make_bucket("photos")
    for key, data in sources().items():
        put(store, "photos", key, data, {})
    for name, content in STYLES.items():
        store.put_style("photos", name, content)
    command = [sys.executable, "-m", "worker", "serve", "--root", str(folder / "root"), "--no-auth"]
    with (folder / "log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=log)
        try:
            assert server.stdout is not None
            line = await asyncio.wait_for(server.stdout.readline(), LIMIT_S)
            yield line.decode().removeprefix("listening on ").strip()
            assert server.returncode is None
            assert peak_of(server.pid) < 1 << 30
        finally:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            await server.communicate()
    assert (folder / "log").read_text().splitlines() == [], "a bug would be told there"


def peak_of(pid: int) -> int:
    """The most memory that a process held, in bytes; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


async def ask(session: aiohttp.ClientSession, url: str, number: int) -> str:
    """What came of the process of this number: a kind of answer, for the count of them."""
    dice = random.Random(number)
    key, process = dice.choice(KEYS), random_process(dice)
    if dice.random() < 0.5:
        target = f"{url}/photos/{quote(key)}?x-oss-process={quote(process, safe='')}"
        request = session.get(URL(target, encoded=True))
    else:
        target, body = f"{url}/photos/{quote(key)}?x-oss-process", f"x-oss-process={process}".encode()
        request = session.post(URL(target, encoded=True), data=body)
    async with request as answer:
        content = await answer.read()
        assert answer.headers["x-oss-request-id"], (number, process)
        return judged(answer.status, answer.content_type, content, f"{number}: {key} {process!r}")


def judged(status: int, kind: str, body: bytes, asked: str) -> str:
    if status != 200:
        root = ElementTree.fromstring(body)
        code = str(root.findtext("Code"))
        assert (root.tag, kind) == ("Error", "application/xml"), asked
        assert root.findtext("Message"), asked
        assert root.findtext("RequestId"), asked
        assert status in {400, 404} or (status, code) == (501, "NotImplemented"), f"{asked}: {status} {code}"
        return code
    if kind == "application/json":
        assert isinstance(json.loads(body), dict), asked
        return "JSON"
    with Image.open(io.BytesIO(body)) as image:
        image.load()
        assert kind == f"image/{str(image.format).lower()}", asked
    return "picture"


async def ask_all(folder: Path, count: int) -> collections.Counter[str]:
    seen: collections.Counter[str] = collections.Counter()
    numbers = iter(range(count))
    timeout = aiohttp.ClientTimeout(total=600)
    async with served(folder) as url, aiohttp.ClientSession(timeout=timeout) as session:

        async def some() -> None:
            for number in numbers:
                seen[await ask(session, url, number)] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(some())
    assert sum(seen.values()) == count
    return seen


async def test_a_random_process_is_answered_by_a_picture_or_an_error_of_oss(tmp_path: Path) -> None:
    seen = await ask_all(tmp_path, SAMPLE)
    assert seen["picture"] + seen["JSON"] > SAMPLE / 4, seen
    assert len(seen) > 6, "and refusals of many kinds"


@pytest.mark.chaos
async def test_ten_thousand_random_processes(tmp_path: Path) -> None:
    await ask_all(tmp_path, FULL)
