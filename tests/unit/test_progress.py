"""Progress: what a person at a terminal of any size sees, and what stands in a log."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import error, in_virtual_time, record
from worker.arguments import Form
from worker.batch.limits import Limits
from worker.batch.record import SourceRecord
from worker.snapshot import FailureCount, Flow, Part, PipelineCounts, Snapshot, total_flow
from worker.telemetry.logs import set_up_logs
from worker.telemetry.pace import Pace
from worker.telemetry.progress import show_progress
from worker.telemetry.screen import screen
from worker.timeline import Event

EVIL = "a\x1b[2J\r\n\u202eb\u2028c\x9b 雪山 [red]x[/red] :smile:"
CHANGE = Event("2026-11-23T21:34:05.000Z", "CpuLimitExceeded: 37 -> 26 in flight")
FLOW = Flow(
    sent=4000,
    in_flight=25,
    limits=Limits(50, 20, 26),
    most=Limits(50, 20, 64),
    held=["26 of 64 in flight"],
    event=CHANGE,
)
BROKEN = record(
    source=SourceRecord("photos", f"products/{EVIL}.jpg"), request_id="5C3D9175B6FC201293AD4890", error=error()
)
NOW = Snapshot(
    planned=10_000,
    total=10_000,
    saved=4000,
    already_saved=90,
    skipped=0,
    failed=10,
    elapsed_s=100.0,
    tries={"CpuLimitExceeded": 120, "ImageDamage": 7},
    source_bytes=900_000_000,
    flow=FLOW,
    pipelines={"thumb": PipelineCounts(3000, 90, 0, 3), "hero": PipelineCounts(1000, 0, 0, 7)},
    failures=[("ImageDamage", FailureCount(BROKEN, 7)), ("NoSuchKey", FailureCount(record(error=error()), 3))],
)
BEFORE = replace(NOW, saved=3500, elapsed_s=90.0, source_bytes=800_000_000, flow=replace(FLOW, sent=3500))


def shown(now: Snapshot, columns: int = 80, height: int = 24, before: Sequence[Snapshot] = (BEFORE,)) -> list[str]:
    pace = Pace()
    for one in (*before, now):
        pace.see(one)
    return [line.plain for line in screen(now, pace, columns, height)]


def test_a_screen_says_what_goes_on_how_fast_and_what_is_wrong() -> None:
    bar, *lines = shown(NOW)
    assert bar == "━" * 32 + "─" * 48
    assert lines == [
        "progress     4,100 of 10,000 (41 %), 0:01:58 left, 50.0/s, 0:01:40 gone",
        "requests     50.0/s     of 50",
        "sources      10.0 MB/s  of 20",
        "in flight    25         of 26 now, 64 at most",
        "last change  21:34:05 CpuLimitExceeded: 37 -> 26 in flight",
        "",
        "pipeline                              saved     failed    skipped  already saved",
        "thumb                                 3,000          3          0             90",
        "hero                                  1,000          7          0              0",
        "",
        "     failed error, and one of its tasks",
        "          7 ImageDamage in small, request 5C3D9175B6FC201293AD4890",
        r"            photos/products/a\x1b[2J\x0d\x0a\u202eb\u2028c\x9b 雪山 [red]x[/red…",
        "          3 NoSuchKey in small, request R1",
        "            photos/a.jpg: made up",
        "   attempts 120 CpuLimitExceeded, 7 ImageDamage",
    ]


def test_of_several_processes_each_has_a_line() -> None:
    flows = [FLOW, replace(FLOW, event=None, held=(), in_flight=3)]
    parts = [Part(5000, 2000 + 100 * number, flow) for number, flow in enumerate(flows)]
    before = replace(BEFORE, parts=[replace(part, done=part.done - 20) for part in parts])
    now = replace(NOW, flow=total_flow(flows), parts=parts, failures=(), tries={})
    lines = shown(now, before=[before])
    assert "in flight    28         of 52 now, 128 at most" in lines
    assert lines[-3:] == [
        "process       done      rate   in flight  last change",
        "0            2,000     2.0/s   25 of 26   CpuLimitExceeded: 37 -> 26 in flight",
        "1            2,100     2.0/s    3 of 26   ",
    ]
    assert now.flow.held == ("process 0: 26 of 64 in flight",)
    assert now.flow.event == CHANGE


def test_many_pipelines_are_those_that_fail_and_the_sum_of_the_others() -> None:
    pipelines = {f"p{number}": PipelineCounts(number, failed=int(number == 40)) for number in range(50)}
    lines = shown(replace(NOW, pipelines=pipelines))
    assert len(lines) == 23
    begin = next(number for number, line in enumerate(lines) if line.startswith("pipeline"))
    rows = [line.split() for line in lines[begin + 1 : lines.index("", begin)]]
    names = [row[0] for row in rows]
    assert names[:-1] == [f"p{number}" for number in range(len(names) - 2)] + ["p40"]
    assert rows[-1][:3] == ["and", str(50 - len(names) + 1), "more"]
    assert sum(int(row[-4].replace(",", "")) for row in rows) == sum(range(50))


def test_where_a_single_error_has_room_for_a_line_it_is_named() -> None:
    assert shown(NOW, height=14)[-3:] == [
        "     failed error, and one of its tasks",
        "          7 ImageDamage in small, request 5C3D9175B6FC201293AD4890",
        "   attempts 120 CpuLimitExceeded, 7 ImageDamage",
    ]


def test_what_is_not_known_yet_is_not_made_up() -> None:
    nothing = Snapshot(planned=0, total=None, saved=0, already_saved=0, skipped=0, failed=0, elapsed_s=0.0)
    lines = shown(nothing, before=())
    assert lines[1] == "progress     0 of 0 so far, 0.0/s, 0:00:00 gone"
    assert lines[-1] == "last change  none"


def test_a_pace_is_that_of_the_last_seconds_and_the_time_left_that_of_a_minute() -> None:
    pace = Pace()
    for second in range(301):
        saved = 10 * second if second < 280 else 2800 + 100 * (second - 280)
        pace.see(replace(NOW, saved=saved, already_saved=0, failed=0, elapsed_s=float(second)))
    assert pace.tasks_per_s == 100
    assert pace.left_s == pytest.approx((10_000 - 4800) / ((4800 - 2400) / 60))
    assert len(pace._seen) <= 62
    pace.see(replace(NOW, saved=0, elapsed_s=301.0))  # a process was killed before all it told of was durable
    assert pace.tasks_per_s == 0
    assert pace.left_s is None


hostile = st.text(st.characters(), max_size=200) | st.just(EVIL * 50)


@given(
    columns=st.integers(1, 200),
    height=st.integers(1, 60),
    names=st.lists(hostile, max_size=60),
    parts=st.integers(0, 70),
    codes=st.lists(hostile, max_size=8),
)
def test_a_screen_fits_into_any_terminal_whatever_comes_from_outside(
    columns: int, height: int, names: list[str], parts: int, codes: list[str]
) -> None:
    line = record(source=SourceRecord("photos", codes[0] if codes else ""), error=error(codes[-1] if codes else "E"))
    now = replace(
        NOW,
        pipelines={name: PipelineCounts() for name in names},
        parts=[Part(1, 1, FLOW)] * parts,
        failures=[(code, FailureCount(line, 1)) for code in codes],
        tries=dict.fromkeys(codes, 3),
    )
    pace = Pace()
    pace.see(now)
    lines = screen(now, pace, columns, height)
    assert 1 <= len(lines) <= max(1, height - 1)
    assert all(each.cell_len <= columns for each in lines)
    assert not {"\x1b", "\n", "\r", "\x9b", "\u202e", "\u2028"} & set("".join(each.plain for each in lines))


def test_progress_is_a_line_now_and_then_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    async def main(form: Form) -> None:
        set_up_logs("json", "info")
        began = asyncio.get_running_loop().time()

        def snapshot() -> Snapshot:
            passed_s = asyncio.get_running_loop().time() - began
            part = Part(10, int(passed_s), FLOW)
            return replace(NOW, elapsed_s=100 + passed_s, saved=4000 + int(50 * passed_s), parts=[part])

        async with show_progress(form, snapshot):
            await asyncio.sleep(25)

    forms: tuple[Form, ...] = ("auto", "bar", "log")
    for form in forms:
        in_virtual_time(main(form))
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["saved"] for line in lines] == [4500, 5000]
        found = lines[1]
        assert (found["message"], found["tasks_per_s"], found["left_s"]) == ("progress", 50.0, 98)
        assert found["held"] == "26 of 64 in flight"
        assert found["last_change"] == CHANGE.event
        assert found["limits"] == {"requests_per_second": 50, "source_mb_per_second": 20, "concurrency": 26}
        assert found["errors"] == {"ImageDamage": 7, "NoSuchKey": 3}
        assert found["example"]["source"] == {"bucket": "photos", "key": f"products/{EVIL}.jpg"}
        assert found["example"]["request_id"] == "5C3D9175B6FC201293AD4890"
        assert found["pipelines"]["hero"] == {"saved": 1000, "already_saved": 0, "skipped": 0, "failed": 7}
        assert found["processes"] == [{"done": 20, "tasks_per_s": 1.0, "in_flight": 25}]


def test_progress_may_be_silent_and_asks_for_nothing_then(capsys: pytest.CaptureFixture[str]) -> None:
    def snapshot() -> Snapshot:
        pytest.fail("asked")

    async def main() -> None:
        async with show_progress("none", snapshot):
            await asyncio.sleep(25)

    in_virtual_time(main())
    assert capsys.readouterr().err == ""
