"""The probe: what it sends, and that nothing of it stays."""

import asyncio
import json

import pytest

from tests.fakes import Service, answer, http_date, in_virtual_time, refused
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.probe import Probed, probe
from worker.dispatch.saveas import Saveas
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request
from worker.oss.verdict import Failure

SOURCE, SCRATCH = ObjectRef("photos", "a.jpg"), ObjectRef("renditions", "small/scratch")
QUICK = RetryPolicy(max_attempts=2, base_delay_s=1.0, max_delay_s=1.0, task_deadline_s=10)
FREE, THERE = answer(404), answer(200, headers={"etag": '"E"', "last-modified": http_date()})
SAVED = answer(200, json.dumps({"bucket": "renditions", "object": "small/scratch", "status": "OK", "fileSize": 5}))
DELETED = answer(204)


def service(head: Answer = FREE, post: Answer = SAVED, delete: Answer = DELETED, later: Answer = THERE) -> Service:
    """Answers by method; the second HEAD and those after it get `later`."""
    heads = [head]

    def answered(request: Request) -> Answer:
        match request.method:
            case "HEAD":
                return heads.pop() if heads else later
            case "POST":
                return post
            case _:
                return delete

    return Service(answered)


def probed(asked: Service) -> Probed:
    sender = asked.sender(policy=QUICK)
    return in_virtual_time(probe(sender, Saveas(sender), SOURCE, 100, "image/resize,w_4", SCRATCH))


def test_a_picture_is_saved_where_nothing_is_and_deleted() -> None:
    asked = service()
    assert probed(asked) == Probed(None)
    assert [(request.method, request.bucket, request.key) for _, request in asked.sent] == [
        ("HEAD", "renditions", "small/scratch"),
        ("POST", "photos", "a.jpg"),
        ("DELETE", "renditions", "small/scratch"),
    ]


@pytest.mark.parametrize(("head", "code"), [(THERE, "TargetExists"), (refused(403, "AccessDenied"), "AccessDenied")])
def test_nothing_is_sent_unless_the_key_is_free_for_sure(head: Answer, code: str) -> None:
    asked = service(head)
    result = probed(asked)
    assert asked.methods == ["HEAD"]
    assert result.refused is not None
    assert (result.refused.code, result.unasked) == (code, code == "AccessDenied")


def test_what_was_declined_leaves_nothing_to_delete() -> None:
    asked = service(post=refused(403, "AccessDenied"))
    result = probed(asked)
    assert isinstance(result.refused, Failure)
    assert asked.methods == ["HEAD", "POST"]


def test_what_may_have_been_saved_is_deleted() -> None:
    asked = service(post=refused(500, "InternalError"))
    result = probed(asked)
    assert result.refused is not None
    assert (result.refused.code, result.left) == ("InternalError", None)
    assert asked.methods == ["HEAD", "POST", "POST", "DELETE"]


@pytest.mark.parametrize(("later", "is_saved"), [(THERE, True), (FREE, False)])
def test_an_empty_answer_is_looked_after(later: Answer, is_saved: bool) -> None:
    asked = service(post=answer(200, headers={"date": http_date()}), later=later)
    assert (probed(asked).refused is None) == is_saved
    assert asked.methods == ["HEAD", *["POST", "HEAD"] * (1 if is_saved else QUICK.max_attempts), "DELETE"]


def test_who_may_not_delete_is_told_what_is_left() -> None:
    result = probed(service(delete=refused(403, "AccessDenied")))
    assert (result.refused, result.kept) == (None, False)
    assert result.left is not None
    assert result.left.code == "AccessDenied"


@pytest.mark.parametrize(("headers", "kept"), [({"x-oss-delete-marker": "true"}, True), ({}, False)])
def test_a_bucket_that_keeps_versions_keeps_this_one(headers: dict[str, str], kept: bool) -> None:
    assert probed(service(delete=answer(204, headers=headers))) == Probed(None, kept=kept)


def test_a_signal_leaves_nothing_behind() -> None:
    asked = service(post=refused(500, "InternalError"))

    async def main() -> None:
        stop = Stop()
        asyncio.get_running_loop().call_later(0.001, stop.throw, Reason.SIGNAL)
        sender = asked.sender(stop, QUICK)
        with pytest.raises(Cut):
            await probe(sender, Saveas(sender), SOURCE, 100, "image/resize,w_4", SCRATCH)

    in_virtual_time(main())
    assert asked.methods == ["HEAD", "POST", "DELETE"]
