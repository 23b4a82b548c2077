"""The child process behind `endpoint: local`, and the samples it makes."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.emulator.client import KEYS, Client
from tests.emulator.pictures import opened, processed
from worker.emulator.app import ServeOptions, serve
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.samples.making import SAMPLES, make_samples
from worker.emulator.store import put
from worker.errors import UsageError
from worker.oss.request import Request
from worker.oss.signing import sign_v1

LIMIT_S = 60


def now_signed(request: Request) -> Request:
    return sign_v1(request, KEYS, at=datetime.now(UTC))


def options(root: Path, **changes: object) -> bytes:
    given = {
        "root": str(root),
        "region": "cn-hangzhou",
        "access_key_id": KEYS.access_key_id,
        "access_key_secret": KEYS.access_key_secret,
        "samples": False,
    }
    return json.dumps(given | changes).encode() + b"\n"


async def start() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker.emulator", stdin=pipe, stdout=pipe, stderr=pipe
    )


async def test_the_child_serves_until_its_standard_input_is_closed(tmp_path: Path) -> None:
    child = await start()
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(options(tmp_path))
    line = (await asyncio.wait_for(child.stdout.readline(), LIMIT_S)).decode()
    assert line.startswith("listening on http://127.0.0.1:")
    client = Client(line.removeprefix("listening on ").strip(), sign=now_signed)
    child.send_signal(signal.SIGINT)  # Ctrl-C is the parent's to judge
    assert (await client.call("PUT", "photos")).status == 200
    assert (tmp_path / "photos").is_dir()
    assert (await Client(client.url, sign=lambda request: request).call("PUT", "other")).status == 403
    child.stdin.close()
    out, error = await asyncio.wait_for(child.communicate(), LIMIT_S)
    assert (child.returncode, out, error) == (0, b"", b"")


@pytest.mark.parametrize("line", [b"", b"\n", b"not json\n", b"[]\n", b'{"root": "/tmp"}\n'])
async def test_a_child_that_is_told_nonsense_says_so(line: bytes) -> None:
    child = await start()
    _, error = await asyncio.wait_for(child.communicate(line), LIMIT_S)
    assert child.returncode == 64
    assert b"standard input must begin with a line of JSON" in error
    assert b"Traceback" not in error


async def test_serving_needs_a_key_a_folder_and_a_free_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    async with asyncio.timeout(LIMIT_S):
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = taken.sockets[0].getsockname()[1]
        for wrong, told in (
            (ServeOptions(root=None), "access key"),
            (ServeOptions(root=tmp_path / "file", auth=False), "file"),
            (ServeOptions(root=None, auth=False, port=port), str(port)),
        ):
            with pytest.raises(UsageError, match=told):
                await serve(wrong, ready=lambda _: None, until=asyncio.sleep(0))
        taken.close()
        await taken.wait_closed()


async def test_served_in_this_process_until_told(tmp_path: Path) -> None:
    until, urls = asyncio.Event(), asyncio.Queue[str]()
    task = asyncio.create_task(serve(ServeOptions(tmp_path, auth=False), ready=urls.put_nowait, until=until.wait()))
    async with asyncio.timeout(LIMIT_S):
        client = Client(await urls.get(), sign=lambda request: request)
        assert (await client.get("")).status == 200
        until.set()
        await task


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("samples")
    make_samples(FolderStore(root))
    return root


def test_the_samples_are_varied_pictures_under_telling_keys(samples: Path) -> None:
    pictures = {key: opened((samples / "photos" / key).read_bytes()) for key in SAMPLES}
    assert {image.format for image in pictures.values()} == {"JPEG", "PNG", "WEBP", "GIF"}
    assert len(pictures) >= 10
    assert any(key.startswith("products/") for key in pictures)
    assert any(" " in key for key in pictures)
    assert any(not key.isascii() for key in pictures)
    phone = next(image for image in pictures.values() if image.getexif().get(0x0112) == 6)
    assert phone.size == (4000, 3000)
    assert any(image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 255) for image in pictures.values())
    assert any(getattr(image, "n_frames", 1) > 1 for image in pictures.values())
    for key, image in pictures.items():
        shown = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
        spread = ImageStat.Stat(shown.convert("L").resize((64, 64))).stddev[0]
        assert spread > 10, f"{key} is hardly a picture"


def test_samples_are_made_once_and_the_same_everywhere(samples: Path) -> None:
    key = "products/2026/sales chart.png"
    assert (samples / "photos" / key).read_bytes() == SAMPLES[key]()
    assert [path.name for path in (samples / "renditions").iterdir()] == [".oss"]
    store = MemoryStore()
    store.make_bucket("photos")
    put(store, "photos", "mine", b"")
    make_samples(store)
    assert list(store.keys("photos", "", b"")) == ["mine"]
    assert store.bucket("renditions") is not None


def test_a_sample_can_be_processed(samples: Path) -> None:
    data = (samples / "photos/landscapes/sunset over the sea.jpg").read_bytes()
    assert processed(data, "image/resize,w_300").size == (300, 400)
