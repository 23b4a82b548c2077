"""Files as they come: plain or compressed, whole or damaged."""

import gzip
import os
from pathlib import Path

import pytest
from backports import zstd

from tests.unit.sources.jobs import PIPELINE, manifest
from worker.errors import UsageError
from worker.planning import with_files
from worker.sources.opening import File, lines, opened

PLACE = manifest("list: keys.txt").sources[0].place
CONTENT = b"".join(b"%d.jpg\n" % number for number in range(100_000))


def read(path: Path) -> bytes:
    with opened(File(PLACE, str(path), str(path))) as content:
        return content.read()


@pytest.mark.parametrize("name", ["keys.txt", "keys.gz", "keys.zst", "keys.csv.gz"])
@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(CONTENT),
        gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]),
        zstd.compress(CONTENT),
        zstd.compress(CONTENT[:1000]) + zstd.compress(CONTENT[1000:]),
    ],
    ids=["gzip", "two members", "zstd", "two frames"],
)
def test_what_is_compressed_is_told_by_its_first_bytes_whatever_its_name(
    tmp_path: Path, name: str, packed: bytes
) -> None:
    (tmp_path / name).write_bytes(packed)
    assert read(tmp_path / name) == CONTENT


def test_an_empty_file_is_an_empty_file_also_by_the_name_of_a_compressed_one(tmp_path: Path) -> None:
    for name in ("keys.txt", "keys.gz"):
        (tmp_path / name).touch()
        assert read(tmp_path / name) == b""


@pytest.mark.parametrize("name", ["keys.gz", "keys.zst"])
def test_a_name_that_says_compressed_of_a_file_that_is_not_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    with pytest.raises(UsageError, match="is not what its name says"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(CONTENT)[:-100],
        gzip.compress(CONTENT)[:-8] + bytes(8),
        gzip.compress(CONTENT)[:1000] + bytes(5000),
        zstd.compress(CONTENT)[:-100],
        zstd.compress(CONTENT)[:100] + bytes(5000),
    ],
    ids=["gzip cut off", "gzip checksum", "gzip overwritten", "zstd cut off", "zstd overwritten"],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "keys").write_bytes(damaged)
    with pytest.raises(UsageError, match="keys is damaged") as caught:
        read(tmp_path / "keys")
    assert caught.value.problems[0].line == 5


def test_a_pipe_in_place_of_a_file_is_refused_before_anything_of_it_is_lost(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keys.csv")
    with pytest.raises(UsageError, match="is no regular file"):
        with_files(manifest("csv: keys.csv", PIPELINE, tmp_path))


def test_a_line_without_an_end_is_never_held_whole(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"a\n" + b"x" * (3 << 20) + b"\nb\n")
    with (tmp_path / "keys").open("rb") as file:
        assert [len(line) for line in lines(file)] == [2, 1 << 20, 2]
