"""What would become of each task, and what that adds up to."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes import TASK, error, numbered, record, tell
from worker.batch.history import History
from worker.batch.ledger import Ledger
from worker.batch.manifest import Existing
from worker.batch.outlook import JobOutlook, Outlook, foresee
from worker.batch.record import Record, SourceRecord, Status, milliseconds
from worker.batch.task import Shard, Task, target_digest
from worker.oss.names import ObjectRef

ALL = Shard(0, 1)
TARGET = target_digest(TASK.target)
OTHER_RECIPE = replace(TASK, process="image/resize,w_8")
OTHER_REVISION = replace(TASK, revision="2")
OTHER_SOURCE = replace(TASK, etag="E2")
OTHER_BOTH = replace(OTHER_RECIPE, etag="E2")
PASSING = error("CpuLimitExceeded", permanent=False)


def read(*lines: Record, shard: Shard = ALL) -> tuple[Ledger, History]:
    ledger, history = Ledger(shard), History(shard)
    for line in lines:
        tell(ledger, line)
        history.add(line)
    return ledger, history


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Outlook.NEW),
        ([record()], Outlook.ALREADY_SAVED),
        ([record(OTHER_SOURCE)], Outlook.CHANGED_SOURCE),
        ([record(OTHER_RECIPE)], Outlook.CHANGED_RECIPE),
        ([record(OTHER_REVISION)], Outlook.CHANGED_RECIPE),
        ([record(OTHER_BOTH)], Outlook.CHANGED_RECIPE),
        ([record(replace(TASK, source=ObjectRef("photos", "b.jpg")))], Outlook.CHANGED_SOURCE),
        ([record(), record(OTHER_RECIPE, at_s=1)], Outlook.CHANGED_RECIPE),
        ([record(OTHER_RECIPE), record(OTHER_SOURCE)], Outlook.CHANGED_SOURCE),  # of one moment: by order
        ([record(OTHER_RECIPE, at_s=1), record()], Outlook.CHANGED_RECIPE),  # by time, not by order
        ([record(OTHER_RECIPE), record(at_s=1), record(OTHER_SOURCE, at_s=2)], Outlook.CHANGED_SOURCE),
        ([record(status=Status.FAILED, error=error())], Outlook.FAILED_BEFORE),
        ([record(status=Status.FAILED, error=PASSING)], Outlook.RETRY),
        ([record(), record(status=Status.FAILED, error=PASSING, at_s=1)], Outlook.RETRY),
        ([record(), record(status=Status.MISSING, at_s=1)], Outlook.RETRY),
        ([record(), record(status=Status.ALTERED, at_s=1)], Outlook.RETRY),
        ([record(OTHER_RECIPE, status=Status.FAILED, error=error())], Outlook.RETRY),
        # Of what was declined the target is as it was.
        ([record(status=Status.FAILED, error=PASSING, touched=False)], Outlook.NEW),
        ([record(), record(OTHER_SOURCE, Status.FAILED, 1, error=PASSING, touched=False)], Outlook.ALREADY_SAVED),
        ([record(OTHER_SOURCE), record(status=Status.SKIPPED, at_s=1)], Outlook.CHANGED_SOURCE),
        ([record(numbered(1))], Outlook.NEW),
        ([msgspec.structs.replace(record(), task=None, target=None)], Outlook.NEW),
    ],
)
def test_the_outlook_of_a_task_follows_from_the_log(lines: list[Record], expected: Outlook) -> None:
    assert foresee(TASK, TARGET, "E1", *read(*lines)) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], Outlook.NEW),
        ([record()], Outlook.UNKNOWN),
        ([record(status=Status.FAILED, error=PASSING)], Outlook.RETRY),
    ],
)
def test_what_nobody_asked_after_is_told_as_far_as_the_log_says(lines: list[Record], expected: Outlook) -> None:
    assert foresee(TASK, TARGET, None, *read(*lines)) is expected


def test_a_history_counts_what_is_there_and_how_long_it_took() -> None:
    lines = [record(numbered(number), at_s=number, duration_ms=100.0 * number) for number in range(1, 5)]
    gone = record(numbered(1), Status.MISSING, 9)
    ledger, history = read(*lines, gone, record(numbered(2), at_s=10, duration_ms=500.0))
    assert ledger.saved == 3
    assert history.mean_seconds == pytest.approx(0.3)
    assert History(ALL).mean_seconds is None


def test_a_history_is_that_of_its_shard() -> None:
    lines = [record(numbered(number)) for number in range(40)]
    moments = [(target_digest(numbered(number).target), milliseconds(lines[number].at)) for number in range(40)]
    for index in range(3):
        shard = Shard(index, 3)
        history = read(*lines, shard=shard)[1]
        for target, at in moments:
            assert (history.has_other_recipe(target, at, TASK, "E1") is not None) is shard.holds(target)
        assert history.mean_seconds is not None


def job(*lines: Record, existing: Existing = "replace") -> JobOutlook:
    return JobOutlook(*read(*lines), existing)


def take(outlook: JobOutlook, task: Task, size: int | None = 1000) -> None:
    outlook.take(task, target_digest(task.target), task.etag, size)


def test_what_would_be_sent_is_counted_by_pipeline_with_its_bytes() -> None:
    outlook = job(record(numbered(1)), record(replace(numbered(2), etag="E0")))
    for number in range(4):
        take(outlook, numbered(number), 1000 * (number + 1) if number != 3 else None)
    take(outlook, replace(numbered(9), pipeline="big"))
    outlook.take_failure(numbered(5), target_digest(numbered(5).target), "NoSuchKey")
    outlook.take_bad_row("small")
    small = outlook.pipelines["small"]
    assert small.outcomes == {"new": 2, "already_saved": 1, "changed_source": 1, "NoSuchKey": 1, "bad_row": 1}
    assert (small.sends("replace"), small.source_bytes("replace")) == (3, (4000, 2))
    assert outlook.pipelines["big"].sends("replace") == 1
    assert (outlook.planned, outlook.headless, outlook.looks_up) == (7, 0, 0)


def test_sources_without_an_etag_are_counted_once_for_all_their_pipelines() -> None:
    outlook = job()
    for number in (1, 2):
        for pipeline in ("small", "big"):
            task = replace(numbered(number), etag=None, pipeline=pipeline)
            outlook.take(task, target_digest(ObjectRef(pipeline, task.target.key)), None, None)
    assert outlook.headless == 2


def test_orphans_are_saved_targets_that_no_task_writes() -> None:
    outlook = job(*(record(numbered(number)) for number in range(5)), record(numbered(0), Status.MISSING, 1))
    for number in (0, 1, 2, 7):
        take(outlook, numbered(number))
    outlook.take_failure(numbered(3), target_digest(numbered(3).target), "NoSuchKey")
    assert outlook.orphans == 1


@pytest.mark.parametrize(("existing", "posts", "kept"), [("replace", 4, 4000), ("skip", 3, 3000), ("fail", 3, 3000)])
def test_new_targets_that_exist_are_found(existing: Existing, posts: int, kept: int) -> None:
    outlook = job(record(numbered(9)), existing=existing)
    for number in (0, 1, 2, 3, 9):
        take(outlook, numbered(number))
    outlook.take_failure(numbered(5), target_digest(numbered(5).target), "NoSuchKey")
    for number in (2, 5, 9):  # new, failing, and the job's own
        outlook.find(target_digest(numbered(number).target), "small")
    small = outlook.pipelines["small"]
    assert small.outcomes == {"new": 3, "exists": 1, "already_saved": 1, "NoSuchKey": 1}
    assert (small.sends(existing), small.source_bytes(existing)) == (posts, (kept, posts))
    assert outlook.looks_up == (0 if existing == "replace" else 4)


def test_what_failed_before_does_not_become_a_target_that_exists() -> None:
    outlook = job(record(status=Status.FAILED, error=error(), touched=False))
    take(outlook, TASK)
    outlook.find(TARGET, "small")
    assert outlook.pipelines["small"].outcomes == {"failed_before": 1}


def test_what_would_not_be_sent_is_no_sample() -> None:
    for existing in ("replace", "skip"):
        outlook = job(existing=existing)
        take(outlook, numbered(1))
        outlook.find(target_digest(numbered(1).target), "small")
        assert len(outlook.pipelines["small"].samples) == (existing == "replace")


@given(st.permutations(range(20)))
def test_samples_are_the_same_in_any_order(numbers: list[int]) -> None:
    outlook = job()
    for number in numbers:
        take(outlook, numbered(number))
    samples = [task for _, task in outlook.pipelines["small"].samples]
    assert samples == sorted(map(numbered, range(20)), key=lambda task: target_digest(task.target))[:3]


KEYS = st.text("ab/", max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["x", "y"]), KEYS), max_size=12))
def test_every_new_target_lies_below_exactly_one_prefix(targets: list[tuple[str, str, str]]) -> None:
    outlook = job()
    refs = []
    for number, (pipeline, bucket, key) in enumerate(targets):
        refs.append(ObjectRef(bucket, key))
        take(outlook, replace(numbered(number), pipeline=pipeline, target=refs[-1]))
    for ref in refs:
        below = [one for one in outlook.new_prefixes if one.bucket == ref.bucket and ref.key.startswith(one.key)]
        assert len(below) == 1


def test_a_line_keeps_what_tells_its_source() -> None:
    line = record(source=SourceRecord("photos", "a.jpg", "E1", 5))
    ledger, history = read(line)
    at = ledger.saved_ms(TARGET)
    assert at == milliseconds(line.at)
    assert history.has_other_recipe(TARGET, at, TASK, "E2") is False
    assert history.has_other_recipe(TARGET, at, OTHER_RECIPE, "E1") is True
    assert history.has_other_recipe(TARGET, at + 1, OTHER_RECIPE, "E1") is None  # a newer line was pruned
    assert ledger.saved_ms(target_digest(numbered(2).target)) is None


@pytest.mark.parametrize(
    ("task", "etag", "expected"),
    [
        (TASK, "E1", Outlook.ALREADY_SAVED),
        (TASK, "E2", Outlook.CHANGED),
        (OTHER_RECIPE, "E1", Outlook.CHANGED),
        (TASK, None, Outlook.UNKNOWN),
        (numbered(2), "E1", Outlook.FAILED_BEFORE),
        (numbered(2), "E2", Outlook.RETRY),
        (numbered(2), None, Outlook.RETRY),
        (numbered(3), "E1", Outlook.NEW),
        (numbered(3), None, Outlook.NEW),
        (numbered(4), "E1", Outlook.NEW),
        (numbered(4), None, Outlook.NEW),
    ],
)
def test_of_pruned_lines_the_ledger_knows_all_but_what_has_changed(
    task: Task, etag: str | None, expected: Outlook
) -> None:
    failed = replace(numbered(2), etag="E1")
    declined = record(numbered(4), Status.FAILED, error=PASSING, touched=False)
    ledger, _ = read(record(), record(failed, Status.FAILED, error=error()), declined)
    assert foresee(task, target_digest(task.target), etag, ledger, History(ALL)) is expected
    outlook = JobOutlook(ledger, History(ALL), "replace")
    assert outlook.orphans == 1
    take(outlook, replace(OTHER_SOURCE, etag="E2"))
    small = outlook.pipelines["small"]
    assert (outlook.orphans, small.outcomes, small.sends("replace"), small.other_bytes) == (0, {"changed": 1}, 1, 1000)
    outlook.find(TARGET, "small")
    assert small.outcomes == {"changed": 1}
