"""How a run stands by what it has left."""

from typing import Any

import pytest

from worker.batch.standing import JobStanding, State, Told, Trace, run_standing, shard_of
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


def test_what_is_no_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="no shard"):
        shard_of("3/2")
