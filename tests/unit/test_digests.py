"""The set of digests that costs few bytes."""

import hashlib
import random
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batch.digests import DigestMap, DigestSet

# Few different halves, so that digests meet in partitions and slots all the time.
HALVES = st.integers(0, 3).map(lambda number: number.to_bytes(8)) | st.binary(min_size=8, max_size=8)
DIGESTS = st.tuples(HALVES, HALVES).map(b"".join).filter(any)


@given(st.lists(DIGESTS, max_size=200))
def test_it_says_of_each_digest_whether_it_is_new_as_a_set_does(digests: list[bytes]) -> None:
    seen: set[bytes] = set()
    found = DigestSet()
    for digest in digests:
        assert found.add(digest) is (digest not in seen)
        seen.add(digest)


def test_it_grows_without_losing_or_inventing_any() -> None:
    digests = [hashlib.sha256(str(number).encode()).digest()[:16] for number in range(20_000)]
    found = DigestSet()
    assert all(found.add(digest) for digest in digests)
    random.shuffle(digests)
    assert not any(found.add(digest) for digest in digests)
    assert found.add(b"\1" * 16)


@pytest.mark.parametrize(
    "digest_of",
    [
        lambda number: bytes(8) + number.to_bytes(8),  # one partition, slot after slot
        lambda number: bytes(1) + number.to_bytes(7) + bytes(7) + b"\1",  # one partition, one slot for all
        lambda number: number.to_bytes(8) + bytes(8),  # lower half all zero
        lambda number: bytes(8) + (number * 840).to_bytes(8),  # one slot for many sizes of table
    ],
    ids=["neighbours", "one slot", "zero half", "multiples"],
)
def test_digests_that_all_want_one_slot_are_told_apart(digest_of: object) -> None:
    assert callable(digest_of)
    digests = [digest_of(number) for number in range(1, 400)]
    found = DigestSet()
    assert all(found.add(digest) for digest in digests)
    assert not any(found.add(digest) for digest in digests)


def _bytes_of(found: DigestSet) -> int:
    tables: list[array[int]] = []
    for partition in found._partitions:
        if partition is not None:
            tables += [partition._high, partition._low]
    return sum(map(sys.getsizeof, tables))


def test_a_digest_costs_at_most_40_bytes_at_any_size_that_matters() -> None:
    source = random.Random(1)
    found = DigestSet()
    for count in range(1, 200_001):
        found.add(source.randbytes(16))
        if count % 5_000 == 0 and count >= 20_000:
            assert _bytes_of(found) / count <= 40, count
    # What is told of it: all but the fixed cost of the tables.
    assert 20 <= _bytes_of(found) / 200_000 <= 34


@given(st.sets(st.binary(min_size=16, max_size=16).filter(any)), st.binary(min_size=16, max_size=16).filter(any))
def test_it_holds_what_was_added_and_nothing_else(digests: set[bytes], other: bytes) -> None:
    tested = DigestSet()
    for digest in digests:
        tested.add(digest)
    assert all(digest in tested for digest in digests)
    assert (other in tested) == (other in digests)


NUMBERS = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(DIGESTS, NUMBERS, NUMBERS), max_size=200), DIGESTS)
def test_a_map_gives_back_the_last_pair_of_each_digest(puts: list[tuple[bytes, int, int]], other: bytes) -> None:
    found, expected = DigestMap(), dict[bytes, tuple[int, int]]()
    for digest, first, second in puts:
        found.put(digest, first, second)
        expected[digest] = (first, second)
    assert all(found.get(digest) == pair for digest, pair in expected.items())
    assert found.get(other) == expected.get(other)


def test_a_map_grows_without_losing_a_pair() -> None:
    source, found = random.Random(2), DigestMap()
    pairs = {source.randbytes(16): (source.getrandbits(64), number) for number in range(50_000)}
    for digest, pair in pairs.items():
        found.put(digest, *pair)
    assert all(found.get(digest) == pair for digest, pair in pairs.items())
    tables = [
        table for each in found._partitions if each for table in (each._high, each._low, each._first, each._second)
    ]
    assert sum(map(sys.getsizeof, tables)) / len(pairs) <= 80
