"""One task to its result: the POST as documented, and when its target counts as saved."""

import asyncio
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.fakes import POLICY, TASK, Service, answer, http_date, in_virtual_time, refused, script, throttle_of
from worker.batch.ledger import Ledger
from worker.batch.record import Status
from worker.batch.task import Shard, Task
from worker.dispatch.decider import Decider, Needless, Result
from worker.dispatch.performer import Performer
from worker.dispatch.relay import Relay
from worker.dispatch.saveas import Saveas
from worker.dispatch.sender import Sender
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.oss.answer import Answer


def saved(**changes: object) -> Answer:
    said = {"bucket": "renditions", "object": "small/a.jpg", "fileSize": 42, "status": "OK", **changes}
    return answer(200, json.dumps(said))


def performer_of(
    sender: Sender, decider: Decider, permit: Callable[[], None] = lambda: None, *, can_look: bool = True
) -> Performer:
    return Performer(decider, permit, Saveas(sender, can_look=can_look), Relay(sender), {"far"})


def perform(service: Service, task: Task = TASK, *, can_look: bool = True) -> Result:
    async def main() -> Result | Needless:
        sender = service.sender()
        decider = Decider(sender, Ledger(Shard(0, 1)), "replace", redo=False, heads=8)
        return await performer_of(sender, decider, can_look=can_look).perform(task)

    result = in_virtual_time(main())
    assert isinstance(result, Result)
    return result


def test_a_task_is_one_post_as_documented() -> None:
    service = Service(script(saved()), takes_s=0.5)
    result = perform(service)
    assert (result.status, result.target_size, result.attempts, result.request_id) == (Status.SAVED, 42, 1, "R1")
    assert (result.duration_s, result.error, result.id) == (0.5, None, TASK.id("E1"))
    request = service.sent[0][1]
    assert (request.method, request.bucket, request.key, request.query) == (
        "POST",
        "photos",
        "a.jpg",
        (("x-oss-process", ""),),
    )
    assert request.body == b"x-oss-process=image/resize,w_4|sys/saveas,o_c21hbGwvYS5qcGc,b_cmVuZGl0aW9ucw"
    assert [name for name, _ in request.headers] == ["authorization"]


def test_an_empty_bucket_in_the_answer_is_that_of_the_source() -> None:
    at_home = replace(TASK, target=replace(TASK.target, bucket="photos"))
    assert perform(Service(script(saved(bucket=""))), at_home).status is Status.SAVED
    assert perform(Service(script(saved(bucket="")))).status is Status.FAILED


@pytest.mark.parametrize("change", [{"object": "small/b.jpg"}, {"bucket": "elsewhere"}])
def test_another_target_than_asked_for_is_final(change: dict[str, str]) -> None:
    service = Service(script(saved(**change)))
    result = perform(service)
    assert result.error is not None
    assert (result.error.code, result.error.permanent, len(service.sent)) == ("WrongTarget", True, 1)
    assert result.touched


@pytest.mark.parametrize("broken", [saved(status="Fail"), answer(200, b"{"), answer(200, b"[]")])
def test_a_success_that_does_not_say_saved_is_tried_again(broken: Answer) -> None:
    result = perform(Service(script(broken, saved())))
    assert (result.status, result.attempts) == (Status.SAVED, 2)
    assert result.touched


def confirming(post: Answer, head: Answer) -> Service:
    return Service(lambda request: post if request.method == "POST" else head)


EMPTY = answer(200, headers={"date": http_date(0)})


def modified(after_s: float) -> Answer:
    return answer(200, headers={"last-modified": http_date(after_s), "content-length": "42"})


@pytest.mark.parametrize("modified_s", [5, 0, -1])
def test_an_empty_success_is_confirmed_by_the_targets_own_date(modified_s: float) -> None:
    service = confirming(EMPTY, modified(modified_s))
    result = perform(service)
    assert service.methods == ["POST", "HEAD"]
    assert service.sent[1][1].key == "small/a.jpg"
    assert (result.status, result.touched, result.target_size, result.attempts) == (Status.SAVED, True, 42, 1)
    assert result.request_id == "R1"


@pytest.mark.parametrize(
    ("post", "head"),
    [
        (EMPTY, modified(-2)),
        (EMPTY, answer(404)),
        (EMPTY, answer(200)),
        (answer(200), modified(0)),
    ],
)
def test_an_empty_success_that_nothing_confirms_is_tried_again_and_then_a_failure(post: Answer, head: Answer) -> None:
    service = confirming(post, head)
    result = perform(service)
    assert service.methods == ["POST", "HEAD"] * POLICY.max_attempts
    assert (result.status, result.touched, result.attempts) == (Status.FAILED, True, POLICY.max_attempts)
    assert result.tries == {"NotSaved": POLICY.max_attempts}
    assert result.request_id == "R1"


def test_an_empty_success_is_tried_again_where_the_target_cannot_be_looked_at() -> None:
    service = Service(script(EMPTY, saved()))
    assert perform(service, can_look=False).status is Status.SAVED
    assert service.methods == ["POST", "POST"]


def test_a_target_is_looked_at_even_if_the_run_is_stopping() -> None:
    service = confirming(EMPTY, modified(0))
    service.takes_s = 10

    async def main() -> Result | Needless:
        stop = Stop()
        asyncio.get_running_loop().call_later(5, stop.throw, Reason.SIGNAL)
        sender = service.sender(stop)
        decider = Decider(sender, Ledger(Shard(0, 1)), "replace", redo=False, heads=8)
        return await performer_of(sender, decider).perform(TASK)

    result = in_virtual_time(main())
    assert isinstance(result, Result)
    assert result.status is Status.SAVED


def test_what_was_declined_has_not_touched_the_target() -> None:
    result = perform(Service(script(refused(503, "CpuLimitExceeded"), refused(400, "ImageDamage"))))
    assert (result.status, result.touched, result.tries) == (
        Status.FAILED,
        False,
        {"CpuLimitExceeded": 1, "ImageDamage": 1},
    )


def test_permission_is_asked_for_once_before_the_first_post_of_a_task() -> None:
    asked: list[int] = []

    def permit() -> None:
        asked.append(len(service.sent))
        if len(asked) == 2:
            raise Cut

    answers = script(refused(503, "CpuLimitExceeded"), saved())
    service = Service(lambda request: answers(request) if request.method == "POST" else answer(404))

    async def main() -> None:
        sender = service.sender()
        performer = performer_of(sender, Decider(sender, Ledger(Shard(0, 1)), "skip", redo=False, heads=8), permit)
        await performer.perform(TASK)
        with pytest.raises(Cut):
            await performer.perform(TASK)

    in_virtual_time(main())
    assert asked == [1, 4]
    assert service.methods == ["HEAD", "POST", "POST", "HEAD"]


def test_source_bytes_are_told_to_the_throttle() -> None:

    service = Service(script(saved()))

    async def main() -> None:
        sender = service.sender(throttle=throttle_of(1000, 1))
        performer = performer_of(sender, Decider(sender, Ledger(Shard(0, 1)), "replace", redo=False, heads=8))
        big = replace(TASK, size=5_000_000)
        await asyncio.gather(*(performer.perform(big) for _ in range(3)))

    in_virtual_time(main())
    assert service.times == pytest.approx([0, 5, 10], abs=0.01)
