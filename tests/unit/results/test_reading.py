"""Reading a results log: the order of lines, what a cut leaves, and what is wrong with the rest."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes import TASK, numbered, record
from tests.unit.results.records import read_records
from worker.batch.record import Record, decode_brief, encode
from worker.batch.task import Shard, target_digest
from worker.errors import ResultsError, UsageError
from worker.results import lines as results_lines
from worker.results.directory import DirectoryStore
from worker.results.lines import NOTHING, BadLine, Cutter, SegmentLines, Take, split
from worker.results.loading import read_ledger

SEGMENT = "run/0-of-1.aaaa.0.jsonl"


def write(path: Path, content: bytes | Iterable[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else b"".join(map(encode, content)))
    return path


def lines(first: int, last: int) -> list[Record]:
    return [record(numbered(number)) for number in range(first, last + 1)]


async def read(job: Path) -> tuple[list[Record], list[str]]:
    records: list[Record] = []
    warnings: list[str] = []
    await read_records(DirectoryStore(job), records.append, warnings.append)
    return records, warnings


async def test_a_job_without_a_log_has_no_records(tmp_path: Path) -> None:
    assert await read(tmp_path / "nothing") == ([], [])
    assert len(await read_ledger(DirectoryStore(tmp_path / "nothing"), Shard(0, 1), pytest.fail)) == 0


async def test_records_come_in_the_order_of_run_segment_and_line(tmp_path: Path) -> None:
    write(tmp_path / "run-2/0-of-1.aaaa.0.jsonl", lines(8, 9))
    write(tmp_path / "run-1/0-of-2.bbbb.10.jsonl", lines(4, 5))
    write(tmp_path / "run-1/0-of-2.bbbb.9.jsonl", lines(1, 3))
    write(tmp_path / "run-1/1-of-2.aaaa.0.jsonl", lines(6, 7))
    write(tmp_path / "run-1/0-of-2.bbbb.summary.json", b"{}")
    write(tmp_path / "run-1/.0-of-2.bbbb.9.jsonl.12345678", b"{")
    records, warnings = await read(tmp_path)
    assert [found.source.key for found in records] == [f"{number}.jpg" for number in range(1, 10)]
    assert warnings == []


def taken(whole: bytes, cuts: list[int]) -> tuple[list[bytes], str | None, results_lines.Covered]:
    """The lines of a segment that comes in pieces, cut where it is said."""
    found: list[bytes] = []

    def make(block: bytes) -> list[bytes]:
        for line in split(block):
            decode_brief(line)
        return [line + b"\n" for line in split(block)]

    cutter, segment = Cutter(), SegmentLines("the segment", NOTHING, Take(make, found.extend))
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        segment.feed(cutter.cut(whole[begin:end]))
    return found, segment.end(cutter.end()), segment.covered


def test_a_segment_cut_at_any_byte_holds_its_whole_lines() -> None:
    encoded = [encode(found) for found in lines(1, 50)]
    whole = b"".join(encoded)
    ends = [sum(map(len, encoded[:count])) for count in range(51)]
    for cut in range(len(whole) + 1):
        found, warning, covered = taken(whole[:cut], [])
        complete = sum(end <= cut for end in ends[1:])
        assert found == encoded[:complete], cut
        assert covered == results_lines.Covered(ends[complete], complete)
        if cut in ends:
            assert warning is None
        else:
            assert warning is not None
            assert warning.startswith(f"the segment:{complete + 1}: ")


@given(st.lists(st.integers(0, 3000), max_size=8).map(sorted), st.sampled_from([b"", b"\0" * 50, b'{"a', b"\0\n\0\n"]))
def test_pieces_of_any_size_hold_the_same_lines(cuts: list[int], tail: bytes) -> None:
    encoded = [encode(found) for found in lines(1, 8)]
    whole = b"".join(encoded) + tail
    cuts = [min(cut, len(whole)) for cut in cuts]
    found, warning, covered = taken(whole, cuts)
    assert found == encoded
    assert (warning is None) is (not tail)
    assert covered == results_lines.Covered(len(b"".join(encoded)), 8)


async def test_a_file_cut_at_some_byte_is_read_from_the_disk_as_far_as_it_goes(tmp_path: Path) -> None:
    expected = lines(1, 50)
    whole = b"".join(map(encode, expected))
    for cut in random.Random(5).sample(range(len(whole)), 10):
        segment = write(tmp_path / SEGMENT, whole[:cut])
        complete = whole[:cut].count(b"\n")
        records, warnings = await read(tmp_path)
        assert records == expected[:complete]
        ledger = await read_ledger(DirectoryStore(tmp_path), Shard(0, 1), warnings.append)
        assert len(ledger) == complete
        assert all(f"{segment}:{complete + 1}: " in warning for warning in warnings)


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"\0" * 4096 + b"\n", b'{"schema":1}\n{"a', b"\xff\xfe\n", b"\n\n", b"\0" * 5_000_000]
)
async def test_whatever_follows_the_last_valid_line_is_left_out_with_one_warning(tmp_path: Path, tail: bytes) -> None:
    segment = write(tmp_path / SEGMENT, b"".join(map(encode, lines(1, 3))) + tail)
    records, warnings = await read(tmp_path)
    assert len(records) == 3
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{segment}:4: ")


@pytest.mark.parametrize("bad", [b"\0" * 100 + b"\n", b"{}\n", b"\n", b"null\n", b'{"schema":1,"task":7}\n'])
async def test_a_bad_line_before_a_valid_one_is_an_error_that_names_the_place(tmp_path: Path, bad: bytes) -> None:
    segment = write(tmp_path / SEGMENT, encode(record()) + bad + encode(record()))
    with pytest.raises(ResultsError) as caught:
        await read(tmp_path)
    assert str(caught.value).startswith(f"{segment}:2: error: ")
    assert "compact JOB --quarantine FILE" in str(caught.value)
    with pytest.raises(ResultsError) as again:
        await read_ledger(DirectoryStore(tmp_path), Shard(0, 1), pytest.fail)
    assert str(again.value) == str(caught.value) or f"{segment}:2: error: " in str(again.value)


async def test_a_very_long_bad_line_before_a_valid_one_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / SEGMENT, encode(record()) + b"\0" * 9_000_000 + encode(record()) + encode(record()))
    with pytest.raises(ResultsError, match=r"aaaa\.0\.jsonl:2: error: "):
        await read(tmp_path)


@pytest.mark.parametrize("piece_bytes", [300_000, 1_500_000, 9_000_000])
def test_a_very_long_bad_line_that_is_set_aside_is_covered_with_the_rest(piece_bytes: int) -> None:
    aside: list[BadLine] = []
    whole = encode(record()) + b"\0" * 5_000_000 + b"\n" + b"?\n" + encode(record())
    cutter, segment = Cutter(), SegmentLines("the segment", NOTHING, Take(decode_all, lambda _: None), aside.append)
    for begin in range(0, len(whole), piece_bytes):
        segment.feed(cutter.cut(whole[begin : begin + piece_bytes]))
    assert segment.end(cutter.end()) is None
    assert segment.covered == results_lines.Covered(len(whole), 4)
    assert [bad.number for bad in aside] == [2, 3]


def decode_all(block: bytes) -> None:
    for line in split(block):
        decode_brief(line)


async def test_a_line_of_a_later_schema_is_told_as_such(tmp_path: Path) -> None:
    later = encode(record()).replace(b'"schema":1', b'"schema":2')
    segment = write(tmp_path / SEGMENT, encode(record()) + later)
    with pytest.raises(UsageError, match="schema 2") as caught:
        await read(tmp_path)
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(segment), 2)
    with pytest.raises(UsageError, match="schema 2"):
        await read_ledger(DirectoryStore(tmp_path), Shard(0, 1), pytest.fail)


async def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    newer = encode(record()).replace(b"{", b'{"mood":{"good":[1]},', 1)
    write(tmp_path / SEGMENT, newer)
    assert await read(tmp_path) == ([record()], [])
    assert len(await read_ledger(DirectoryStore(tmp_path), Shard(0, 1), pytest.fail)) == 1


async def test_a_segment_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / SEGMENT).mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"0-of-1\.aaaa\.0\.jsonl: Is a directory"):
        await read(tmp_path)


async def test_keys_of_all_kinds_survive(tmp_path: Path) -> None:
    keys = ["a b+%.jpg", "雪.jpg", 'quo"te\\.jpg', "line\nbreak\u2028\r.jpg", "\x01\x7f.jpg"]
    written = [record(replace(TASK, source=replace(TASK.source, key=key))) for key in keys]
    write(tmp_path / SEGMENT, written)
    assert await read(tmp_path) == (written, [])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6))
async def test_a_shard_reads_its_own_targets_whoever_wrote_them(
    tmp_path_factory: pytest.TempPathFactory, written_as: int, read_as: int
) -> None:
    job = tmp_path_factory.mktemp("job")
    records = lines(1, 40)
    for index in range(written_as):
        mine = [line for line in records if line.target and Shard(index, written_as).holds(target_digest(line.target))]
        write(job / f"run/{index}-of-{written_as}.aaaa.0.jsonl", mine)
    ledgers = [await read_ledger(DirectoryStore(job), Shard(index, read_as), pytest.fail) for index in range(read_as)]
    assert sum(map(len, ledgers)) == len(records)
    for line in records:
        assert line.target is not None
        digest = target_digest(line.target)
        holders = [index for index, ledger in enumerate(ledgers) if ledger.knows(digest)]
        assert holders == [index for index in range(read_as) if Shard(index, read_as).holds(digest)]
