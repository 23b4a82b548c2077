"""What `verify` has found since the newest run began, and what the run itself has mended."""

import pytest

from tests.fakes import EPOCH, TASK, error, numbered, record
from tests.unit.test_standing import told
from worker.batch.damage import Damage
from worker.batch.record import Brief, Record, Status, decode_brief, encode, timestamp
from worker.batch.standing import RunStanding, Trace, run_standing
from worker.batch.task import Shard, Task, target_digest

SINCE = timestamp(EPOCH)


def brief(task: Task, status: Status, at_s: int, **changes: object) -> Brief:
    return decode_brief(encode(record(task, status, at_s, **changes)))


def run(*shards: str) -> RunStanding:
    return run_standing("r", [told(shard, started=SINCE) for shard in shards or ("0/1",)], [])


def damage(found: list[Brief], later: list[Brief] | None = None, of: RunStanding | None = None) -> dict[str, int]:
    result = Damage(of or run())
    for line in found:
        result.find(line)
    for line in later or []:
        result.mend(line)
    assert bool(result) is (sum(result.counts.values()) > 0)
    return result.counts


def test_each_target_counts_once_by_its_newest_line() -> None:
    lines = [brief(TASK, Status.MISSING, 5), brief(numbered(2), Status.ALTERED, 1), brief(TASK, Status.ALTERED, 2)]
    assert damage(lines) == {"missing": 1, "altered": 1}
    assert damage([*lines, brief(TASK, Status.ALTERED, 5)]) == {"missing": 0, "altered": 2}
    assert damage([]) == {"missing": 0, "altered": 0}


def test_only_what_was_found_since_the_run_began_counts() -> None:
    assert damage([brief(TASK, Status.MISSING, -1)]) == {"missing": 0, "altered": 0}
    assert damage([brief(TASK, Status.MISSING, 0)]) == {"missing": 1, "altered": 0}


def test_it_is_the_process_of_the_targets_shard_that_counts() -> None:
    mine = int.from_bytes(target_digest(TASK.target)[:8]) % 2
    early, late = told(f"{mine}/2", started=SINCE), told(f"{1 - mine}/2", started=timestamp(EPOCH.replace(hour=9)))
    assert damage([brief(TASK, Status.MISSING, 5)], of=run_standing("r", [early, late], []))["missing"] == 1
    killed = Trace("r", Shard(mine, 2), "q", timestamp(EPOCH.replace(hour=10)), "")
    assert damage([brief(TASK, Status.MISSING, 5)], of=run_standing("r", [early, late], [killed]))["missing"] == 0
    # Of a shard that is not there the run tells when it would have begun.
    assert damage([brief(TASK, Status.MISSING, 5)], of=run_standing("r", [late], []))["missing"] == 0


@pytest.mark.parametrize(
    ("later", "missing"),
    [
        (brief(TASK, Status.SAVED, 6), 0),
        (brief(TASK, Status.SAVED, 5), 0),
        (brief(TASK, Status.SAVED, 4), 1),
        (brief(TASK, Status.FAILED, 6, error=error()), 0),  # the run counts it
        (brief(TASK, Status.FAILED, 6, error=error(), touched=False), 1),
        (brief(TASK, Status.SKIPPED, 6), 1),
        (brief(numbered(7), Status.SAVED, 6), 1),
    ],
)
def test_the_run_mends_what_it_has_saved_later(later: Brief, missing: int) -> None:
    assert damage([brief(TASK, Status.MISSING, 5)], [later]) == {"missing": missing, "altered": 0}


def test_other_lines_say_nothing_of_damage() -> None:
    nowhere: Record = record(TASK, Status.MISSING, 5, target=None)
    assert damage([brief(TASK, Status.SAVED, 5), decode_brief(encode(nowhere))]) == {"missing": 0, "altered": 0}
    assert damage([brief(TASK, Status.MISSING, 5)], [decode_brief(encode(nowhere))])["missing"] == 1


def test_when_the_first_was_found_is_known() -> None:
    found = Damage(run())
    assert found.first_at == ""
    for at_s in (5, 3, 9):
        found.find(brief(numbered(at_s), Status.MISSING, at_s))
    assert found.first_at == brief(TASK, Status.MISSING, 3).at
