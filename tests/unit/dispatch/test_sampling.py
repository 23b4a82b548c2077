"""Sampling: a flood of one kind drowns no other, and nothing goes untold."""

from worker.dispatch.sampling import Sampling


def test_five_of_a_kind_are_told_in_a_minute_and_how_many_were_not() -> None:
    now_s = 100.0
    tested = Sampling(lambda: now_s)
    assert [tested.take("ImageDamage") for _ in range(8)] == [0] * 5 + [None] * 3
    assert tested.take("NoSuchKey") == 0
    now_s = 159.9
    assert tested.take("ImageDamage") is None
    now_s = 160.0
    assert [tested.take("ImageDamage") for _ in range(6)] == [4, 0, 0, 0, 0, None]
    assert list(tested.rest()) == [("ImageDamage", 1)]
    assert list(tested.rest()) == []


def test_names_from_outside_cannot_fill_the_memory() -> None:
    tested = Sampling(lambda: 0.0)
    told = [tested.take(f"Code{number}") for number in range(1000)]
    assert told.count(0) == 100 + 5
    assert list(tested.rest()) == [("(others)", 895)]
