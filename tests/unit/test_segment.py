"""Names of segments: which files are some, their order, and whose lines they can hold."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batch.segment import (
    SUMMARY,
    FileName,
    file_name,
    in_order,
    is_of_verification,
    is_segment,
    may_hold,
    run_of,
    stem,
)
from worker.batch.task import Shard


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("run/0-of-1.abcd.0.jsonl", True),
        ("run/anything.jsonl", True),
        ("run/0-of-1.abcd.summary.json", False),
        ("run/.0-of-1.abcd.0.jsonl.12345678", False),
        ("run/.0-of-1.abcd.0.jsonl", False),
        ("checkpoint/00000001.jsonl", False),
        ("run/deeper/0-of-1.abcd.0.jsonl", False),
        ("stray.jsonl", False),
    ],
)
def test_what_is_a_segment(name: str, is_one: bool) -> None:
    assert is_segment(name) is is_one


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("run/verify.abcd.0.jsonl", True),
        ("run/0-of-1.verify.0.jsonl", False),
        ("run/verify.abcd.summary.json", False),
        ("checkpoint/verify.abcd.0.jsonl", False),
    ],
)
def test_what_verify_has_found_is_told_from_what_runs_have_left(name: str, is_one: bool) -> None:
    assert is_of_verification(name) is is_one


def test_segments_come_by_run_process_and_number() -> None:
    names = [
        "run-1/0-of-2.aaaa.9.jsonl",
        "run-1/0-of-2.aaaa.10.jsonl",
        "run-1/0-of-2.aaab.0.jsonl",
        "run-1/1-of-2.aaaa.0.jsonl",
        "run-1/x.jsonl",
        "run-1/x.y.jsonl",
        "run-2/0-of-2.aaaa.0.jsonl",
    ]
    shuffled = random.Random(3).sample(names, len(names))
    assert sorted(shuffled, key=in_order) == names
    assert run_of(names[0]) == "run-1"


@given(st.binary(min_size=8, max_size=8), st.integers(1, 30), st.integers(1, 30))
def test_a_segment_may_hold_what_its_writer_and_its_reader_share(digest: bytes, written_as: int, read_as: int) -> None:
    writer = next(index for index in range(written_as) if Shard(index, written_as).holds(digest))
    reader = next(Shard(index, read_as) for index in range(read_as) if Shard(index, read_as).holds(digest))
    assert may_hold(f"run/{writer}-of-{written_as}.abcd.0.jsonl", reader)


def test_a_segment_of_another_shard_is_left_out_and_one_of_an_unknown_shard_is_not() -> None:
    assert not may_hold("run/1-of-4.abcd.0.jsonl", Shard(0, 4))
    assert not may_hold("run/1-of-4.abcd.0.jsonl", Shard(2, 6))
    assert may_hold("run/1-of-4.abcd.0.jsonl", Shard(2, 3))
    assert may_hold("run/copied.jsonl", Shard(0, 4))
    assert may_hold("run/0-of-0.abcd.0.jsonl", Shard(1, 4))


def test_a_name_tells_which_process_has_left_a_file() -> None:
    left = stem("night", Shard(2, 8), "0a1b")
    assert file_name(f"{left}.12.jsonl") == FileName("night", Shard(2, 8), "0a1b", is_summary=False)
    assert file_name(left + SUMMARY) == FileName("night", Shard(2, 8), "0a1b", is_summary=True)


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint/2-of-8.0a1b.12.jsonl",
        "night/verify.0a1b.0.jsonl",
        "night/2-of-8.0a1b.jsonl",
        "night/2-of-8.0a1b.x.jsonl",
        "night/2-of-8.0a1b.0.summary.json",
        "night/2-of-8.0a1b.0.jsonl.gz",
        "2-of-8.0a1b.0.jsonl",
    ],
)
def test_other_names_are_those_of_no_process(name: str) -> None:
    assert file_name(name) is None
