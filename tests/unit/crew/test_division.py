"""The division of a run among its processes: together they have what one would have."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from worker.batch.task import Shard
from worker.crew.division import divided
from worker.execution import Order
from worker.settings import Failure, Settings

ORDER = Order(job="copies", run="r", proc="p", shard=Shard(1, 3), existing="skip", redo=True)


@given(st.integers(1, 9), st.none() | st.integers(1, 100), st.integers(0, 100), st.integers(1, 1000))
def test_limits_are_shared_out_without_a_rest(processes: int, limit: int | None, canary: int, window: int) -> None:
    settings = Settings(endpoint="local", failure=Failure(canary=canary, window=window))
    spools = [Path(str(number)) for number in range(processes)]
    starts = divided(replace(ORDER, limit=limit), settings, None, 3, spools)
    assert [start.spool for start in starts] == spools
    assert [start.part for start in starts] == Shard(1, 3).divided(processes)
    assert {start.parallelism for start in starts} == {3 * processes}
    limits = [start.order.limit for start in starts]
    assert (sum(one or 0 for one in limits) if None not in limits else None) == limit
    assert all(replace(start.order, limit=None) == ORDER for start in starts)
    for start in starts:
        failure = start.settings.failure
        assert canary <= failure.canary * processes < canary + processes
        assert window <= failure.window * processes < window + processes
