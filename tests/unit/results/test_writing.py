"""Writing a results log on a real disk: in groups, counted once durable, and what happens when the disk refuses."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes import numbered, record
from worker.batch.record import Record, encode
from worker.errors import ResultsError
from worker.results.reading import read_records
from worker.results.writing import DirectoryLog, ensure_writable, write_atomically

PATIENCE_S = 5.0


class Bench:
    """A log in a directory, with a clock that a pause moves forward; `at_pause` is done at each pause."""

    def __init__(self, directory: Path, at_pause: Callable[[], object] = lambda: None) -> None:
        self.directory = directory
        self.durable: list[Record] = []
        self.now_s = 0.0
        self.pauses = 0
        self._at_pause = at_pause
        self.log = DirectoryLog(
            directory / "run", "0-of-1.aaaa", PATIENCE_S, self._on_durable, lambda: self.now_s, self._sleep
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
            self.log.append(line)
        if then is not None:
            await then()
        self.log.close()
        await writing


def lines(count: int) -> list[Record]:
    return [record(numbered(number)) for number in range(count)]


def read(directory: Path) -> list[Record]:
    return list(read_records(directory, pytest.fail))


async def test_lines_are_durable_when_they_count_and_come_in_their_order(tmp_path: Path) -> None:
    bench, written = Bench(tmp_path), lines(50)
    await bench.write(written)
    assert bench.durable == read(tmp_path) == written
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
            bench.log.append(line)
            await asyncio.sleep(0.001)

    await bench.write(written[:1], one_by_one)
    assert bench.durable == read(tmp_path) == written


async def test_who_would_append_is_held_back_while_two_thousand_lines_are_not_durable(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for line in lines(1999):
        bench.log.append(line)
    async with asyncio.timeout(10):
        await bench.log.ready()
    bench.log.append(record())
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
    assert bench.durable == read(blocked) == written
    assert len(bench.segments()) == 1


async def test_a_disk_that_refuses_for_longer_than_the_patience_ends_the_log(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_bytes(b"")
    bench = Bench(blocked)
    with pytest.raises(ResultsError, match=r"results cannot be written: .*blocked"):
        await bench.write(lines(3))
    assert (bench.durable, bench.pauses) == ([], PATIENCE_S)
    assert bench.log.pending == 3


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
from tests.unit.results.test_writing import Bench, lines

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))

def more_space():
    if bench.pauses == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

async def main():
    writing = asyncio.create_task(bench.log.write())
    for line in lines(3):
        bench.log.append(line)
    while len(bench.durable) < 3:
        await asyncio.sleep(0.01)
    for line in lines(int(sys.argv[3])):
        bench.log.append(line)
    bench.log.close()
    await writing

bench = Bench(Path(sys.argv[1]), more_space)
asyncio.run(main())
print(len(bench.durable), bench.pauses)
"""


def test_a_write_that_comes_short_is_taken_back_and_written_again_to_the_next_segment(tmp_path: Path) -> None:
    first = len(b"".join(map(encode, lines(3))))
    done = subprocess.run(
        [sys.executable, "-c", _SHORT_OF_SPACE, str(tmp_path), str(first + 500), "40"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Smaller groups fit where a large one did not: nobody had to wait for more space.
    assert (done.stdout, done.stderr) == ("43 0\n", "")
    assert read(tmp_path) == [*lines(3), *lines(40)]
    segments = {path.name: path.stat().st_size for path in (tmp_path / "run").iterdir()}
    # What was durable stays in the first; segments that never held a durable line are gone.
    assert segments["0-of-1.aaaa.0.jsonl"] == first
    assert 0 < min(segments.values()) <= max(segments.values()) <= first + 500


def test_a_small_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run/summary.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [found.name for found in path.parent.iterdir()] == ["summary.json"]
    with pytest.raises(ResultsError, match="results cannot be written"):
        write_atomically(path / "below", b"")


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
