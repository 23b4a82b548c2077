"""Writing a results log on a real disk: in groups, counted once durable, and what happens when the disk refuses."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes import numbered, record, refused
from tests.unit.results.objects import LOST, Objects
from tests.unit.results.records import read_records
from worker.batch.record import Record, encode
from worker.errors import ResultsError
from worker.results.appending import Appender, BucketAppender, DirectoryAppender
from worker.results.directory import DirectoryStore, ensure_writable
from worker.results.patience import Patience
from worker.results.store import StoreError, TakenError
from worker.results.writing import ResultsLog

PATIENCE_S = 5.0


def made(line: Record) -> Callable[[], Record]:
    """What makes a line, as the recorder hands it over."""
    return lambda: line


class Bench:
    """A log in a directory, with a clock that a pause moves forward; `at_pause` is done at each pause."""

    def __init__(self, directory: Path, at_pause: Callable[[], object] = lambda: None) -> None:
        self.directory = directory
        self.durable: list[Record] = []
        self.now_s = 0.0
        self.pauses = 0
        self._at_pause = at_pause
        self.log = ResultsLog(
            DirectoryAppender(DirectoryStore(directory), "run/0-of-1.aaaa"),
            Patience(PATIENCE_S, lambda: self.now_s, self._sleep),
            self._on_durable,
        )

    def _on_durable(self, line: Record) -> None:
        assert encode(line) in self.content()
        self.durable.append(line)

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.pauses += 1
        self._at_pause()

    def content(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted((self.directory / "run").glob("*.jsonl")))

    def segments(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "run").glob("*"))

    async def write(self, lines: list[Record], then: Callable[[], Awaitable[object]] | None = None) -> None:
        writing = asyncio.create_task(self.log.write())
        for line in lines:
            self.log.append(made(line))
        if then is not None:
            await then()
        self.log.close()
        await writing


def lines(count: int) -> list[Record]:
    return [record(numbered(number)) for number in range(count)]


async def read(directory: Path) -> list[Record]:
    found: list[Record] = []
    await read_records(DirectoryStore(directory), found.append, pytest.fail)
    return found


async def test_lines_are_durable_when_they_count_and_come_in_their_order(tmp_path: Path) -> None:
    bench, written = Bench(tmp_path), lines(50)
    await bench.write(written)
    assert bench.durable == await read(tmp_path) == written
    assert bench.segments() == ["0-of-1.aaaa.0.jsonl"]
    assert bench.log.pending == 0


async def test_a_log_without_lines_has_no_segment(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.write([])
    assert not (tmp_path / "run").exists()


async def test_a_line_is_durable_soon_though_no_other_follows(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def until_durable() -> None:
        async with asyncio.timeout(30):
            while not bench.durable:  # noqa: ASYNC110 - what is waited for is a thread's work
                await asyncio.sleep(0.01)

    await bench.write(lines(1), until_durable)


async def test_lines_that_come_while_others_are_written_are_written_too(tmp_path: Path) -> None:
    bench, written = Bench(tmp_path), lines(300)

    async def one_by_one() -> None:
        for line in written[1:]:
            bench.log.append(made(line))
            await asyncio.sleep(0.001)

    await bench.write(written[:1], one_by_one)
    assert bench.durable == await read(tmp_path) == written


async def test_who_would_append_is_held_back_while_two_thousand_lines_are_not_durable(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for line in lines(1999):
        bench.log.append(made(line))
    async with asyncio.timeout(10):
        await bench.log.ready()
    bench.log.append(made(record()))
    waiting = asyncio.create_task(bench.log.ready())
    await asyncio.sleep(0)
    assert not waiting.done()

    async def released() -> None:
        await waiting
        assert bench.log.pending < 2000

    await bench.write([], released)
    assert len(bench.durable) == 2000


async def test_a_disk_that_refuses_for_a_while_loses_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"a file where a directory is due")
    bench = Bench(blocked, at_pause=lambda: blocked.unlink() if bench.pauses == 3 else None)
    written = lines(20)
    await bench.write(written)
    assert bench.durable == await read(blocked) == written
    assert len(bench.segments()) == 1


async def test_a_disk_that_refuses_for_longer_than_the_patience_ends_the_log(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    bench = Bench(blocked)
    with pytest.raises(ResultsError, match=r"results cannot be written: .*blocked"):
        await bench.write(lines(3))
    assert (bench.durable, bench.pauses) == ([], PATIENCE_S)
    assert bench.log.pending == 3


class Narrow(Appender):
    """Takes two lines at a time, and notes at each attempt whether the log lets new tasks begin."""

    path = "narrow"
    group_lines = 1000
    group_s = 0.01
    shrinks = True

    def __init__(self) -> None:
        self.log = ResultsLog(self, Patience(PATIENCE_S, lambda: 0.0, asyncio.sleep), lambda _: None)
        self.lets_begin: list[bool] = []

    async def append(self, lines: bytes) -> None:
        ready = asyncio.create_task(self.log.ready())
        await asyncio.sleep(0)
        self.lets_begin.append(ready.done())
        ready.cancel()
        if lines.count(b"\n") > 2:
            raise StoreError("no space for so many")

    def close(self) -> None:
        pass


async def test_nothing_new_is_begun_until_all_that_waits_has_fit() -> None:
    narrow = Narrow()
    for line in lines(9):
        narrow.log.append(made(line))
    narrow.log.close()
    await narrow.log.write()
    assert len(narrow.lets_begin) > 5
    assert not any(narrow.lets_begin[1:])
    async with asyncio.timeout(10):
        await narrow.log.ready()


async def test_nobody_elses_segment_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/0-of-1.aaaa.0.jsonl").write_bytes(b"")
    bench = Bench(tmp_path)
    await bench.write(lines(2))
    assert bench.segments() == ["0-of-1.aaaa.0.jsonl", "0-of-1.aaaa.1.jsonl"]
    assert (tmp_path / "run/0-of-1.aaaa.0.jsonl").read_bytes() == b""


# A limit on the size of files makes a real write come short and then fail: in a process of its own, for it cannot be
# taken back. The limit is raised, from within, after the third pause.
_SHORT_OF_SPACE = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.unit.results.test_writing import Bench, lines, made

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))

def more_space():
    if bench.pauses == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

async def main():
    writing = asyncio.create_task(bench.log.write())
    for line in lines(3):
        bench.log.append(made(line))
    while len(bench.durable) < 3:
        await asyncio.sleep(0.01)
    for line in lines(int(sys.argv[3])):
        bench.log.append(made(line))
    bench.log.close()
    await writing

bench = Bench(Path(sys.argv[1]), more_space)
asyncio.run(main())
print(len(bench.durable), bench.pauses)
"""


async def test_a_write_that_comes_short_is_taken_back_and_written_again_to_the_next_segment(tmp_path: Path) -> None:
    first = len(b"".join(map(encode, lines(3))))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _SHORT_OF_SPACE, str(tmp_path), str(first + 500), "40"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Smaller groups fit where a large one did not: nobody had to wait for more space.
    assert (done.stdout, done.stderr) == ("43 0\n", "")
    assert await read(tmp_path) == [*lines(3), *lines(40)]
    segments = {path.name: path.stat().st_size for path in (tmp_path / "run").iterdir()}
    # What was durable stays in the first; segments that never held a durable line are gone.
    assert segments["0-of-1.aaaa.0.jsonl"] == first
    assert 0 < min(segments.values()) <= max(segments.values()) <= first + 500


async def test_a_small_file_is_written_whole_or_not_at_all_and_never_over_another(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for _ in range(2):
        await store.create("run/summary.json", b"one")
    with pytest.raises(TakenError):
        await store.create("run/summary.json", b"two")
    assert (tmp_path / "run/summary.json").read_bytes() == b"one"
    assert [found.name for found in (tmp_path / "run").iterdir()] == ["summary.json"]
    with pytest.raises(StoreError, match=r"summary\.json/below"):
        await store.create("run/summary.json/below", b"")


def test_a_directory_is_tried_before_the_first_request(tmp_path: Path) -> None:
    ensure_writable(tmp_path / "results/copies/run")
    assert list((tmp_path / "results/copies/run").iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResultsError, match="file"):
        ensure_writable(tmp_path / "file/copies/run")


async def test_a_log_that_was_deleted_is_not_told_as_done(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def delete() -> None:
        while len(bench.durable) < 2:  # noqa: ASYNC110 - the log tells nobody when a line is durable but by the list
            await asyncio.sleep(0.01)
        (tmp_path / "run/0-of-1.aaaa.0.jsonl").unlink()

    with pytest.raises(ResultsError, match="deleted while they were written"):
        await bench.write(lines(2), delete)


class BucketBench:
    """A log in a bucket by hand."""

    def __init__(self, objects: Objects, pardoned: Callable[[], bool] = lambda: False) -> None:
        self.objects = objects
        self.durable: list[Record] = []
        self.now_s = 0.0
        patience = Patience(PATIENCE_S, lambda: self.now_s, self._sleep, pardoned)
        self.log = ResultsLog(BucketAppender(objects.store(), "run/0-of-1.aaaa"), patience, self.durable.append)

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def write(self, written: list[Record]) -> None:
        writing = asyncio.create_task(self.log.write())
        for line in written:
            self.log.append(made(line))
        self.log.close()
        await writing

    async def read(self) -> list[Record]:
        found: list[Record] = []
        await read_records(self.objects.store(), found.append, pytest.fail)
        return found

    def segments(self) -> list[str]:
        return [key.rpartition("/")[2] for key in self.objects.contents]


async def test_in_a_bucket_a_segment_has_five_thousand_lines_at_most() -> None:
    bench, written = BucketBench(Objects()), lines(10_001)
    await bench.write(written)
    assert bench.durable == await bench.read() == written
    assert bench.segments() == [f"0-of-1.aaaa.{number}.jsonl" for number in range(3)]
    assert [content.count(b"\n") for content in bench.objects.contents.values()] == [5000, 5000, 1]


async def test_in_a_bucket_the_first_group_is_not_waited_for_and_later_ones_are_not_small() -> None:
    appender = BucketAppender(Objects().store(), "run/0-of-1.aaaa")
    assert (appender.group_s, appender.path) == (0.2, "oss://results/logs/copies/run/0-of-1.aaaa.0.jsonl")
    await appender.append(b"")
    assert (appender.group_s, appender.path) == (5.0, "oss://results/logs/copies/run/0-of-1.aaaa.1.jsonl")


@pytest.mark.parametrize("lands", [True, False])
async def test_a_bucket_that_refuses_for_a_while_loses_and_doubles_nothing(lands: bool) -> None:
    objects = Objects(lands=lands)
    trouble = iter([LOST] * 4)
    objects.trouble = lambda request: next(trouble, None) if request.method == "PUT" else None
    bench, written = BucketBench(objects), lines(20)
    await bench.write(written)
    assert bench.durable == await bench.read() == written
    assert bench.segments() == ["0-of-1.aaaa.0.jsonl"]
    # The very same group each time: what a PUT without an answer has done is not known.
    assert len({request.body for request in objects.asked if request.method == "PUT"}) == 1


async def test_a_bucket_that_refuses_for_longer_than_the_patience_ends_the_log() -> None:
    bench = BucketBench(Objects(trouble=lambda _: refused(403, "AccessDenied")))
    with pytest.raises(ResultsError, match=r"results cannot be written: cannot put oss://results/logs/.*AccessDenied"):
        await bench.write(lines(3))
    assert (bench.durable, bench.log.pending, bench.now_s) == ([], 3, PATIENCE_S)


async def test_while_everybody_waits_for_the_service_patience_does_not_end() -> None:
    objects = Objects(trouble=lambda _: LOST)
    bench = BucketBench(objects, lambda: bench.now_s < 100)
    with pytest.raises(ResultsError):
        await bench.write(lines(3))
    assert bench.now_s == 100


async def test_an_object_of_somebody_else_is_left_alone() -> None:
    objects = Objects({"logs/copies/run/0-of-1.aaaa.0.jsonl": encode(record())})
    bench, written = BucketBench(objects), lines(2)
    await bench.write(written)
    assert bench.segments() == ["0-of-1.aaaa.0.jsonl", "0-of-1.aaaa.1.jsonl"]
    assert await bench.read() == [record(), *written]
