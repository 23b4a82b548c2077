"""A relay: a GET and a PUT that make one task, by whichever of them it fails."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from msgspec.structs import replace

from tests.fakes import (
    POLICY,
    TASK,
    OneKey,
    Service,
    answer,
    in_virtual_time,
    now_s,
    outage_of,
    refused,
    throttle_of,
)
from worker.batch.ledger import Ledger
from worker.batch.record import Status
from worker.batch.task import Shard
from worker.dispatch.decider import Decider, Needless, Result
from worker.dispatch.outage import Outage
from worker.dispatch.performer import Performer
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.relay import Relay
from worker.dispatch.saveas import Saveas
from worker.dispatch.sender import Outcome
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.oss.answer import Answer
from worker.oss.codes import NO_KEY
from worker.oss.request import Request
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, Saved, failure

PICTURE = b"a picture, as far as anybody looks"
MD5 = hashlib.md5(PICTURE, usedforsecurity=False).digest()
LOST = failure("ConnectionLost", "made up")
Answers = Callable[[int], Answer | Failure]


@dataclass
class Kept:
    """What was read, in memory; `closed` counts how often nobody needed it any more."""

    data: bytes = PICTURE
    closed: list[bool] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def md5(self) -> bytes:
        return hashlib.md5(self.data, usedforsecurity=False).digest()

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.data

    def close(self) -> None:
        self.closed.append(True)


def picture(kept: Kept | None = None, **headers: str) -> Answer:
    named = {"content-type": "image/jpeg"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(answer(200, headers=named), content=kept or Kept())


PUT = answer(200, headers={"etag": f'"{MD5.hex().upper()}"', "x-oss-request-id": "R2"})


def service(get: Answers = lambda _: picture(), put: Answers = lambda _: PUT, takes_s: float = 0.0) -> Service:
    """Answers by the method of a request, and by how many of that method came before."""
    seen = {"GET": 0, "PUT": 0}

    def answered(request: Request) -> Answer | Failure:
        seen[request.method] += 1
        return (get if request.method == "GET" else put)(seen[request.method] - 1)

    return Service(answered, takes_s=takes_s)


def relayed(asked: Service, stop: Stop | None = None) -> Outcome[Saved]:
    async def main() -> Outcome[Saved]:
        return await Relay(asked.sender(stop)).save(TASK.source, TASK.size, TASK.process, TASK.target)

    return in_virtual_time(main())


def first(*answers: Answer | Failure) -> Answers:
    """These, and then the last one for ever."""
    return lambda number: answers[min(number, len(answers) - 1)]


def test_a_relay_is_a_get_with_the_process_and_a_put_of_what_it_answers() -> None:
    kept = Kept()
    asked = service(get=lambda _: picture(kept), takes_s=0.5)
    assert relayed(asked) == Outcome(Saved(len(PICTURE), "R2"), 1, {}, touched=False, duration_s=1.0)
    (_, get), (_, put) = asked.sent
    assert (get.method, get.bucket, get.key, get.query, get.keeps) == (
        "GET",
        "photos",
        "a.jpg",
        (("x-oss-process", "image/resize,w_4"),),
        True,
    )
    assert (put.method, put.bucket, put.key, put.query, put.body, put.content) == (
        "PUT",
        "renditions",
        "small/a.jpg",
        (),
        b"",
        kept,
    )
    assert dict(put.headers)["content-type"] == "image/jpeg"
    assert dict(put.headers)["content-md5"] == "Z3JO2gDO8l1UGCpdUometw=="
    assert kept.closed == [True]


def test_the_two_are_one_task_whose_repetitions_are_attempts() -> None:
    asked = service(first(LOST, picture()), first(LOST, refused(503, "ServiceUnavailable"), PUT))
    found = relayed(asked)
    assert isinstance(found.verdict, Saved)
    assert asked.methods == ["GET", "GET", "PUT", "PUT", "PUT"]
    assert (found.attempts, found.tries) == (4, {"ConnectionLost": 2, "ServiceUnavailable": 1})


def test_attempts_of_both_count_to_the_limit_of_one_task() -> None:
    asked = service(first(LOST, LOST, LOST, picture()), first(LOST))
    found = relayed(asked)
    assert isinstance(found.verdict, Failure)
    assert asked.methods == ["GET"] * 4 + ["PUT"] * 2
    assert (found.attempts, found.tries) == (5, {"ConnectionLost": POLICY.max_attempts})


def test_the_deadline_is_that_of_one_task() -> None:
    overloaded = refused(503, "ServiceUnavailable")
    asked = service(first(*[overloaded] * 50, picture()), first(overloaded))
    found = relayed(asked)
    assert isinstance(found.verdict, Failure)
    assert asked.methods.count("GET") == 51
    assert asked.times[-1] <= POLICY.task_deadline_s


def test_as_long_as_nothing_was_put_the_target_is_as_it_was() -> None:
    found = relayed(service(first(LOST)))
    assert (found.touched, found.attempts) == (False, POLICY.max_attempts)
    declined = relayed(service(first(LOST, picture()), first(refused(403, "AccessDenied"))))
    assert (declined.touched, declined.attempts) == (False, 2)
    assert relayed(service(put=first(LOST))).touched


@pytest.mark.parametrize(
    "bad",
    [
        picture(Kept(b"")),
        answer(200, headers={"content-type": "image/jpeg"}),
        picture(content_type="text/html"),
        picture(content_type=""),
        picture(content_encoding="gzip"),
    ],
)
def test_what_is_no_picture_is_never_put(bad: Answer) -> None:
    asked = service(first(bad))
    found = relayed(asked)
    assert isinstance(found.verdict, Failure)
    assert (found.verdict.code, set(asked.methods)) == ("UnreadableAnswer", {"GET"})
    assert not isinstance(bad.content, Kept) or bad.content.closed == [True] * POLICY.max_attempts


@pytest.mark.parametrize("refusal", [failure("PictureTooLarge", "made up"), refused(400, "ImageDamage")])
def test_what_cannot_be_had_is_final(refusal: Answer | Failure) -> None:
    asked = service(first(refusal))
    found = relayed(asked)
    assert isinstance(found.verdict, Failure)
    assert (found.verdict.permanent, asked.methods) == (True, ["GET"])


@pytest.mark.parametrize(
    ("put", "code"),
    [
        (answer(200, headers={"etag": f'"{"0" * 32}"'}), "WrongETag"),
        (answer(200), "WrongETag"),
        (refused(400, "InvalidDigest"), "InvalidDigest"),
    ],
)
def test_what_arrived_otherwise_is_put_again(put: Answer, code: str) -> None:
    asked = service(put=first(put, PUT))
    found = relayed(asked)
    assert isinstance(found.verdict, Saved)
    assert (asked.methods, found.tries) == (["GET", "PUT", "PUT"], {code: 1})


def test_weak_and_lower_case_etags_are_the_same() -> None:
    assert isinstance(relayed(service(put=first(answer(200, headers={"etag": MD5.hex()})))).verdict, Saved)


def test_a_stop_lets_what_was_read_be_written() -> None:
    asked = service(takes_s=10)

    async def main() -> Outcome[Saved]:
        stop = Stop()
        asyncio.get_running_loop().call_later(5, stop.throw, Reason.SIGNAL)
        return await Relay(asked.sender(stop)).save(TASK.source, TASK.size, TASK.process, TASK.target)

    assert isinstance(in_virtual_time(main()).verdict, Saved)


def test_a_stop_before_the_get_cuts_it() -> None:
    async def main() -> None:
        stop = Stop()
        stop.throw(Reason.SIGNAL)
        with pytest.raises(Cut):
            await Relay(service().sender(stop)).save(TASK.source, TASK.size, TASK.process, TASK.target)

    in_virtual_time(main())


def test_an_outage_that_is_given_up_does_not_wait_for_what_was_read() -> None:
    asked = service(put=first(failure("ConnectionFailed", "refused")))

    async def main() -> float:
        stop = Stop()
        patient = RetryPolicy(5, 1.0, 8.0, task_deadline_s=30.0)
        asked.outage = Outage(1, patient, now_s, lambda _: None, lambda _: stop.throw(Reason.OUTAGE))
        with pytest.raises(Cut):
            async with asyncio.timeout(300):
                await Relay(asked.sender(stop)).save(TASK.source, TASK.size, TASK.process, TASK.target)
        return now_s()

    assert in_virtual_time(main()) == pytest.approx(30, abs=0.1)


def test_both_requests_count_to_the_rate_and_source_bytes_to_theirs() -> None:
    async def take(asked: Service, requests: float, megabytes: float) -> list[float]:
        relay = Relay(asked.sender(throttle=throttle_of(requests, megabytes)))
        await asyncio.gather(*(relay.save(TASK.source, 5_000_000, TASK.process, TASK.target) for _ in range(3)))
        return asked.times

    assert in_virtual_time(take(service(), 1, 1000)) == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.01)
    assert in_virtual_time(take(service(), 1000, 1)) == pytest.approx([0, 0, 5, 5, 10, 10], abs=0.02)


def test_pipelines_that_are_relayed_are() -> None:
    async def main(asked: Service, pipeline: str) -> Result | Needless:
        sender = asked.sender()
        decider = Decider(sender, Ledger(Shard(0, 1)), "replace", redo=False, heads=8)
        performer = Performer(decider, lambda: None, Saveas(sender), Relay(sender), {"far"})
        return await performer.perform(replace(TASK, pipeline=pipeline))

    asked = service()
    result = in_virtual_time(main(asked, "far"))
    assert isinstance(result, Result)
    assert (asked.methods, result.status, result.target_size) == (["GET", "PUT"], Status.SAVED, len(PICTURE))
    posted = Service(lambda _: refused(400, "ImageDamage"))
    in_virtual_time(main(posted, "near"))
    assert posted.methods == ["POST"]


def test_a_put_waits_for_a_pause_and_a_signal_cuts_it_there() -> None:
    down = failure("ConnectionFailed", "refused")
    asked = service(put=first(*[down] * 3, PUT))
    asked.outage = outage_of(1)
    assert isinstance(relayed(asked).verdict, Saved)
    puts = [at for at, request in asked.sent if request.method == "PUT"]
    # Probes, with growing delays, and no retries between.
    assert [later - earlier for earlier, later in pairwise(puts)] == pytest.approx([1.0, 2.0, 4.0], abs=0.1)

    async def main() -> float:
        stop = Stop()
        asyncio.get_running_loop().call_later(5, stop.throw, Reason.SIGNAL)
        held = service(put=first(down))
        held.outage = outage_of(1)
        with pytest.raises(Cut):
            await Relay(held.sender(stop)).save(TASK.source, TASK.size, TASK.process, TASK.target)
        return now_s()

    assert in_virtual_time(main()) <= 5 + POLICY.max_delay_s


def test_a_put_that_finds_no_key_was_no_attempt() -> None:
    class Failing(OneKey):
        """A key for the GET, and then none any more."""

        left = 1

        def at_hand(self) -> Credentials | None:
            self.left -= 1
            return super().at_hand() if self.left >= 0 else None

        async def get(self) -> Credentials | Failure:
            return failure(NO_KEY, "made up")

    asked = service()

    async def main() -> Outcome[Saved]:
        relay = Relay(asked.sender(keys=Failing(), policy=RetryPolicy(5, 1.0, 8.0, task_deadline_s=3.0)))
        return await relay.save(TASK.source, TASK.size, TASK.process, TASK.target)

    found = in_virtual_time(main())
    assert isinstance(found.verdict, Failure)
    assert (found.verdict.code, found.attempts, asked.methods) == (NO_KEY, 1, ["GET"])
    assert not found.touched
