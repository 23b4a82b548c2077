"""How long a run would take, and which limit binds."""

import pytest

from worker.batch.estimate import Work, estimate
from worker.batch.limits import Limits

LIMITS = Limits(requests_per_second=50, source_mb_per_second=20, concurrency=64)


def test_ten_million_pictures_take_56_hours_at_the_default_quota() -> None:
    found = estimate(Work(10_000_000, 0, 10_010_000, 10_000_000 * 100_000, 10_000_000), 0.3, LIMITS)
    assert found.hours == {"requests_per_second": 55.61, "source_mb_per_second": 13.89, "concurrency": 13.02}
    assert (found.binds, found.unknown_sizes, found.seconds_assumed) == ("requests_per_second", 0, False)


@pytest.mark.parametrize(
    ("size", "seconds", "binds"),
    [(400_000, 0.5, "requests_per_second"), (500_000, 0.5, "source_mb_per_second"), (400_000, 1.5, "concurrency")],
)
def test_the_limit_that_takes_longest_binds(size: int, seconds: float, binds: str) -> None:
    assert estimate(Work(1000, 0, 1000, 1000 * size, 1000), seconds, LIMITS).binds == binds


def test_unknown_sizes_count_as_the_mean_of_the_known_ones() -> None:
    found = estimate(Work(800, 200, 1000, 100 * 1_000_000, 100), 0.1, LIMITS)
    assert (found.hours["source_mb_per_second"], found.unknown_sizes) == (0.01389, 900)
    assert found.source_bytes == 100_000_000


def test_where_no_size_is_known_nothing_is_made_up() -> None:
    found = estimate(Work(1000, 0, 1000, 0, 0), None, LIMITS)
    assert found.hours["source_mb_per_second"] is None
    assert (found.seconds_assumed, found.seconds_per_picture) == (True, 0.5)
    assert estimate(Work(0, 0, 5, 0, 0), None, LIMITS).hours["source_mb_per_second"] == 0
