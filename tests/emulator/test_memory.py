"""No crowd of clients makes the server take more than a gigabyte."""

import asyncio
import itertools
import math
import random
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.crowd import GIGABYTE, Server, clear_png, crowded, heavy, heavy_webp, impatient
from tests.emulator.hostile import lying_jpeg, whole_png
from worker.emulator.budget import WORKING_MEMORY, Budget, HeldBytes, Lease, TooMuchMemoryError
from worker.emulator.images import MAX_SOURCE, weight
from worker.emulator.images.libvips import Image
from worker.emulator.memory_store import OVERHEAD, MemoryStore
from worker.emulator.store import Description, StoreFullError, put, put_described
from worker.oss.encoding import to_base64
from worker.oss.limits import MAX_RESULT_PIXELS

WAIT_S = 60


def rooted(root: Path, pictures: dict[str, bytes]) -> Path:
    (root / "photos").mkdir()
    for name, data in pictures.items():
        (root / "photos" / name).write_bytes(data)
    with (root / "photos/info.png").open("wb") as file:
        file.write(whole_png(100, 100))
        file.truncate(200_000_000)
    return root


async def crowd(server: Server, requests: Iterator[tuple[str, str, str]], clients: int) -> set[str]:
    """What happened to all requests, sent by so many clients at once."""
    found: set[str] = set()

    async def client() -> None:
        for key, process, target in requests:
            status, body = await server.process(key, process, target)
            assert status in {200, 400, 501}, body[:500]
            found.add("200" if status == 200 else body.partition(b"<Code>")[2].partition(b"<")[0].decode())

    await asyncio.gather(*(client() for _ in range(clients)))
    return found


async def test_heavy_pictures_at_once_take_no_gigabyte_together(tmp_path: Path) -> None:
    root = rooted(tmp_path, {"heavy.webp": heavy_webp(), "beyond.jpg": lying_jpeg(15_000, 16_000, progressive=True)})
    work = [*[("heavy.webp", "image/resize,w_10", "")] * 4, *[("info.png", "image/info", "")] * 6]
    work.append(("beyond.jpg", "image/resize,w_10", ""))
    with crowded("--root", str(root)) as server:
        assert await crowd(server, iter(work), 12) == {"200", "MemLimitExceeded"}
        assert GIGABYTE // 4 < server.peak() < GIGABYTE


PROCESSES = (
    "resize,w_10",
    "info",
    "average-hue",
    "rotate,90",
    "resize,w_4000/rotate,90/rotate,45",
    "format,webp",
    "format,png",
    "format,bmp",
    "format,gif",
    "format,tiff",
    "format,jpg/interlace,1",
    "resize,w_3000/format,avif",
    f"resize,w_4000/watermark,image_{to_base64('clear.png')},fill_1,padx_4000",
)


@pytest.mark.chaos
@pytest.mark.parametrize("store", ["folder", "memory"])
async def test_every_heavy_picture_through_every_process_at_once_takes_no_gigabyte(tmp_path: Path, store: str) -> None:
    pictures = rooted(tmp_path, heavy())
    work = [
        (path.name, f"image/{process}", "out" if store == "memory" else "")
        for path, process in itertools.product(sorted((pictures / "photos").glob("*.*")), PROCESSES)
        if store == "folder" or path.name != "info.png"
    ]
    random.Random(1).shuffle(work)
    with crowded(*(("--root", str(pictures)) if store == "folder" else ("--memory",))) as server:
        if store == "memory":
            assert (await server.ask("PUT", "/photos"))[0] == 200
            for path in (pictures / "photos").glob("*.*"):
                if path.name != "info.png":
                    assert (await server.ask("PUT", f"/photos/{path.name}", path.read_bytes()))[0] == 200
            assert (await server.ask("PUT", "/photos/ballast", bytes(200 << 20)))[0] == 200
        assert "200" in await crowd(server, iter(work), 16)
        assert server.peak() < GIGABYTE


@pytest.mark.chaos
async def test_results_that_nobody_reads_take_no_gigabyte_and_hold_up_nobody_for_ever(tmp_path: Path) -> None:
    with impatient(rooted(tmp_path, {"clear.png": clear_png()})) as server:
        lazy = [await server.connect() for _ in range(8)]
        for _, writer in lazy:
            writer.write(b"GET /photos/clear.png?x-oss-process=image/format,bmp HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        for reader, _ in lazy:
            assert b" 200 " in await reader.readline()  # and nothing more is read
        assert (await server.process("info.png", "image/info"))[0] == 200
        assert GIGABYTE // 4 < server.peak() < GIGABYTE
        for _, writer in lazy:
            writer.close()


async def test_uploads_to_memory_end_where_it_is_full() -> None:
    with crowded("--memory") as server:
        await server.ask("PUT", "/photos")
        stored = await asyncio.gather(*(server.ask("PUT", f"/photos/{n}", bytes(90 << 20)) for n in range(6)))
        assert max(status for status, _ in stored) == 400
        assert {status for status, _ in stored} <= {200, 400}
        assert b"serve a folder" in max(stored)[1]
        assert server.peak() < GIGABYTE


@pytest.mark.parametrize(
    ("source", "result", "megapixels", "bands"),
    [
        *[(source, result, 40, 3) for source in ("jpg", "png") for result in ("jpg", "png", "webp")],
        ("png", "png", 40, 4),
        ("png", "webp", 12, 4),
        ("webp", "webp", 28, 3),
        ("webp", "jpg", 16, 3),
        ("webp", "jpg", 60, 3),
        ("avif", "jpg", 12, 3),
    ],
)
def test_there_is_room_for_what_cameras_make(source: str, result: str, megapixels: int, bands: int) -> None:
    width = math.isqrt(megapixels * 1_500_000)  # in the proportions of a camera
    image = Image.black(width, width * 2 // 3, bands=bands).copy(interpretation="srgb")
    whole = image.width * image.height <= MAX_RESULT_PIXELS
    drawn = weight.of_source(image, source) + weight.of_result(result, image, whole=whole)
    assert drawn + 2 * MAX_SOURCE <= WORKING_MEMORY, "with the files of both"


def test_a_body_takes_its_room_in_memory_until_nobody_holds_it() -> None:
    store = MemoryStore(capacity=10 + OVERHEAD)
    store.make_bucket("photos")
    put(store, "photos", "a", b"12345678")
    with pytest.raises(StoreFullError):
        put(store, "photos", "b", b"123")
    upload = store.upload("photos", "b")
    upload.write(b"12")
    upload.discard()
    content = store.open("photos", "a")
    assert content is not None
    store.delete("photos", "a")
    with pytest.raises(StoreFullError):
        put(store, "photos", "b", b"123")  # somebody is still reading
    assert content.file.read() == b"12345678"
    content.file.close()
    del content
    assert put(store, "photos", "b", b"1234567890").size == 10


def test_an_object_without_bytes_takes_room_for_what_is_told_of_it() -> None:
    store = MemoryStore(capacity=3 * OVERHEAD)
    store.make_bucket("photos")
    put(store, "photos", "a", b"")
    described = Description({"x-oss-meta-a": "x" * OVERHEAD}, tags=(("a", "b"),))
    with pytest.raises(StoreFullError):
        put_described(store, "photos", "b", b"", described)
    assert store.stat("photos", "b") is None
    store.delete("photos", "a")
    put_described(store, "photos", "b", b"", described)


def test_work_waits_in_the_order_in_which_it_came() -> None:
    budget, ended = Budget(10), []
    holding, go = threading.Event(), threading.Event()

    def first(lease: Lease) -> None:
        with lease:
            holding.set()
            assert go.wait(WAIT_S)

    def later(name: str) -> None:
        def work(lease: Lease) -> None:
            ended.append(name)
            lease.release()

        budget.run({"large": 10, "small": 1}[name], work)

    threads = [threading.Thread(target=budget.run, args=(5, first))]
    threads[0].start()
    assert holding.wait(WAIT_S)
    for count, name in enumerate(("large", "small"), 1):
        threads.append(threading.Thread(target=later, args=(name,)))
        threads[-1].start()
        while budget.waiting < count:
            time.sleep(0.01)
    assert ended == [], "the small one would fit, but it was not its turn"
    go.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert (ended, budget.free) == (["large", "small"], 10)


def test_work_that_runs_short_begins_anew_with_everything() -> None:
    budget = Budget(10)
    other: list[Lease] = []
    budget.run(6, other.append)
    began: list[int] = []

    def release_when_waited_for() -> None:
        while not budget.waiting:
            time.sleep(0.01)
        other[0].release()

    def work(lease: Lease) -> str:
        with lease:
            began.append(budget.free)
            if len(began) == 1:
                threading.Thread(target=release_when_waited_for).start()
            lease.hold(3)
            lease.hold(5)
            return "done"

    assert budget.run(3, work) == "done"
    assert began == [1, 0]
    assert budget.free == 10


def test_work_that_needs_more_than_there_is_is_refused_and_gives_everything_back() -> None:
    budget = Budget(10)
    with pytest.raises(TooMuchMemoryError):
        budget.run(99, lambda lease: lease.hold(11))
    with pytest.raises(ZeroDivisionError):
        budget.run(1, lambda _: 1 / 0)
    assert budget.free == 10


def test_an_error_holds_nothing_that_was_given_back() -> None:
    class Picture:
        pass

    pictures: list[weakref.ref[Picture]] = []

    def draw(lease: Lease) -> None:
        picture = Picture()
        pictures.append(weakref.ref(picture))
        try:
            lease.hold(11)
        except TooMuchMemoryError as error:
            raise ValueError(picture is None) from error

    with pytest.raises(ValueError, match="False"):
        Budget(10).run(1, draw)
    assert pictures[0]() is None


def test_a_result_is_held_until_it_is_closed_or_forgotten() -> None:
    budget = Budget(10)
    result = budget.run(9, lambda lease: HeldBytes(b"1234", lease))
    assert budget.free == 6
    assert result.read() == b"1234"
    result.close()
    assert budget.free == 10
    budget.run(9, lambda lease: HeldBytes(b"1234", lease))
    assert budget.free == 10
