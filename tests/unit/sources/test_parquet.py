"""Parquet, as its own library writes it."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.sources.jobs import table
from worker.batch.entry import TableSource
from worker.batch.planner import BadSource
from worker.batch.selection import SourceObject
from worker.errors import UsageError
from worker.sources.files import local
from worker.sources.parquet import read_schema, rows_of_parquet

ROOT = Path(__file__).parents[3]


def written(directory: Path, columns: dict[str, Any]) -> TableSource:
    pq.write_table(pa.table(columns), directory / "keys.parquet", row_group_size=700)
    return table(directory, (directory / "keys.parquet").read_bytes(), form="parquet")


def rows(entry: TableSource, *used: str) -> list[SourceObject | BadSource]:
    return list(rows_of_parquet(entry, local(entry), set(used)))


def test_a_table_gives_keys_buckets_etags_sizes_and_row_columns(tmp_path: Path) -> None:
    entry = written(
        tmp_path,
        {
            "key": ["a.jpg", "雪.jpg"],
            "bucket": ["archive", None],
            "etag": ['"ab12"', None],
            "size": [7, None],
            "title": pa.array(["Spring", None]).dictionary_encode(),
            "more": [[1], [2]],
        },
    )
    assert read_schema(local(entry)) == ("key", "bucket", "etag", "size", "title", "more")
    first, second = rows(entry, "title")
    place = f"{tmp_path}/keys.parquet"
    assert first == SourceObject("archive", "a.jpg", "AB12", 7, row={"title": "Spring"}, place=f"{place}:1")
    assert second == SourceObject("photos", "雪.jpg", row={}, place=f"{place}:2")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (1.5, "1.5"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00.000000Z"),
        (b"raw", "raw"),
    ],
)
def test_values_of_other_types_are_texts(tmp_path: Path, value: object, text: str) -> None:
    (row,) = rows(written(tmp_path, {"key": ["a.jpg"], "value": [value]}), "value")
    assert isinstance(row, SourceObject)
    assert row.row == {"value": text}


def test_all_rows_come_in_order_over_batches_and_groups(tmp_path: Path) -> None:
    keys = [f"{number}.jpg" for number in range(2500)]
    assert [row.key for row in rows(written(tmp_path, {"key": keys}))] == keys


def test_rows_without_a_key_or_with_bytes_that_are_no_text_are_bad(tmp_path: Path) -> None:
    entry = written(tmp_path, {"key": ["a.jpg", None, "b.jpg"], "title": [b"x", b"x", b"\xff"]})
    good, no_key, no_text = rows(entry, "title")
    assert isinstance(good, SourceObject)
    assert isinstance(no_key, BadSource)
    assert isinstance(no_text, BadSource)
    assert (no_key.reason, no_key.place) == ("the row has no key", f"{tmp_path}/keys.parquet:2")
    assert no_text.reason == "the row is not UTF-8 text"


def test_a_used_column_of_lists_is_an_error_that_names_the_manifests_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'more' holds list<.*int64> *>?, which cannot be written as text") as caught:
        rows(written(tmp_path, {"key": ["a.jpg"], "more": [[1]]}), "more")
    assert caught.value.problems[0].line == 5


@pytest.mark.parametrize("content", [b"", b"PAR1", b"key\na.jpg\n"])
def test_what_is_no_parquet_is_told_so(tmp_path: Path, content: bytes) -> None:
    entry = table(tmp_path, content, form="parquet")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        read_schema(local(entry))
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        rows(entry)


def test_a_file_that_is_damaged_behind_its_schema_is_told_so(tmp_path: Path) -> None:
    entry = written(tmp_path, {"key": [f"{number * 7919}.jpg" for number in range(5000)]})
    path = tmp_path / "keys.parquet"
    data = bytearray(path.read_bytes())
    data[100:20_000] = bytes(19_900)
    path.write_bytes(data)
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        rows(entry)


_WITHOUT = """
import sys
sys.modules["pyarrow"] = None
from tests.unit.sources.jobs import manifest
from worker.errors import UsageError
from worker.planning import with_files
try:
    with_files(manifest("parquet: keys.parquet"))
except UsageError as error:
    print(error)
"""


def test_without_the_extra_the_error_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert "job.yaml:5" in done.stdout.decode()
    assert "pip install 'oss-saveas-worker[parquet]'" in done.stdout.decode()
