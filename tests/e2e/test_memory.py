"""The worker holds as much memory for ten thousand tasks as for one thousand."""

import sys

import pytest

from bench import planning
from bench.memory import ALLOWED_GROWTH_MB, measure


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_number_of_tasks() -> None:
    few, many = measure([1_000, 10_000])
    assert few.peak_mb > 10
    assert many.peak_mb - few.peak_mb <= ALLOWED_GROWTH_MB


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_plan_does_not_grow_with_its_rows() -> None:
    plans = [("by the templates", 1_000), ("by the templates", 20_000), ("by enumeration", 1_000)]
    few, many, enumerated = planning.measure(plans)
    assert few.peak_mb > 10
    assert many.peak_mb - few.peak_mb <= ALLOWED_GROWTH_MB
    assert enumerated.peak_mb <= planning.ALLOWED_MB
