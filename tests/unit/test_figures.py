"""What the lines of a run add up to: universal rules first."""

from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes import TASK, record
from worker.batch.columns import MOST, WIDTH_MS, Columns
from worker.batch.extremes import Greatest
from worker.batch.failures import Failures
from worker.batch.figures import MOST_CLASSES, OTHERS, Figures
from worker.batch.histogram import Histogram
from worker.batch.record import ErrorRecord, Record, Status, TargetRecord, decode_brief, encode, milliseconds
from worker.batch.specimens import Specimens, Why
from worker.batch.superseded import Superseded

DURATIONS = st.floats(min_value=0.1, max_value=4e6)


def line(key: str = "a.jpg", status: Status = Status.SAVED, at_s: float = 0.0, **changes: Any) -> Record:
    task = replace(TASK, source=replace(TASK.source, key=key), target=replace(TASK.target, key=f"small/{key}"))
    if status is Status.FAILED:
        changes.setdefault("error", ErrorRecord("ImageDamage", 400, "", "made up", permanent=True))
    return record(task, status, at_s, **changes)


def sized(key: str, before: int | None, after: int | None) -> Record:
    made = line(key)
    return replace(
        made,
        source=replace(made.source, size=before),
        target=TargetRecord("renditions", f"small/{key}", after),
    )


@st.composite
def lines(draw: st.DrawFn) -> Record:
    status = draw(st.sampled_from([Status.SAVED, Status.FAILED, Status.SKIPPED]))
    code = draw(st.sampled_from(["ImageDamage", "Timeout", "Odd"]))
    attempts = 0 if status is Status.SKIPPED else draw(st.integers(1, 5))
    throttled = draw(st.integers(0, 3))
    return line(
        draw(st.text(min_size=1, max_size=8)),
        status,
        draw(st.integers(0, 200_000)) / 10,
        pipeline=draw(st.sampled_from(["thumb", "hero"])),
        attempts=attempts,
        tries={"CpuLimitExceeded": throttled} if throttled else {},
        duration_ms=draw(DURATIONS),
        error=ErrorRecord(code, 400, "", "", permanent=draw(st.booleans())) if status is Status.FAILED else None,
    )


def taken(some: Iterable[Record]) -> Figures:
    figures = Figures()
    for one in some:
        figures.take(one)
    return figures


@given(st.lists(lines(), max_size=60))
def test_every_count_is_that_of_the_lines(some: list[Record]) -> None:
    figures = taken(some)
    assert figures.lines == Counter(one.status for one in some)
    assert figures.attempts == sum(one.attempts for one in some)
    assert figures.throttled == sum(one.tries.get("CpuLimitExceeded", 0) for one in some)
    failed = [one for one in some if one.error]
    assert {one.code: one.count for one in figures.classes} == Counter(one.error.code for one in failed if one.error)
    assert sum(one.permanent for one in figures.classes) == sum(one.error.permanent for one in failed if one.error)
    columns = [column for _, column in figures.columns]
    assert sum(column.saved for column in columns) == figures.lines[Status.SAVED]
    assert sum(column.failed for column in columns) == len(failed) == len(figures.failures.lines)
    assert sum(column.throttled for column in columns) == figures.throttled
    assert sum(column.durations.count for column in columns) == figures.durations.count
    for name, one in figures.pipelines.items():
        mine = Counter(line.status for line in some if line.pipeline == name)
        assert (one.saved, one.failed, one.skipped) == (mine[Status.SAVED], mine[Status.FAILED], mine[Status.SKIPPED])


@given(st.lists(lines(), max_size=30), st.randoms())
def test_the_order_of_the_lines_does_not_matter(some: list[Record], random: Any) -> None:
    other = some.copy()
    random.shuffle(other)
    one, two = taken(some), taken(other)
    assert (one.lines, one.seconds, one.percentiles) == (two.lines, two.seconds, two.percentiles)
    assert [(at, column.saved) for at, column in one.columns] == [(at, column.saved) for at, column in two.columns]


@given(st.lists(DURATIONS, min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_a_value_to_one_percent(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(1, ceil(share * len(values))) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=0.01)
    assert histogram.percentile(1.0) == max(values)


def test_a_histogram_of_nothing_has_no_percentiles_and_the_least_is_a_tenth() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) is None
    for value in (0.0, 0.0, 5.0):
        histogram.add(value)
    assert histogram.percentile(0.5) == pytest.approx(0.1, rel=0.01)


@given(st.lists(st.integers(0, 10**10), max_size=100), st.integers(1, 20))
def test_columns_are_few_of_one_width_and_hold_every_moment(moments: list[int], most: int) -> None:
    columns = Columns(most)
    for moment in moments:
        columns.at(moment).saved += 1
    told = list(columns)
    assert len(told) <= most
    assert sum(column.saved for _, column in told) == len(moments)
    assert [begin for begin, _ in told] == [told[0][0] + number * columns.width_ms for number in range(len(told))]
    for begin, column in told:
        assert column.saved == sum(begin <= moment < begin + columns.width_ms for moment in moments)
    if columns.width_ms > WIDTH_MS:  # half of that would be too many
        half = columns.width_ms // 2
        assert max(moments) // half - min(moments) // half >= most
    assert not moments or columns.end_ms == told[-1][0] + columns.width_ms


def test_a_night_has_two_hundred_columns_at_most() -> None:
    columns = Columns()
    for second in range(0, 56 * 3600, 60):
        columns.at(second * 1000)
    assert (len(list(columns)), columns.width_ms) == (158, 1_280_000)
    assert MOST == 200


def test_the_time_of_a_run_is_from_its_first_attempt_to_its_last_verdict() -> None:
    figures = taken([line("a", at_s=10, duration_ms=4000.0), line("b", Status.FAILED, at_s=16, duration_ms=1.0)])
    assert (figures.seconds, figures.per_second) == (10.0, 0.2)
    assert (Figures().seconds, Figures().per_second) == (0.0, None)


def test_bytes_are_of_lines_of_which_both_sizes_are_known() -> None:
    figures = taken([sized("a", 100, 40), sized("b", 10, 70), sized("c", None, 5), sized("d", 5, None)])
    (pipeline,) = figures.pipelines.values()
    assert (pipeline.sized, pipeline.source_bytes, pipeline.target_bytes, pipeline.saved_bytes) == (2, 110, 110, 0)
    assert [one.source.key for one in figures.largest.items] == ["b", "a", "c"]


def test_a_class_tells_its_first_failure_and_the_service_cannot_make_up_any_number_of_classes() -> None:
    figures = taken([line("b", Status.FAILED, 2), line("a", Status.FAILED, 1), line("c", Status.FAILED, 3)])
    (one,) = figures.classes
    assert (one.code, one.count, one.permanent, one.example.source.key) == ("ImageDamage", 3, 3, "a")
    for number in range(MOST_CLASSES + 5):
        error = ErrorRecord(f"Odd{number}", 400, "", "", permanent=False)
        figures.take(line("d", Status.FAILED, 4, error=error))
    figures.take(line("e", Status.FAILED, 5, error=None))
    assert len(figures.classes) == MOST_CLASSES + 1
    assert figures.errors[OTHERS].count == 7


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 8))
def test_the_greatest_are_kept_and_of_equals_the_first(measures: list[int], most: int) -> None:
    greatest: Greatest[int] = Greatest(most)
    for number, measure in enumerate(measures):
        greatest.offer(measure, number)
    assert greatest.items == sorted(range(len(measures)), key=lambda number: (-measures[number], number))[:most]


def test_many_failures_of_one_class_leave_room_for_the_others() -> None:
    failures = Failures(10)
    for number in range(100):
        failures.offer("many", line(f"many{number:03}", Status.FAILED, number))
    for number in range(3):
        failures.offer("few", line(f"few{number}", Status.FAILED, 200 + number))
    keys = [one.source.key for one in failures.lines]
    assert keys == [*(f"many{number:03}" for number in range(7)), "few0", "few1", "few2"]


def test_specimens_are_of_all_kinds_each_target_once_and_the_same_by_the_same_seed() -> None:
    some = [sized(f"{number:03}", 1000, 1000 - number if number < 50 else 1000 + number) for number in range(100)]

    def chosen(seed: int, count: int = 8, of: Iterable[Record] = some) -> list[tuple[str, Why]]:
        specimens = Specimens(count, seed)
        for one in of:
            specimens.offer(one)
        return [(one.line.source.key, one.why) for one in specimens.chosen]

    found = chosen(1)
    assert [why for _, why in found] == [Why.RANDOM] * 4 + [Why.SHRUNK] * 2 + [Why.GREW] * 2
    assert [key for key, _ in found[4:]] == ["049", "048", "099", "098"]
    assert found == chosen(1, of=reversed(some))
    assert found[:4] != chosen(5 << 61)[:4]
    assert Counter(why for _, why in chosen(1, 200)) == {Why.RANDOM: 1, Why.SHRUNK: 49, Why.GREW: 50}
    assert chosen(1, 0) == []
    same = [*(sized(f"{number}", None, None) for number in range(2)), sized("2", 5, 5)]
    assert [why for _, why in chosen(1, 8, [*same, *same])] == [Why.RANDOM] * 3
    lost = replace(same[0], target=None, task=None)
    assert chosen(1, 8, [lost]) == []


def test_a_failure_that_was_tried_again_is_not_the_last_word() -> None:
    failed, again = line("a", Status.FAILED, 1), line("a", Status.FAILED, 3)
    saved, early = line("b", Status.SAVED, 5), line("c", Status.SAVED, 1)
    others = [line("b", Status.FAILED, 4), line("c", Status.FAILED, 2), line("d"), replace(failed, target=None)]
    others += [line("e", Status.FAILED, 6), line("e", Status.SAVED, 6)]
    found = Superseded()
    told = [decode_brief(encode(one)) for one in (again, failed, saved, early, *others)]
    for note in (found.note_failed, found.note_saved):
        for one in told:
            note(one)
    assert [found.holds(one) for one in (failed, again, *others[:-1])] == [True, False, True, False, False, False, True]
    assert milliseconds(failed.at) < milliseconds(again.at)
