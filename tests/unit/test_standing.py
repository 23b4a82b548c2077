"""How a run stands by what it has left."""

from typing import Any

import pytest

from worker.batch.columns import Columns
from worker.batch.limits import Limits
from worker.batch.standing import JobStanding, State, Stretch, Told, Trace, limits_over_time, run_standing, shard_of
from worker.batch.task import Shard

COUNTS = dict.fromkeys(("planned", "saved", "already_saved", "skipped", "failed", "failed_before", "not_attempted"), 0)


def told(shard: str = "0/1", code: int = 0, started: str = "1", **changes: Any) -> Told:
    fields: dict[str, Any] = {"run": "r", "shard": shard, "proc": "p", "outcome": "o", "exit": code, "started": started}
    fields |= {"ended": "2", "enumeration": "complete", "manifest_digest": "m", "settings_digest": "s", **COUNTS}
    return Told(**fields | changes)


@pytest.mark.parametrize(
    ("one", "state", "code"),
    [
        (told(), State.COMPLETE, 0),
        (told(code=3), State.FAILED, 3),
        (told(code=66), State.FAILED, 3),
        (told(code=4), State.UNFINISHED, 5),
        (told(code=99), State.UNFINISHED, 5),
        (told(enumeration="partial"), State.UNFINISHED, 5),
        (told(not_attempted=1), State.UNFINISHED, 5),
    ],
)
def test_a_summary_says_how_its_shard_stands(one: Told, state: State, code: int) -> None:
    run = run_standing("r", [one], [])
    assert (run.state, run.exit, [shard.state for shard in run.shards]) == (state, code, [state])


def test_newer_summaries_and_traces_count_and_shards_that_are_not_there() -> None:
    trace = Trace("r", Shard(1, 3), "q", "3", "4", {"saved": 2})
    old = Trace("r", Shard(0, 3), "x", "0", "0")
    run = run_standing("r", [told("0/3", 5), told("0/3", 0, "2"), told("1/3"), told("0/1", 5, "0")], [trace, old])
    assert [shard.state for shard in run.shards] == [State.COMPLETE, State.NO_END, State.ABSENT]
    found = JobStanding(job="j", newest=run, damage={}, retries=[told(command="retry")], runs=[run])
    assert (found.exit, len(found.document()["runs"])) == (5, 1)  # type: ignore[arg-type] # a list, of whatever
    assert "runs" not in JobStanding(job="j", newest=run, damage={}, retries=[], runs=None).document()


def test_shards_of_two_manifests_are_no_whole() -> None:
    run = run_standing("r", [told("0/2"), told("1/2", manifest_digest="n")], [])
    assert (run.state, run.settings) == (State.UNFINISHED, {"s"})


def test_shards_of_two_settings_are_no_whole() -> None:
    run = run_standing("r", [told("0/2"), told("1/2", settings_digest="t")], [])
    assert (run.state, run.manifests) == (State.UNFINISHED, {"m"})


@pytest.mark.parametrize("text", ["3/2", "2/2", "-1/2", "0/0"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no shard"):
        shard_of(text)


def test_what_has_started_last_counts_not_what_has_ended_last_or_has_more_parts() -> None:
    run = run_standing("r", [told("0/3", 5, "1"), told("0/1", 5, "2", ended="9"), told("0/1", 0, "3", ended="8")], [])
    assert (run.state, len(run.shards), run.started, run.last_at) == (State.COMPLETE, 1, "3", "8")


def test_counts_and_digests_are_those_of_all_shards() -> None:
    parts = [told("0/2", planned=2, saved=2), told("1/2", planned=3, saved=3, settings_digest="t", manifest_digest="n")]
    run = run_standing("r", parts, [])
    assert (run.counts["planned"], run.counts["saved"], run.counts["failed"]) == (5, 5, 0)
    found = JobStanding(job="j", newest=run, damage={}, retries=[], runs=None).document()
    assert (found["one_settings"], found["one_manifest"]) == (False, False)


def test_processes_of_a_shard_that_have_left_no_summary_are_told_as_one() -> None:
    traces = [
        Trace("r", Shard(0, 1), "p", "1", "8", {"saved": 2, "failed": 1}),
        Trace("r", Shard(0, 1), "q", "3", "9", {"saved": 3}),
        Trace("r", Shard(0, 1), "s", "2", "4", {}),
    ]
    run = run_standing("r", [], traces)
    document = JobStanding(job="j", newest=run, damage={"missing": 0}, retries=[], runs=None).document()
    lines = {"saved": 5, "failed": 1}
    ended = {"proc": "q", "first": "1", "last": "9", "lines": lines}
    assert document["shards"] == [{"shard": 0, "state": "no_end", "no_end": ended}]
    assert run.last_at == "9"


@pytest.mark.parametrize(
    ("one", "damaged", "state", "code"),
    [
        (told(), 0, "complete", 0),
        (told(), 1, "damaged", 5),
        (told(code=3), 1, "damaged", 5),
        (told(code=5), 1, "unfinished", 5),
    ],
)
def test_a_damaged_job_is_not_complete_whatever_its_run_says(one: Told, damaged: int, state: str, code: int) -> None:
    run = run_standing("r", [one], [])
    found = JobStanding(job="j", newest=run, damage={"missing": 0, "altered": damaged}, retries=[], runs=[run])
    document: dict[str, Any] = found.document()
    assert (document["state"], document["exit"], found.exit) == (state, code, code)
    assert document["damage"] == {"missing": 0, "altered": damaged}
    assert document["runs"][0]["exit"] == run.exit


def test_what_a_summary_says_of_its_first_error_is_told_with_its_shard() -> None:
    run = run_standing("r", [told(code=3, first_error={"code": "ImageDamage"})], [])
    document: dict[str, Any] = JobStanding(job="j", newest=run, damage={}, retries=[], runs=None).document()
    assert document["shards"][0]["first_error"] == {"code": "ImageDamage"}


def test_limits_of_shards_add_up_in_columns_as_wide_as_the_widest() -> None:
    narrow = [
        Stretch("2026-11-24T08:00:00.000Z", 10.0, Limits(25, 10, 32)),
        Stretch("2026-11-24T08:00:10.000Z", 10.0, Limits(25, 10, 20)),
        Stretch("2026-11-24T08:00:20.000Z", 10.0, None),
    ]
    wide = [
        Stretch("2026-11-24T08:00:00.000Z", 20.0, Limits(12.5, 10, 32)),
        Stretch("2026-11-24T08:00:20.000Z", 20.0, Limits(25, 10, 32)),
    ]
    columns = Columns()
    for stretches in (narrow, wide):
        columns.add(limits_over_time(told(timeline=stretches)))
    assert columns.width_ms == 20_000
    assert [column.limits for _, column in columns] == [Limits(37.5, 20, 52), Limits(25, 10, 32)]
    assert not list(limits_over_time(told()))
