"""Reading a results log: the order of lines, what a cut leaves, and what is wrong with the rest."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import TASK, numbered, record
from worker.batch.record import Record, encode
from worker.errors import ResultsError, UsageError
from worker.results.reading import read_records


def write(path: Path, content: bytes | Iterable[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else b"".join(map(encode, content)))
    return path


def lines(first: int, last: int) -> list[Record]:
    return [record(numbered(number)) for number in range(first, last + 1)]


def read(job: Path) -> tuple[list[Record], list[str]]:
    warnings: list[str] = []
    return list(read_records(job, warnings.append)), warnings


def test_a_job_without_a_log_has_no_records(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") == ([], [])


def test_records_come_in_the_order_of_run_segment_and_line(tmp_path: Path) -> None:
    write(tmp_path / "run-2/0-of-1.aaaa.0.jsonl", lines(8, 9))
    write(tmp_path / "run-1/0-of-2.bbbb.10.jsonl", lines(4, 5))
    write(tmp_path / "run-1/0-of-2.bbbb.9.jsonl", lines(1, 3))
    write(tmp_path / "run-1/1-of-2.aaaa.0.jsonl", lines(6, 7))
    write(tmp_path / "run-1/0-of-2.bbbb.summary.json", b"{}")
    write(tmp_path / "run-1/.0-of-2.bbbb.summary.json.tmp", b"{")
    records, warnings = read(tmp_path)
    assert [found.source.key for found in records] == [f"{number}.jpg" for number in range(1, 10)]
    assert warnings == []


def test_a_segment_cut_at_any_byte_holds_its_whole_lines(tmp_path: Path) -> None:
    expected = lines(1, 50)
    encoded = [encode(found) for found in expected]
    whole = b"".join(encoded)
    ends = [sum(map(len, encoded[:count])) for count in range(51)]
    segment = tmp_path / "run/0-of-1.aaaa.0.jsonl"
    segment.parent.mkdir()
    for cut in range(len(whole) + 1):
        segment.write_bytes(whole[:cut])
        records, warnings = read(tmp_path)
        complete = sum(end <= cut for end in ends[1:])
        assert records == expected[:complete], cut
        if cut in ends:
            assert warnings == []
        else:
            (warning,) = warnings
            assert f"{segment}:{complete + 1}: " in warning


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\0" * 4096 + b"\n", b'{"schema":1}\n{"a', b"\xff\xfe\n", b"\n\n"])
def test_whatever_follows_the_last_valid_line_is_left_out_with_one_warning(tmp_path: Path, tail: bytes) -> None:
    segment = write(tmp_path / "run/0-of-1.aaaa.0.jsonl", b"".join(map(encode, lines(1, 3))) + tail)
    records, warnings = read(tmp_path)
    assert len(records) == 3
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{segment}:4: ")


@pytest.mark.parametrize("bad", [b"\0" * 100 + b"\n", b"{}\n", b"\n", b"null\n", b'{"schema":1,"task":7}\n'])
def test_a_bad_line_before_a_valid_one_is_an_error_that_names_the_place(tmp_path: Path, bad: bytes) -> None:
    segment = write(tmp_path / "run/0-of-1.aaaa.0.jsonl", encode(record()) + bad + encode(record()))
    with pytest.raises(ResultsError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{segment}:2: error: ")
    assert "mend: " in str(caught.value)


def test_a_line_of_a_later_schema_is_told_as_such(tmp_path: Path) -> None:
    later = encode(record()).replace(b'"schema":1', b'"schema":2')
    segment = write(tmp_path / "run/0-of-1.aaaa.0.jsonl", encode(record()) + later)
    with pytest.raises(UsageError, match="schema 2") as caught:
        read(tmp_path)
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (str(segment), 2)


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    newer = encode(record()).replace(b"{", b'{"mood":{"good":[1]},', 1)
    write(tmp_path / "run/0-of-1.aaaa.0.jsonl", newer)
    assert read(tmp_path) == ([record()], [])


def test_a_segment_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run/0-of-1.aaaa.0.jsonl").mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"0-of-1\.aaaa\.0\.jsonl: Is a directory"):
        read(tmp_path)


def test_keys_of_all_kinds_survive(tmp_path: Path) -> None:
    keys = ["a b+%.jpg", "雪.jpg", 'quo"te\\.jpg', "line\nbreak\u2028\r.jpg", "\x01\x7f.jpg"]
    written = [record(replace(TASK, source=replace(TASK.source, key=key))) for key in keys]
    write(tmp_path / "run/0-of-1.aaaa.0.jsonl", written)
    assert read(tmp_path) == (written, [])
