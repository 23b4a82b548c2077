"""What people see: what came from outside cannot move their cursor, and counts are told as they are."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_standing import told
from worker.batch.comparison import Kind, Regression
from worker.batch.estimate import Work, estimate
from worker.batch.limits import Limits
from worker.batch.standing import JobStanding, Trace, run_standing
from worker.batch.task import Shard
from worker.errors import Exit
from worker.escape import escape, escape_json
from worker.oss.codes import CODES
from worker.summary import OUTCOMES, Forecast, Summary
from worker.telemetry.ending import describe_ending
from worker.telemetry.explanation import explanation
from worker.telemetry.forecast import describe_forecast
from worker.telemetry.logs import LOGGER, set_up_logs
from worker.telemetry.report import describe_report
from worker.telemetry.status import describe_status
from worker.telemetry.table import counts, size, span, table

EVIL = "a\x1b[2J\r\n\u202eb\u2028c\x9b"
UNSAFE = set("\x1b\r\n\x00\x07\x9b\u202e\u2028\u2066\x7f")


@given(st.text())
def test_escaped_text_is_one_line_without_controls_and_plain_text_is_untouched(text: str) -> None:
    escaped = escape(text)
    assert escaped.isprintable() or not UNSAFE & set(escaped)
    assert len(escaped.splitlines()) <= 1
    escaped.encode()
    assert escape(escaped) == escaped


def test_escapes_show_what_was_there() -> None:
    assert escape(EVIL) == r"a\x1b[2J\x0d\x0a\u202eb\u2028c\x9b"
    assert escape("雪山 é ~") == "雪山 é ~"
    assert escape("\udcff") == r"\udcff"
    assert escape("a\u200bb\u2060\ufeff\xad") == r"a\u200bb\u2060\ufeff\xad"


@given(st.text())
def test_json_says_the_same_and_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    found = escape_json(json.dumps({"key": text}, ensure_ascii=False, indent=2))
    assert json.loads(found) == {"key": text}
    assert not ((UNSAFE | {"\u061c"}) - {"\n"}) & set(found)


def test_sizes_and_counts() -> None:
    assert [size(number) for number in (0, 999, 1000, 1_234_567, 5e15)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "1.23 MB",
        "5e+03 TB",
    ]
    assert counts([("empty", 2), ("filtered", 0), ("archived", 1)]) == "2 empty, 1 archived"


def test_lengths_of_time_are_told_in_the_unit_that_suits_them() -> None:
    assert [span(hours) for hours in (56.4, 1, 0.5, 1 / 60, 0.001, 0)] == [
        "56.4 hours",
        "1 hours",
        "30 minutes",
        "1 minutes",
        "3.6 seconds",
        "0 seconds",
    ]


def test_tables_escape_their_values() -> None:
    assert table([("key", f"{EVIL}\nnext")]).count("\n") == 2
    assert "\x1b" not in table([("key", EVIL)])


def summary(exit_: Exit = Exit.OK, **changes: object) -> Summary:
    given: dict[str, object] = {
        "job": "copies",
        "run": "run-1",
        "shard": "0/1",
        "proc": "abcdef01",
        "outcome": OUTCOMES[exit_],
        "exit": exit_,
        "endpoint": "https://oss.example.com",
        "started": "2026-11-23T08:00:00.000Z",
        "ended": "2026-11-23T08:00:01.000Z",
        "enumeration": "complete",
        "listed": 12,
        "selected": 10,
        "not_selected": {"filtered": 2},
        "duplicates": 1,
        "planned": 10,
        "saved": 6,
        "already_saved": 2,
        "skipped": 0,
        "failed": 2,
        "failed_before": 1,
        "not_attempted": 0,
        "attempts": 9,
        "tries": {"Timeout": 2},
        "requests": {"GET": 2, "POST": 9},
        "source_bytes": 100,
        "target_bytes": 2_000_000,
        "manifest_digest": "",
        "settings_digest": "",
        "first_error": {"code": "ImageDamage", "message": f"broken {EVIL}"},
        **changes,
    }
    return Summary(**given)  # type: ignore[arg-type]  # a test's shorthand


def test_every_exit_code_has_an_outcome_words_and_an_explanation() -> None:
    assert set(OUTCOMES) == set(Exit)
    for code in Exit:
        assert f"(exit {int(code)})" in describe_ending(summary(code), "results", [])
        assert explanation(str(int(code))) is not None


def test_the_ending_tells_counts_first_error_and_where_things_are() -> None:
    text = describe_ending(summary(Exit.FAILED), "results/copies/run-1", [])
    for words in (
        "planned        10  (of 12 objects found, not selected: 2 filtered)  (1 more were duplicates)",
        "saved          6  (2 MB)",
        "failed         2  (1 before)",
        "failed tries   2 Timeout",
        "results        results/copies/run-1",
        "oss-saveas explain ImageDamage",
    ):
        assert words in text
    assert "\x1b" not in text
    assert "local" not in text


def test_the_ending_tells_what_was_sent() -> None:
    text = describe_ending(summary(Exit.FAILED, requests={"GET": 9, "PUT": 3, "POST": 9}), "results", [])
    assert "POSTs sent     9" in text
    assert "PUTs sent      3" in text
    assert "failed tries   2 Timeout" in text
    idle = describe_ending(summary(Exit.OK, requests={}, tries={}), "results", [])
    assert "POSTs sent     0" in idle
    assert "PUTs sent" not in idle
    assert "failed tries" not in idle


def test_an_error_without_a_code_is_told_once_among_the_notes() -> None:
    ended = summary(Exit.UNEXPECTED, first_error={"message": "died"}, notes=["died"])
    text = describe_ending(ended, "results", [])
    assert text.count("died") == 1
    assert "explain" not in text


def test_a_local_run_says_so_last_and_where_the_pictures_are() -> None:
    lines = describe_ending(summary(), "results", ["local-oss/renditions"]).splitlines()
    assert lines[-1].startswith("This was a local run")
    assert any("local-oss/renditions" in line for line in lines)


def test_what_was_planned_so_far_is_told_as_such() -> None:
    assert "10  so far" in describe_ending(summary(Exit.INTERRUPTED, enumeration="partial"), "results", [])


def test_a_retry_without_a_task_claims_nothing_saved() -> None:
    nothing = describe_ending(summary(command="retry", planned=0, failed=0), "results", [])
    assert nothing.startswith("Nothing to retry")
    assert describe_ending(summary(command="retry", failed=0), "results", []).startswith("Complete")
    assert describe_ending(summary(planned=0, failed=0), "results", []).startswith("Complete")


def test_every_code_can_be_explained_in_any_case() -> None:
    for code in CODES:
        found = explanation(code.upper())
        assert found is not None
        assert found.code == code
        assert found.cause in str(found)
    assert explanation("99") is None
    assert explanation("NoSuchThing") is None


def made_up_forecast(**changes: Any) -> Forecast:
    forecast = Forecast(
        job="copies",
        shard="0/1",
        endpoint="https://oss.example.com",
        existing="replace",
        listed=12_345,
        selected=2,
        not_selected={"filtered": 1, "not_an_image": 12_342},
        other_extensions={"txt": 12_000, "": 342},
        duplicates=1,
        planned=2,
        outcomes={"small": {"already_saved": 1, "new": 1}, "big": {"NoSuchKey": 1, "exists": 2_000}},
        orphans=7,
        estimate=estimate(Work(2_001, 0, 90_000, 5000, 1000), None, Limits(50, 20, 64)),
        run_requests={"put": 13, "get": 2_003},
        requests={"GET": 15, "HEAD": 3},
        requests_by_class={"put": 13, "get": 5},
        empty=["job.yaml:5"],
        notes=["a note"],
        samples=[
            {"pipeline": "small", "source": f"oss://photos/{EVIL}", "target": "t", "request": "POST /a", "body": "b"}
        ],
    )
    return replace(forecast, **changes)


def test_a_forecast_in_words() -> None:
    text = describe_forecast(made_up_forecast())
    for words in (
        "sources        2 of 12,345 objects found",
        "not selected   12,342 not an image (12000 .txt, 342 without extension)",
        "pipeline   new   exists, replaced   already saved   NoSuchKey",
        "small        1                  0               1           0",
        "big          0              2,000               0           1",
        "2,001 POSTs for 5 kB of sources; 1,001 sizes unknown",
        "at 50 requests a second: 30 minutes  <- binds",
        "with 64 in flight: 15.6 seconds, 0.5 s a picture (assumed)",
        "13 PUT-class requests (LIST), 2,003 GET-class",
        "2 GET, 3 HEAD, 13 LIST, 0 POST",
        "7 saved targets that no task writes any more",
        "job.yaml:5",
        "a note",
    ):
        assert words in text
    assert "\x1b" not in text


def test_relays_are_told_beside_posts() -> None:
    sample = {"pipeline": "far", "source": "s", "target": "t", "request": "GET /a", "body": "", "then": f"PUT /{EVIL}"}
    relays = made_up_forecast(estimate=estimate(Work(0, 4, 90, 50, 4), 0.25, Limits(50, 20, 64)), samples=[sample])
    text = describe_forecast(relays)
    assert "would send     4 relays (a GET and a PUT each) for " in text
    assert "13 PUT-class requests (LIST, PUT), 2,003 GET-class" in text
    assert "<- binds" in text
    assert "PUT /" in text
    assert "\x1b" not in text
    both = made_up_forecast(estimate=estimate(Work(3, 4, 90, 50, 4), 0.25, Limits(50, 20, 64)))
    assert "3 POSTs and 4 relays (a GET and a PUT each) for" in describe_forecast(both)


def test_what_a_forecast_does_not_know_or_need_is_not_made_up() -> None:
    nothing = estimate(Work(0, 0, 3, 0, 0), 0.25, Limits(50, 20, 64))
    text = describe_forecast(made_up_forecast(orphans=None, estimate=nothing, samples=[], outcomes={}, planned=0))
    assert not any(words in text for words in ("orphans", "in flight", "Sample", "pipeline"))
    unsized = estimate(Work(5, 0, 5, 0, 0), 0.25, Limits(50, 20, 64))
    text = describe_forecast(made_up_forecast(estimate=unsized))
    assert "at 20 MB of sources a second: unknown, for no size is known" in text
    assert "0.25 s a picture (the mean of the log)" in text


def test_log_lines_are_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("auto", "info")
    logging.getLogger(LOGGER).info("started", extra={"job": EVIL})
    logging.getLogger(LOGGER).debug("not told")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["message"], found["level"], found["job"]) == ("started", "info", EVIL)
    assert found["at"].endswith("Z")


def test_log_lines_are_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("text", "debug")
    source = {"bucket": "photos", "key": EVIL}
    fields = {"source": source, "tries": {}, "parts": [{"done": 1}], "ec": "", "message_of": 'no "a" at=b'}
    logging.getLogger(LOGGER).warning("careful", extra=fields)
    (line,) = capsys.readouterr().err.splitlines()
    assert line[9:] == (
        r'warning careful source.bucket=photos source.key="a\x1b[2J\x0d\x0a\u202eb\u2028c\x9b" parts.0.done=1 ec="" '
        r'message_of="no \"a\" at=b"'
    )


def test_exceptions_are_told_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    forms: tuple[Literal["json", "text"], ...] = ("json", "text")
    for form in forms:
        set_up_logs(form, "info")
        logging.getLogger(LOGGER).error("a bug", exc_info=ZeroDivisionError("made up"))
        assert "ZeroDivisionError: made up" in capsys.readouterr().err


def test_a_report_says_its_verdict_and_what_got_worse_in_words() -> None:
    worse = [
        Regression(Kind.ERRORS, "Odd\x1b", 0, 3, "tasks that failed with this code"),
        Regression(Kind.P95, "", 12.0, 24.5, "ms that 95 % of the tasks do not exceed"),
    ]
    assert describe_report("night", "Unfinished.", "Run it again.", worse, [Path("a.html"), Path("b.csv")]) == (
        "Unfinished.\n"
        "  run            night\n"
        "  to do          Run it again.\n"
        "  got worse      Odd\\x1b: tasks that failed with this code: 0 then, 3 now\n"
        "                 ms that 95 % of the tasks do not exceed: 12 then, 24.5 now\n"
        "  written        a.html\n"
        "                 b.csv"
    )
    assert "got worse      nothing" in describe_report("night", "Complete.", "Nothing.", [], [])
    assert "got worse" not in describe_report("night", "Complete.", "Nothing.", None, [])


def test_a_summary_that_counts_nothing_is_not_told_to_be_missing() -> None:
    killed = Trace("r", Shard(0, 1), "p", "1", "2", {"saved": 1})
    for run, words in (
        (run_standing("r", [told(code=75)], []), "no tasks"),
        (run_standing("r", [], [killed]), "no summary yet"),
    ):
        said = describe_status(JobStanding(job="j", newest=run, damage={}, retries=[], runs=[run])).splitlines()
        assert f"  counts         {words}" in said
        assert said[-1].endswith(f"1 shard: {words}")
