"""Lists and tables as people's tools write them."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.jobs import keys, table
from worker.batch.planner import BadSource
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.sources.files import local
from worker.sources.tables import read_header, rows_of_csv, rows_of_list

ROOT = Path(__file__).parents[3]


def listed(directory: Path, content: bytes) -> list[str]:
    """The keys, and `!` with the reason for a bad row."""
    entry = keys(directory, content)
    found = rows_of_list(entry, local(entry))
    return [row.key if isinstance(row, SourceObject) else f"!{row.reason}" for row in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a.jpg\nb.jpg\n", ["a.jpg", "b.jpg"]),
        (b"a.jpg\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"\xef\xbb\xbfa.jpg\r\nb.jpg\r\n", ["a.jpg", "b.jpg"]),
        (b" a b.jpg \n\tc.jpg\n", [" a b.jpg ", "\tc.jpg"]),
        (b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e.jpg\n", ["a\x0bb\x0cc\x85d\u2028e.jpg"]),
        (b"a.jpg\n\n\nb.jpg\n", ["a.jpg", "", "", "b.jpg"]),
        (b"a.jpg\n\xff\xfe.jpg\nb.jpg\n", ["a.jpg", "!the line is not UTF-8 text", "b.jpg"]),
        ("雪山.jpg\n".encode(), ["雪山.jpg"]),
        (b"# no comment\n'quoted'\n", ["# no comment", "'quoted'"]),
    ],
)
def test_a_list_has_one_key_a_line_and_nothing_else_is_stripped(
    tmp_path: Path, content: bytes, expected: list[str]
) -> None:
    assert listed(tmp_path, content) == expected


def test_each_row_of_a_list_has_its_place(tmp_path: Path) -> None:
    entry = keys(tmp_path, b"a.jpg\n\xff\nb.jpg\n")
    rows = list(rows_of_list(entry, local(entry)))
    assert [row.place for row in rows] == [f"{tmp_path}/keys.txt:{number}" for number in (1, 2, 3)]
    assert {row.bucket for row in rows} == {"photos"}


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1).filter(
            lambda key: not key.startswith("\ufeff")
        )
    )
)
def test_any_keys_come_back_from_a_list(tmp_path_factory: pytest.TempPathFactory, expected: list[str]) -> None:
    directory = tmp_path_factory.mktemp("list")
    assert listed(directory, "\n".join([*expected, ""]).encode()) == expected


def rows(directory: Path, content: bytes, columns: str = "") -> list[SourceObject | BadSource]:
    entry = table(directory, content, columns)
    return list(rows_of_csv(entry, local(entry), {"title"}))


def test_a_table_gives_keys_buckets_etags_sizes_and_row_columns(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbfkey,bucket,etag,size,title\r\na.jpg,archive,"""ab12""",7,Spring\r\nb.jpg,,,,\r\n'
    first, second = rows(tmp_path, content)
    assert first == SourceObject("archive", "a.jpg", "AB12", 7, row={"title": "Spring"}, place=f"{tmp_path}/keys.csv:2")
    assert second == SourceObject("photos", "b.jpg", row={"title": ""}, place=f"{tmp_path}/keys.csv:3")


def test_a_table_without_header_has_the_columns_of_the_manifest(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, b"x,a.jpg\n", ", columns: [title, key]")
    assert isinstance(row, SourceObject)
    assert (row.key, row.row) == ("a.jpg", {"title": "x"})


def test_quoted_fields_hold_commas_quotes_and_ends_of_lines(tmp_path: Path) -> None:
    first, second = rows(tmp_path, b'key,title\n"a,b"".jpg","two\r\nlines"\nc.jpg,x\n')
    assert isinstance(first, SourceObject)
    assert (first.key, first.row) == ('a,b".jpg', {"title": "two\r\nlines"})
    assert [first.place, second.place] == [f"{tmp_path}/keys.csv:2", f"{tmp_path}/keys.csv:4"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a.jpg", "the row has 1 fields, the table has 3 columns"),
        (b"a.jpg,1,x,y", "the row has 4 fields, the table has 3 columns"),
        (b"a.jpg,1k,x", "the size '1k' is not that of an object in bytes"),
        ("a.jpg,٣,x".encode(), "the size '٣' is not that of an object in bytes"),
        (b"a.jpg,-1,x", "the size '-1' is not that of an object in bytes"),
        (b"a.jpg,1,\xff", "the row is not UTF-8 text"),
        (b'a.jpg,1,"x"y', "the row is not CSV: ',' expected after '\"'"),
    ],
)
def test_a_bad_row_says_why_and_where_and_the_others_go_on(tmp_path: Path, line: bytes, reason: str) -> None:
    good, bad, next_good = rows(tmp_path, b"key,size,title\nfirst.jpg,1,x\n" + line + b"\nlast.jpg,2,y\n")
    assert isinstance(bad, BadSource)
    assert (bad.reason, bad.place) == (reason, f"{tmp_path}/keys.csv:3")
    assert isinstance(good, SourceObject)
    assert isinstance(next_good, SourceObject)
    assert (good.key, next_good.key) == ("first.jpg", "last.jpg")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'key,title\na.jpg,"open\nb.jpg,x\nc.jpg,y\n', ["!2", "b.jpg", "c.jpg"]),
        (b'key,title\na.jpg,"open\nb.jpg,"x"\nc.jpg,"y\nz"\nd.jpg,w\n', ["!2", "b.jpg", "c.jpg", "d.jpg"]),
        (b'key,title\na.jpg,x\nb.jpg,"open', ["a.jpg", "!3"]),
        (b'key,title\n"\n"\na.jpg,x\n', ["!2", "a.jpg"]),
        (b"key,title\na.jpg," + b"x" * (1 << 20) + b"\nb.jpg,y\n", ["!2", "b.jpg"]),
        (b'key,title\na.jpg,"' + b"open\n" * 50_000 + b"b.jpg,y\n", ["!2", *["!"] * 49_999, "b.jpg"]),
    ],
    ids=["to the end", "to the next quote", "in the last line", "a quoted line end", "a long line", "a long field"],
)
def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    found = rows(tmp_path, content)
    keys = [row.key if isinstance(row, SourceObject) else f"!{row.place.rpartition(':')[2]}" for row in found]
    assert len(keys) == len(expected)
    assert all(key.startswith(wanted) for key, wanted in zip(keys, expected, strict=True))


def test_a_line_of_a_list_that_has_no_end_is_one_bad_row(tmp_path: Path) -> None:
    assert listed(tmp_path, b"a.jpg\n" + b"x" * (5 << 20) + b"\nb.jpg") == [
        "a.jpg",
        "!the line is longer than 1,048,575 bytes",
        "b.jpg",
    ]


def test_a_key_that_is_not_utf8_is_left_to_the_check_of_keys(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, b"key\n\xff.jpg\n")
    assert row.key == "\udcff.jpg"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"name,title\na,b\n", "no column is named 'key'"),
        (b"Key\na\n", "no column is named 'key'"),
        (b"id;key\n1;a.jpg\n", "no column is named 'key', the first are 'id;key'"),
        (b"a,b,c,d,e,f\n", "the first are 'a', 'b', 'c', 'd', 'e'\n"),
        (b"key,title,title\n", "the column 'title' stands twice"),
        (b'"key"x\n', "is not CSV"),
    ],
)
def test_a_header_that_cannot_be_used_is_an_error_that_names_the_manifests_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    entry = table(tmp_path, content)
    with pytest.raises(UsageError, match=reason) as caught:
        list(rows_of_csv(entry, local(entry), set()))
    assert (caught.value.problems[0].file, caught.value.problems[0].line) == (f"{tmp_path}/job.yaml", 5)
    assert caught.value.problems[0].mend


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert rows(tmp_path, b"key,title\n") == []
    assert read_header(local(table(tmp_path, b"\xef\xbb\xbfkey,title\n"))) == ("key", "title")


def test_files_that_cannot_be_read_name_the_manifests_line(tmp_path: Path) -> None:
    missing = keys(tmp_path, b"")
    (tmp_path / "keys.txt").unlink()
    with pytest.raises(UsageError, match=r"keys\.txt cannot be read: No such file"):
        list(rows_of_list(missing, local(missing)))
    (tmp_path / "keys.txt").mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        list(rows_of_list(missing, local(missing)))


_STANDARD_INPUT = """
from tests.unit.sources.jobs import manifest
from worker.sources.files import local
from worker.sources.jsonl import rows_of_jsonl
from worker.sources.tables import rows_of_csv, rows_of_list
entry = manifest({line!r}).sources[0]
for row in {reader}:
    print(ascii(row.key), row.place)
"""


@pytest.mark.parametrize(
    ("line", "reader", "given_input", "expected"),
    [
        ('list: "-"', "rows_of_list(entry, local(entry))", b"\xef\xbb\xbfa.jpg\r\nb.jpg", "'a.jpg' -:1\n'b.jpg' -:2\n"),
        (
            'list: "-"',
            "rows_of_list(entry, local(entry))",
            gzip.compress(b"a.jpg\nb.jpg\n", mtime=0),
            "'a.jpg' -:1\n'b.jpg' -:2\n",
        ),
        ('jsonl: "-"', "rows_of_jsonl(entry, local(entry), set())", b'{"key": "a.jpg"}\n', "'a.jpg' -:1\n"),
        ('csv: "-"', "rows_of_csv(entry, local(entry), set())", b"key,title\na.jpg,x\n", "'a.jpg' -:2\n"),
        ('csv: "-"', "rows_of_csv(entry, local(entry), set())", "key\n雪.jpg\n".encode(), "'\\u96ea.jpg' -:2\n"),
    ],
)
def test_standard_input_is_read_like_a_file(line: str, reader: str, given_input: bytes, expected: str) -> None:
    code = _STANDARD_INPUT.format(line=line, reader=reader)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input=given_input, capture_output=True, timeout=60, check=False
    )
    assert (done.stdout.decode(), done.stderr) == (expected, b"")
