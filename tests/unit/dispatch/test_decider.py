"""Whether a task has anything to do, asking the service only for what nothing else tells."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from tests.fakes import TASK, Service, answer, error, in_virtual_time, record, refused, script, tell
from worker.batch.ledger import Ledger
from worker.batch.manifest import Existing
from worker.batch.record import Record, Status
from worker.batch.task import Shard, Task
from worker.dispatch.decider import Decider, Needless, Result, ToSend, judge_head
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request
from worker.oss.verdict import Failure

MISSING = answer(404)
PRESENT = answer(200, headers={"etag": '"e9"', "content-length": "77"})
UNKNOWN = replace(TASK, etag=None, size=None)
Decision = ToSend | Result | Needless


def decide(
    service: Service, *tasks: Task, lines: tuple[Record, ...] = (), existing: Existing = "replace", redo: bool = False
) -> list[Decision]:
    async def main() -> list[Decision]:
        ledger = Ledger(Shard(0, 1))
        for line in lines:
            tell(ledger, line)
        decider = Decider(service.sender(), ledger, existing, redo=redo, heads=8)
        return list(await asyncio.gather(*(decider.decide(task) for task in tasks)))

    return in_virtual_time(main())


def nobody_asks(request: Request) -> Answer:
    raise AssertionError(request)


def test_what_is_new_is_sent_without_a_question() -> None:
    (decision,) = decide(Service(nobody_asks), TASK)
    assert decision == ToSend(TASK, TASK.id("E1"), "E1", 1000, known=False)


def test_what_is_done_is_not_sent_and_what_changed_is() -> None:
    changed = replace(TASK, etag="E2")
    other_recipe = replace(TASK, process="image/resize,w_5")
    decisions = decide(Service(nobody_asks), TASK, changed, other_recipe, lines=(record(),))
    assert decisions[0] is Needless.ALREADY_SAVED
    assert [isinstance(decision, ToSend) and decision.known for decision in decisions[1:]] == [True, True]


def test_a_decision_does_not_go_through_all_that_the_log_knows() -> None:
    class Vast(Ledger):
        """It would take seconds for ten million targets, task by task."""

        def __len__(self) -> int:
            raise AssertionError

        def tables(self) -> Iterator[tuple[int, bytes]]:
            raise AssertionError

    async def main() -> Decision:
        ledger = Vast(Shard(0, 1))
        tell(ledger, record())
        return await Decider(Service(nobody_asks).sender(), ledger, "replace", redo=False, heads=8).decide(TASK)

    assert in_virtual_time(main()) is Needless.ALREADY_SAVED


def test_what_failed_for_good_is_not_sent_again() -> None:
    lines = (record(status=Status.FAILED, error=error()),)
    assert decide(Service(nobody_asks), TASK, lines=lines) == [Needless.FAILED_BEFORE]
    passing = (record(status=Status.FAILED, error=error(permanent=False)),)
    assert isinstance(decide(Service(nobody_asks), TASK, lines=passing)[0], ToSend)


@pytest.mark.parametrize("line", [record(), record(status=Status.FAILED, error=error())])
def test_redo_sends_what_was_done_or_failed(line: Record) -> None:
    (decision,) = decide(Service(nobody_asks), TASK, lines=(line,), redo=True)
    assert isinstance(decision, ToSend)


def test_a_source_is_asked_for_its_etag_once_for_all_pipelines() -> None:
    service = Service(script(PRESENT), takes_s=1)
    tasks = [
        replace(UNKNOWN, pipeline=name, target=ObjectRef("renditions", name)) for name in ("small", "large", "huge")
    ]
    decisions = decide(service, *tasks)
    assert service.methods == ["HEAD"]
    assert service.sent[0][1].key == "a.jpg"
    assert [(decision.etag, decision.size) for decision in decisions if isinstance(decision, ToSend)] == [
        ("E9", 77)
    ] * 3


@pytest.mark.parametrize("gone", [MISSING, refused(404, "NoSuchKey")], ids=["no body", "with a code"])
def test_a_source_that_is_gone_fails_without_a_post(gone: Answer) -> None:
    (decision,) = decide(Service(script(gone)), UNKNOWN)
    assert isinstance(decision, Result)
    assert (decision.status, decision.id, decision.attempts, decision.touched) == (Status.FAILED, None, 0, False)
    assert decision.error is not None
    assert decision.error.code == "NoSuchKey"


def test_an_empty_etag_asks_nobody() -> None:
    (decision,) = decide(Service(nobody_asks), replace(TASK, etag=""))
    assert isinstance(decision, ToSend)


@pytest.mark.parametrize("existing", ["skip", "fail"])
def test_targets_are_looked_for_where_they_matter(existing: Existing) -> None:
    absent = Service(script(MISSING))
    (decision,) = decide(absent, TASK, existing=existing)
    assert isinstance(decision, ToSend)
    assert (absent.methods, absent.sent[0][1].key) == (["HEAD"], "small/a.jpg")
    known = Service(nobody_asks)
    (decision,) = decide(known, replace(TASK, etag="E2"), existing=existing, lines=(record(),))
    assert isinstance(decision, ToSend)


@pytest.mark.parametrize(("existing", "status"), [("skip", Status.SKIPPED), ("fail", Status.FAILED)])
def test_targets_of_others_are_left_alone(existing: Existing, status: Status) -> None:
    (decision,) = decide(Service(script(PRESENT)), TASK, existing=existing)
    assert isinstance(decision, Result)
    assert (decision.status, decision.target_size, decision.attempts) == (status, 77, 0)
    assert (decision.error.code if decision.error else None) == (None if existing == "skip" else "TargetExists")


def test_a_target_that_was_skipped_before_is_still_not_ours() -> None:
    lines = (record(status=Status.SKIPPED),)
    (decision,) = decide(Service(script(PRESENT)), replace(TASK, etag="E2"), existing="skip", lines=lines)
    assert isinstance(decision, Result)


def test_a_target_that_cannot_be_looked_at_is_not_written() -> None:
    (decision,) = decide(Service(script(refused(403, "AccessDenied"))), TASK, existing="skip")
    assert isinstance(decision, Result)
    assert decision.status is Status.FAILED


@pytest.mark.parametrize("existing", ["replace", "skip"])
def test_a_stop_cuts_a_decision_short(existing: Existing) -> None:
    async def main() -> None:
        stop = Stop()
        decider = Decider(
            Service(script(refused(503, "X"))).sender(stop), Ledger(Shard(0, 1)), existing, redo=False, heads=8
        )
        asyncio.get_running_loop().call_later(3, stop.throw, Reason.SIGNAL)
        with pytest.raises(Cut):
            await decider.decide(UNKNOWN)

    in_virtual_time(main())


def test_old_questions_are_forgotten() -> None:
    service = Service(script(PRESENT))

    async def main() -> int:
        decider = Decider(service.sender(), Ledger(Shard(0, 1)), "replace", redo=False, heads=4)
        for number in range(50):
            await decider.decide(replace(UNKNOWN, source=ObjectRef("photos", f"{number}.jpg")))
        return len(decider._sources._heads)

    assert in_virtual_time(main()) == 4


def test_a_head_without_a_usable_length_has_no_size() -> None:
    def size(length: dict[str, str]) -> Callable[[], object]:
        head = judge_head(answer(200, headers={"etag": '"x"', **length}))
        assert not isinstance(head, Failure)
        return lambda: head.size

    assert size({})() is None
    assert size({"content-length": "²"})() is None
    assert size({"content-length": "12"})() == 12
