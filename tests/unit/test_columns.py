"""Columns: those of several processes are those of one that did it all; and how they are told in a summary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import EPOCH, error, record
from worker.batch.columns import WIDTH_MS, Columns
from worker.batch.limits import Limits
from worker.batch.record import Record, Status, timestamp
from worker.timeline import Row, rows

lines = st.lists(
    st.builds(
        lambda at_s, failed: record(
            at_s=at_s, duration_ms=at_s + 1, status=Status.FAILED if failed else Status.SAVED, tries={"Timeout": 1}
        ),
        st.integers(0, 3000),
        st.booleans(),
    )
)


def told(columns: Columns) -> list[tuple[int, int, int, int, float | None]]:
    return [(begin, one.saved, one.failed, one.throttled, one.durations.percentile(0.5)) for begin, one in columns]


@given(st.lists(lines, max_size=3), st.integers(1, 20))
def test_the_columns_of_several_processes_are_those_of_one(parts: list[list[Record]], most: int) -> None:
    whole, total = Columns(most), Columns(most)
    for part in parts:
        one = Columns(most)
        for line in part:
            one.take(line)
            whole.take(line)
        total.add(one)
    assert told(total) == told(whole)
    assert total.width_ms == whole.width_ms


@pytest.mark.parametrize(("mine", "theirs"), [([0], [1000]), ([0, 40], [0]), ([0], [0, 40]), ([], [0]), ([0], [])])
def test_processes_that_began_far_apart_or_lasted_for_longer_have_columns_of_one_width(
    mine: list[int], theirs: list[int]
) -> None:
    one, other, whole = Columns(2), Columns(2), Columns(2)
    for columns, moments in ((one, mine), (other, theirs), (whole, mine + theirs)):
        for at_s in moments:
            columns.take(record(at_s=at_s))
    one.add(other)
    assert told(one) == told(whole)
    assert one.width_ms == whole.width_ms


def test_limits_are_the_narrowest_over_time_and_the_sum_over_processes() -> None:
    one, other = Columns(2), Columns(2)
    one.at(0).narrow(Limits(50, 20, 64))
    one.at(WIDTH_MS).narrow(Limits(40, 20, 70))
    one.at(WIDTH_MS).narrow(Limits(45, 10, 60))
    other.at(0).narrow(Limits(1, 2, 3))
    one.add(other)
    assert [column.limits for _, column in one] == [Limits(51, 22, 67), Limits(40, 10, 60)]
    one.at(2 * WIDTH_MS)
    assert [column.limits for _, column in one] == [Limits(40, 10, 60), None]


def test_a_timeline_has_a_row_for_each_ten_seconds() -> None:
    columns = Columns()
    columns.take(record(at_s=1, duration_ms=70.04))
    columns.take(record(at_s=21, duration_ms=5, tries={"CpuLimitExceeded": 2, "InternalError": 1}))
    columns.take(record(at_s=22, status=Status.FAILED, error=error(), attempts=0))
    columns.at(int(EPOCH.timestamp() * 1000)).narrow(Limits(50.0, 20.0, 8))
    nothing = dict.fromkeys(("p50", "p95", "p99"))
    limits = {"requests_per_second": 50.0, "source_mb_per_second": 20.0, "concurrency": 8}
    first, second, third = rows(columns)
    assert first == Row(timestamp(EPOCH), 10.0, 1, 0, 0, dict.fromkeys(nothing, 70.0), limits)
    assert second == Row("2026-11-23T08:00:10.000Z", 10.0, 0, 0, 0, nothing, None)
    assert third == Row("2026-11-23T08:00:20.000Z", 10.0, 1, 1, 2, dict.fromkeys(nothing, 5.0), None)
