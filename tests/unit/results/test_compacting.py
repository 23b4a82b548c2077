"""Checkpoints: they say what the log says, whatever was compacted or pruned when, and by whom at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import EPOCH, numbered, record, refused
from tests.unit.results.history import PLACE, SEGMENTS, TASKS, History, Line, lines
from tests.unit.results.objects import LOST, Objects
from tests.unit.results.records import read_records
from worker.batch.record import BAD_ROW, ErrorRecord, Record, Status, encode
from worker.batch.segment import is_segment
from worker.batch.task import Shard, target_digest
from worker.errors import ResultsError, UsageError
from worker.results.compacting import MANY_SEGMENTS, compact, compact_if_many
from worker.results.directory import DirectoryStore
from worker.results.lines import BadLine
from worker.results.loading import read_ledger
from worker.results.patience import Patience
from worker.results.pruning import Pruned, prune
from worker.results.recalling import recall

WHOLE = Shard(0, 1)
Step = tuple[str, object]


async def no_sleep(_: float) -> None:
    """Time passes by itself."""


def patience(seconds: float = 5.0) -> Patience:
    clock = iter(range(1_000_000))
    return Patience(seconds, lambda: next(clock), no_sleep)


async def check(history: History, *shards: Shard) -> None:
    for shard in shards or (WHOLE,):
        history.check(await read_ledger(history.objects.store(), shard, pytest.fail), shard)
        history.check((await recall(history.objects.store(), shard, pytest.fail))[0], shard)


def checkpoint_files(objects: Objects) -> list[str]:
    return sorted(key.removeprefix(PLACE) for key in objects.contents if "/checkpoint/" in key)


WRITES = st.tuples(st.sampled_from(SEGMENTS), st.lists(lines(st.integers(0, 3)), max_size=5))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(WRITES, st.integers(1, 9), st.none()), max_size=12), st.integers(1, 3))
async def test_a_ledger_says_what_the_rule_says_with_a_checkpoint_and_without(
    steps: Sequence[tuple[str, list[Line]] | int | None], shards: int
) -> None:
    history = History()
    for step in steps:
        if step is None:  # checkpoints are derived: taking them away loses nothing
            for name in checkpoint_files(history.objects):
                del history.objects.contents[PLACE + name]
        elif isinstance(step, int):
            await compact(history.objects.store(), patience(), pytest.fail, batch_facts=step)
        else:
            history.write(*step)
    await check(history, *(Shard(index, shards) for index in range(shards)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(SEGMENTS), st.lists(lines(st.just(0)), min_size=1, max_size=4)), st.just("prune")
        ),
        max_size=10,
    )
)
async def test_a_ledger_says_what_the_rule_says_after_pruning(steps: Sequence[tuple[str, list[Line]] | str]) -> None:
    history = History()
    for moment, step in enumerate(steps):
        if isinstance(step, str):
            await prune(history.objects.store(), patience(), timedelta(days=1), EPOCH + timedelta(days=2), pytest.fail)
        elif PLACE + step[0] in history.objects.contents or step[0] not in history.written:
            history.write(step[0], [replace(line, at_s=moment) for line in step[1]])
    await check(history)


def saved(target: int, recipe: int, at_s: int) -> Line:
    return Line(target, recipe, Status.SAVED, at_s, permanent=False, touched=True)


def some_nights() -> History:
    history = History()
    history.write("run-1/0-of-1.a.0.jsonl", [saved(0, 0, 0), saved(1, 0, 1)])
    history.write("run-1/0-of-1.a.1.jsonl", [saved(2, 0, 2)])
    history.write("run-2/0-of-1.b.0.jsonl", [saved(0, 1, 3)])
    return history


async def prune_all(objects: Objects) -> Pruned:
    return await prune(objects.store(), patience(), timedelta(days=1), EPOCH + timedelta(days=2), pytest.fail)


async def compact_all(objects: Objects) -> object:
    return await compact(objects.store(), patience(), pytest.fail)


@pytest.mark.parametrize("before", [True, False], ids=["compacted before", "never compacted"])
@pytest.mark.parametrize("other", [compact_all, prune_all])
@pytest.mark.parametrize("mine", ["read", "recall", "compact", "prune", "records"])
async def test_whoever_compacts_or_prunes_at_whatever_moment_nothing_is_lost(
    mine: str, other: Callable[[Objects], Awaitable[object]], before: bool
) -> None:
    moment = 0
    while True:
        history = some_nights()
        objects = history.objects
        if before:
            await compact_all(objects)
        history.write("run-3/0-of-1.c.0.jsonl", [saved(3, 0, 4), saved(1, 1, 5)])
        history.write("run-4/0-of-1.d.0.jsonl", [saved(2, 1, 6)])
        aged(history, {"run-4": -2})
        begun = len(objects.asked)
        objects.meanwhile[begun + moment] = partial(other, objects)
        seen: list[Record] = []
        match mine:
            case "read":
                await check(history)
            case "recall":
                history.check((await recall(objects.store(), WHOLE, pytest.fail))[0], WHOLE)
            case "compact":
                await compact_all(objects)
            case "prune":
                await prune_all(objects)
            case "records":
                await read_records(objects.store(), seen.append, pytest.fail)
                # What is pruned meanwhile may be missing, but nothing comes twice, and the newest run is there.
                times = [line.at for line in seen]
                assert len(times) == len(set(times))
                assert any(line.run and line.at.endswith("06.000Z") for line in seen)
        await check(history)
        if objects.meanwhile:
            break  # it was over before the moment came
        moment += 1
    assert moment > 3


async def test_a_segment_that_vanishes_again_and_again_is_an_error() -> None:
    history = some_nights()
    history.objects.trouble = lambda request: None if request.query else refused(404, "NoSuchKey")
    with pytest.raises(ResultsError, match=r"results cannot be read: oss://results/logs/copies/run-1"):
        await read_ledger(history.objects.store(), WHOLE, pytest.fail)
    with pytest.raises(ResultsError, match="others do so, too"):
        await compact_all(history.objects)


async def test_a_checkpoint_replaces_the_one_before_and_nothing_new_makes_none() -> None:
    history = some_nights()
    first = await compact(history.objects.store(), patience(), pytest.fail)
    assert (first.index.number, first.rounds) == (1, 1)
    before = checkpoint_files(history.objects)
    assert [name[:20] for name in before] == ["checkpoint/00000001.", "checkpoint/00000001."]
    again = await compact(history.objects.store(), patience(), pytest.fail)
    assert (again.index, again.rounds) == (first.index, 0)
    assert checkpoint_files(history.objects) == before
    history.write("run-2/0-of-1.b.0.jsonl", [saved(3, 0, 9)])
    second = await compact(history.objects.store(), patience(), pytest.fail)
    assert second.index.number == 2
    assert all(name.startswith("checkpoint/00000002.") for name in checkpoint_files(history.objects))
    await check(history)


async def test_what_a_checkpoint_covers_is_not_read_again() -> None:
    history = some_nights()
    await compact_all(history.objects)
    history.write("run-2/0-of-1.b.0.jsonl", [saved(3, 0, 9)])
    begun = len(history.objects.asked)
    history.check(await read_ledger(history.objects.store(), WHOLE, pytest.fail), WHOLE)
    read = [request.key for request in history.objects.asked[begun:] if not request.query]
    assert sorted(read)[1:] == [f"{PLACE}run-2/0-of-1.b.0.jsonl"] or len(read) == 3
    assert not any("run-1" in key for key in read)


async def test_old_checkpoints_that_cannot_be_deleted_are_no_harm() -> None:
    history = some_nights()
    await compact_all(history.objects)
    history.write("run-3/0-of-1.b.0.jsonl", [saved(3, 0, 9)])
    history.objects.trouble = lambda request: refused(403, "AccessDenied") if request.method == "DELETE" else None
    told: list[str] = []
    await compact(history.objects.store(), patience(), told.append)
    assert len(told) == 1
    assert "left behind" in told[0]
    await check(history)


async def test_bad_rows_are_in_a_checkpoint_for_all_shards() -> None:
    what = ErrorRecord(BAD_ROW, 0, "", "keys.csv:7: empty", permanent=True)
    bad = record(numbered(1), Status.FAILED, target=None, touched=False, error=what)
    bad = msgspec.structs.replace(bad, task=None)
    objects = Objects({f"{PLACE}run/0-of-1.a.0.jsonl": encode(bad)})
    for _ in range(2):
        for shard in (WHOLE, Shard(0, 2), Shard(1, 2)):
            ledger = await read_ledger(objects.store(), shard, pytest.fail)
            assert ledger.holds_bad_row("small", "1.jpg", "keys.csv:7: empty")
            assert not ledger.holds_bad_row("small", "1.jpg", "keys.csv:8: empty")
            assert len(ledger) == 0
        await compact_all(objects)
        objects.contents.pop(f"{PLACE}run/0-of-1.a.0.jsonl", None)


async def test_a_bad_line_stops_compaction_until_it_is_set_aside(tmp_path: Path) -> None:
    segment = tmp_path / "run/0-of-1.a.0.jsonl"
    segment.parent.mkdir()
    good = [encode(record(numbered(number))) for number in range(3)]
    segment.write_bytes(good[0] + b"\0" * 10 + b"\n{}\n" + good[1] + b"not\n" + good[2] + b"torn")
    store = DirectoryStore(tmp_path)
    with pytest.raises(ResultsError, match=rf"{segment}:2: error: "):
        await compact(store, patience(), pytest.fail)
    aside: list[BadLine] = []
    told: list[str] = []
    done = await compact(store, patience(), told.append, aside.append)
    assert [(bad.path, bad.number, bad.content) for bad in aside] == [
        (str(segment), 2, b"\0" * 10),
        (str(segment), 3, b"{}"),
        (str(segment), 5, b"not"),
    ]
    assert done.index.segments[0].lines == 6
    assert [text.partition(": ")[0] for text in told] == [f"{segment}:7"]
    # Everybody goes on without them now, and the segment is as it was.
    assert len(await read_ledger(store, WHOLE, told.append)) == 3
    seen: list[Record] = []
    await read_records(store, seen.append, told.append)
    assert len(seen) == 3
    assert len((await recall(store, WHOLE, told.append))[0]) == 3
    with segment.open("ab") as file:
        file.write(b"\n" + good[0])
    with pytest.raises(ResultsError, match=rf"{segment}:7: error: "):
        await read_ledger(store, WHOLE, pytest.fail)
    with pytest.raises(ResultsError, match=rf"{segment}:7: error: "):
        await read_records(store, seen.append, pytest.fail)
    with pytest.raises(ResultsError, match=rf"{segment}:7: error: "):
        await recall(store, WHOLE, pytest.fail)


async def test_a_damaged_checkpoint_is_told_as_such() -> None:
    history = some_nights()
    await compact_all(history.objects)
    (part,) = [name for name in checkpoint_files(history.objects) if name.endswith(".facts")]
    whole = history.objects.contents[PLACE + part]
    for damaged in (whole[:-1], whole[:-1] + b"?"):
        history.objects.contents[PLACE + part] = damaged
        with pytest.raises(ResultsError, match=r"facts: error: this checkpoint is damaged\n    mend: "):
            await check(history)
    (index,) = [name for name in checkpoint_files(history.objects) if name.endswith(".json")]
    fields = json.loads(history.objects.contents[PLACE + index])
    for later in ({**fields, "schema": 2}, {"schema": 2, "shape": "another"}):
        history.objects.contents[PLACE + index] = json.dumps(later).encode()
        with pytest.raises(UsageError, match="schema 2"):
            await check(history)
    history.objects.contents[PLACE + index] = b"{"
    with pytest.raises(ResultsError, match="not the index of a checkpoint"):
        await check(history)


async def test_results_that_cannot_be_listed_are_unreadable() -> None:
    objects = Objects(trouble=lambda _: LOST)
    for work in (
        read_ledger(objects.store(), WHOLE, pytest.fail),
        read_records(objects.store(), lambda _: None, pytest.fail),
        compact_all(objects),
        compact_if_many(objects.store(), patience(), pytest.fail),
        prune_all(objects),
    ):
        with pytest.raises(ResultsError, match=r"results cannot be read: .*ConnectionLost"):
            await work


async def test_a_store_that_refuses_for_a_while_delays_a_checkpoint_and_for_long_prevents_it() -> None:
    history = some_nights()
    refusals = iter([LOST] * 3)
    history.objects.trouble = lambda request: next(refusals, None) if request.method == "PUT" else None
    await compact_all(history.objects)
    await check(history)
    history.write("run-9/0-of-1.a.0.jsonl", [saved(0, 0, 50)])
    history.objects.trouble = lambda request: LOST if request.method == "PUT" else None
    with pytest.raises(ResultsError, match="results cannot be written: cannot put oss://"):
        await compact_all(history.objects)
    await check(history)


async def test_a_run_compacts_by_itself_once_there_are_many_segments() -> None:
    history = History()
    for number in range(MANY_SEGMENTS):
        history.write(f"run/0-of-1.a.{number}.jsonl", [saved(0, number % 2, number)])
    assert not await compact_if_many(history.objects.store(), patience(), pytest.fail)
    assert checkpoint_files(history.objects) == []
    history.write("run/0-of-1.b.0.jsonl", [saved(1, 0, 999)])
    assert await compact_if_many(history.objects.store(), patience(), pytest.fail)
    assert not await compact_if_many(history.objects.store(), patience(), pytest.fail)
    await check(history)


def ended(history: History, run: str, started: str, command: str = "run", proc: str = "a") -> None:
    told = {"started": started, "command": command, "processes": ["c"]}
    history.objects.contents[f"{PLACE}{run}/0-of-1.{proc}.summary.json"] = json.dumps(told).encode()


def aged(history: History, days: dict[str, int]) -> None:
    for key in history.objects.contents:
        run = key.removeprefix(PLACE).partition("/")[0]
        history.objects.ages[key] = timedelta(days=days.get(run, 0))


async def test_pruning_deletes_the_segments_of_old_runs_and_nothing_else() -> None:
    history = some_nights()
    history.write("run-3/0-of-1.c.0.jsonl", [saved(3, 0, 4)])
    ended(history, "run-1", "2026-10-01T00:00:00.000Z")
    history.objects.contents[f"{PLACE}run-2/0-of-1.b.summary.json"] = b"not a summary"
    aged(history, {"run-1": 40, "run-2": 31, "run-3": 29})
    kept = {key for key in history.objects.contents if "run-3" in key or "summary" in key}
    done = await prune(history.objects.store(), patience(), timedelta(days=30), EPOCH, pytest.fail)
    size = sum(len(encode(line.record)) for name in SEGMENTS[:9] for line in history.written.get(name, []))
    assert (done.runs, done.segments, done.kept_runs, done.kept_segments) == (2, 3, 1, 1)
    assert done.bytes >= size
    assert {key for key in history.objects.contents if "checkpoint" not in key} == kept
    await check(history)
    again = await prune(history.objects.store(), patience(), timedelta(days=30), EPOCH, pytest.fail)
    assert (again.runs, again.segments, again.bytes) == (0, 0, 0)


async def test_pruning_keeps_the_run_that_has_started_last_however_old_it_is() -> None:
    history = some_nights()
    ended(history, "run-1", "2026-10-02T00:00:00.000Z")
    ended(history, "run-2", "2026-10-01T00:00:00.000Z", proc="b")
    aged(history, {"run-1": 40, "run-2": 31})
    done = await prune(history.objects.store(), patience(), timedelta(days=1), EPOCH, pytest.fail)
    assert (done.runs, done.segments) == (1, 1)
    assert not any("run-2" in key and is_segment(key.removeprefix(PLACE)) for key in history.objects.contents)
    await check(history)


@pytest.mark.parametrize(
    "of_none", ["verify.d.0", "0-of-1.a.0", "0-of-1.c.0"], ids=["verify", "retry", "a child process of a retry"]
)
async def test_what_is_of_no_run_is_never_the_newest_and_stays_until_a_run_has_begun_after_it(of_none: str) -> None:
    history = some_nights()
    ended(history, "run-1", "2026-10-01T00:00:00.000Z")
    history.write(f"run-3/{of_none}.jsonl", [Line(2, 0, Status.MISSING, 9, permanent=False, touched=True)])
    if of_none.startswith("0"):
        ended(history, "run-3", "2026-11-10T00:00:00.000Z", "retry")
    names = [name for name in history.objects.contents if is_segment(name.removeprefix(PLACE))]
    aged(history, {"run-1": 50, "run-2": 40, "run-3": 35})
    assert (await prune(history.objects.store(), patience(), timedelta(days=30), EPOCH, pytest.fail)).runs == 1
    assert [name for name in names if name not in history.objects.contents] == names[:2]  # of run-1
    await check(history)
    history.objects.contents[f"{PLACE}a-note"] = b"somebody's"
    history.write("run-4/0-of-1.e.0.jsonl", [saved(2, 0, 20)])
    aged(history, {"run-2": 40, "run-3": 35, "run-4": 33})
    assert (await prune(history.objects.store(), patience(), timedelta(days=30), EPOCH, pytest.fail)).runs == 2
    await check(history)


async def test_what_is_recalled_is_read_once_and_pruned_targets_are_known_without_their_history() -> None:
    history = some_nights()
    await compact_all(history.objects)
    history.objects.asked.clear()
    ledger, told = await recall(history.objects.store(), WHOLE, pytest.fail)
    read = [request.key for request in history.objects.asked if request.key.endswith(".jsonl")]
    assert len(read) == len(set(read)) == 3
    task = TASKS[1][0]
    target = target_digest(task.target)
    assert told.has_other_recipe(target, ledger.saved_ms(target) or 0, task, "B") is False
    aged(history, {"run-1": 40})
    await prune_all(history.objects)
    ledger, told = await recall(history.objects.store(), WHOLE, pytest.fail)
    assert (ledger.saved, told.mean_seconds is None) == (3, False)
    assert told.has_other_recipe(target, ledger.saved_ms(target) or 0, task, "B") is None


async def test_pruning_keeps_what_has_grown_since_it_was_covered() -> None:
    history = some_nights()
    history.write("run-3/0-of-1.c.0.jsonl", [saved(3, 0, 4)])

    async def grow() -> None:
        history.write("run-1/0-of-1.a.0.jsonl", [saved(2, 1, 8)])

    # When everything is covered, pruning looks again at what there is.
    measured = Objects(dict(history.objects.contents))
    await compact_all(measured)
    history.objects.meanwhile[len(measured.asked)] = grow
    done = await prune_all(history.objects)
    assert (done.runs, done.segments) == (1, 1)
    assert f"{PLACE}run-1/0-of-1.a.0.jsonl" in history.objects.contents
    await check(history)


async def test_two_at_once_on_a_disk_lose_nothing(tmp_path: Path) -> None:
    history = some_nights()
    for key, content in history.objects.contents.items():
        path = tmp_path / key.removeprefix(PLACE)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    store = DirectoryStore(tmp_path)
    await asyncio.gather(*(compact(store, patience(), pytest.fail) for _ in range(3)))
    history.check(await read_ledger(store, WHOLE, pytest.fail), WHOLE)
    assert len(list((tmp_path / "checkpoint").glob("*.json"))) == 1
