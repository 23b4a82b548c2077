"""JSON lines: values as they are written, and a line that is wrong costs one row."""

from pathlib import Path

import pytest

from tests.unit.sources.jobs import table
from worker.batch.planner import BadSource
from worker.batch.selection import SourceObject
from worker.sources.files import local
from worker.sources.jsonl import rows_of_jsonl


def rows(directory: Path, content: bytes, columns: str = "") -> list[SourceObject | BadSource]:
    entry = table(directory, content, columns, "jsonl")
    return list(rows_of_jsonl(entry, local(entry), {"title", "width"}))


def test_an_object_a_line_gives_key_bucket_etag_size_and_row_columns(tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbf{"key": "a.jpg", "bucket": "archive", "etag": "\\"ab12\\"", "size": 7, "title": "\\u00fc"}\r\n'
        b'{"size": "8", "title": "", "key": "\xe9\x9b\xaa.jpg", "bucket": null, "more": {"deep": [1]}}'
    )
    first, second = rows(tmp_path, content)
    place = f"{tmp_path}/keys.jsonl"
    assert first == SourceObject("archive", "a.jpg", "AB12", 7, row={"title": "ü"}, place=f"{place}:1")
    assert second == SourceObject("photos", "雪.jpg", None, 8, row={"title": ""}, place=f"{place}:2")


@pytest.mark.parametrize("written", ["1.50", "1e3", "-0", "12345678901234567890123", "true", "false"])
def test_a_number_is_the_text_it_is_written_as(tmp_path: Path, written: str) -> None:
    (row,) = rows(tmp_path, f'{{"key": "a.jpg", "width" :  {written} }}\n'.encode())
    assert isinstance(row, SourceObject)
    assert row.row == {"width": written}


@pytest.mark.parametrize("line", ['{"key": "a.jpg", "title": null}', '{"key": "a.jpg"}'])
def test_a_value_that_is_not_there_is_left_to_the_pipelines_that_use_it(tmp_path: Path, line: str) -> None:
    (row,) = rows(tmp_path, line.encode())
    assert isinstance(row, SourceObject)
    assert row.row == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"a.jpg", "not JSON"),
        (b'{"key": "a.jpg"', "not JSON"),
        (b'{"key": "a.jpg"} {}', "not JSON"),
        (b'["a.jpg"]', "not JSON"),
        (b'{"key": "\\ud800"}', "not JSON"),
        (b'{"key": "a.jpg", "more": "\xff"}', "not JSON: 'utf-8' codec can't decode"),
        (b'{"key": "a.jpg", "more": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON: maximum recursion depth"),
        (b'{"title": "x"}', "the row has no key"),
        (b'{"key": null}', "the row has no key"),
        (b'{"key": 7}', "the key 7 is not a text"),
        (b'{"key": ["a.jpg"]}', "'key' is a list or an object"),
        (b'{"key": "a.jpg", "title": {"de": "x"}}', "'title' is a list or an object"),
        (b'{"key": "a.jpg", "size": 1.5}', "the size '1.5' is not that of an object"),
        (b'{"key": "' + b"x" * (1 << 20) + b'"}', "longer than 1,048,575 bytes"),
    ],
)
def test_a_line_that_is_wrong_says_why_and_where_and_the_others_go_on(tmp_path: Path, line: bytes, reason: str) -> None:
    good, bad, next_good = rows(tmp_path, b'{"key": "first.jpg"}\n' + line + b'\n{"key": "last.jpg"}\n')
    assert isinstance(bad, BadSource)
    assert reason in bad.reason
    assert bad.place == f"{tmp_path}/keys.jsonl:2"
    assert isinstance(good, SourceObject)
    assert isinstance(next_good, SourceObject)
    assert (good.key, next_good.key) == ("first.jpg", "last.jpg")


def test_only_the_columns_that_the_manifest_names_are_read(tmp_path: Path) -> None:
    content = b'{"key": "a.jpg", "bucket": "archive", "title": "x", "width": [1]}'
    (row,) = rows(tmp_path, content, ", columns: [key, title]")
    assert isinstance(row, SourceObject)
    assert (row.bucket, row.row) == ("photos", {"title": "x"})
