"""The outage: what begins a pause and ends it, how it is probed, what stands still meanwhile, when it is too long."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.fakes import FAST, POLICY, Service, answer, in_virtual_time, now_s, outage_of, refused, throttle_of
from worker.dispatch.outage import Outage
from worker.dispatch.policy import RetryBudget, RetryPolicy
from worker.dispatch.sender import Outcome, Urgency
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.dispatch.throttle import Lane
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request, head_object
from worker.oss.verdict import Failure, failure, judge_error

DOWN = failure("ConnectionFailed", "refused")
CUT_OFF = failure("ConnectionLost", "reset")


def request(number: int) -> Request:
    return head_object(ObjectRef("photos", f"{number}.jpg"))


def judge(answered: Answer) -> str | Failure:
    return "saved" if answered.status == 200 else judge_error(answered)


def hear(outage: Outage, *failures: Failure | None, first: int = 0) -> None:
    for number, heard in enumerate(failures, first):
        outage.hear(request(number), heard)


@dataclass
class Weather:
    """A service that nobody reaches from one moment to another."""

    down_from_s: float = 0.0
    down_until_s: float = 0.0
    how: Answer | Failure = field(default_factory=lambda: DOWN)

    def __call__(self, _: Request) -> Answer | Failure:
        return self.how if self.down_from_s <= now_s() < self.down_until_s else answer(body="{}")


def calls(service: Service, count: int, policy: RetryPolicy = POLICY, rate: float = FAST) -> list[Outcome[str]]:
    async def main() -> list[Outcome[str]]:
        sender = service.sender(policy=policy, throttle=throttle_of(rate))
        return await asyncio.gather(*(sender.call(request(number), judge, Lane.WORK) for number in range(count)))

    return in_virtual_time(main())


@pytest.mark.parametrize(
    "unblamed", [DOWN, failure("ConnectTimeout", "slow"), judge_error(refused(503, "CpuLimitExceeded"))]
)
def test_many_distinct_requests_in_a_row_begin_a_pause_and_an_answer_ends_it(unblamed: Failure) -> None:
    async def main() -> None:
        told: list[str] = []
        outage = outage_of(3, told.append)
        hear(outage, unblamed, unblamed)
        assert not outage.paused
        hear(outage, unblamed, first=2)
        assert outage.paused
        assert "paused" in told[0]
        hear(outage, judge_error(refused(404, "NoSuchKey")))
        assert not outage.paused
        assert len(told) == 2

    in_virtual_time(main())


def test_one_request_that_fails_again_and_again_is_no_outage() -> None:
    async def main() -> None:
        outage = outage_of(2)
        for _ in range(10):
            hear(outage, DOWN)
        assert not outage.paused

    in_virtual_time(main())


@pytest.mark.parametrize(
    ("between", "paused"), [(None, False), (judge_error(refused(500, "InternalError")), False), (CUT_OFF, True)]
)
def test_any_answer_between_begins_the_count_anew_a_broken_connection_does_not(
    between: Failure | None, *, paused: bool
) -> None:
    async def main() -> None:
        outage = outage_of(3)
        hear(outage, DOWN, DOWN, between, DOWN)
        assert outage.paused is paused

    in_virtual_time(main())


def test_probes_go_one_by_one_each_another_request_after_delays_that_double() -> None:
    service = Service(Weather(0, 100), outage=outage_of(4))
    outcomes = calls(service, 4)
    assert [outcome.verdict for outcome in outcomes] == ["saved"] * 4
    probes = [(at, sent.key) for at, sent in service.sent[4:] if at < 100]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(probes)]
    assert gaps[:3] == pytest.approx([2, 4, 8], abs=0.1)
    assert gaps[3:] == pytest.approx([8] * len(gaps[3:]), abs=0.1)
    assert all(earlier[1] != later[1] for earlier, later in pairwise(probes))
    assert len(probes) < 20


def test_half_a_minute_without_the_service_fails_nothing_and_is_no_storm() -> None:
    service = Service(Weather(1, 31), takes_s=0.05, outage=outage_of(8))
    outcomes = calls(service, 400, RetryPolicy(5, 0.2, 20, task_deadline_s=10), rate=200)
    assert all(outcome.verdict == "saved" for outcome in outcomes)
    assert len([at for at in service.times if 1.5 <= at < 31]) < 40
    assert len(service.sent) < 500


def test_the_deadline_of_a_request_stands_still_while_paused() -> None:
    policy = RetryPolicy(5, 1.0, 8.0, task_deadline_s=30)
    assert all(
        outcome.verdict == "saved" for outcome in calls(Service(Weather(0, 300), outage=outage_of(2)), 2, policy)
    )
    alone = calls(Service(Weather(0, 300), outage=outage_of(2)), 1, policy)
    assert isinstance(alone[0].verdict, Failure)


def test_a_request_that_waited_for_its_grant_when_the_pause_began_gets_another_grant() -> None:
    service = Service(Weather(0, 5), outage=outage_of(1))
    calls(service, 30, rate=20)
    after = [at for at in service.times if at >= 5]
    assert max(len([at for at in after if start <= at < start + 1]) for start in after) <= 20 * 1.05 + 1


def test_a_pause_that_lasts_too_long_is_given_up_once_with_its_reason() -> None:
    async def main() -> None:
        stop, reasons = Stop(), []

        def give_up(reason: str) -> None:
            reasons.append(reason)
            stop.throw(Reason.OUTAGE)

        outage = Outage(2, RetryPolicy(5, 1.0, 8.0, 60.0), now_s, lambda _: None, give_up)
        service = Service(Weather(0, 1e9), outage=outage)
        sender = service.sender(stop=stop)
        calls = (sender.call(request(number), judge, Lane.WORK) for number in range(5))
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, Cut) for end in ends)
        assert len(reasons) == 1
        assert "60 s" in reasons[0]
        assert "ConnectionFailed" in reasons[0]
        assert 60 <= now_s() < 69

    in_virtual_time(main())


def test_what_belongs_to_an_answered_request_does_not_wait_for_the_end_of_the_pause() -> None:
    async def main() -> None:
        outage = outage_of(1)
        hear(outage, DOWN)
        service = Service(lambda _: answer(body="{}"), outage=outage)
        await service.sender().call(request(1), judge, urgency=Urgency.COMPLETING)
        assert now_s() < 0.1

    in_virtual_time(main())


def test_who_is_told_of_a_pause_is_told_where_and_why() -> None:
    told: list[str] = []

    def place(asked: Request, _: Failure) -> str:
        return f"https://{asked.bucket}.example.com: "

    async def main() -> None:
        outage = Outage(1, RetryPolicy(5, 1.0, 8.0, 60.0), now_s, told.append, told.append, place)
        outage.hear(request(1), DOWN)
        await asyncio.sleep(61)
        await outage.passed()

    in_virtual_time(main())
    assert all(f"https://photos.example.com: {DOWN.code}: {DOWN.message}" in text for text in told)
    assert [text.split(" ", 1)[0] for text in told] == ["paused:", "paused"]


@pytest.mark.parametrize("failures", [1, 7, 40])
def test_retries_take_no_more_than_half_of_the_rate_and_wait_for_it(failures: int) -> None:
    budget = RetryBudget(20)
    waits = [budget.wait_s(100.0) for _ in range(failures)]
    assert waits == pytest.approx([max(0.0, number / 10 - 0.9) for number in range(failures)])
    assert budget.wait_s(1000.0) == 0


def test_the_retry_budget_makes_retries_wait_and_fails_nothing() -> None:
    left = dict.fromkeys(range(40), 1)

    def once_broken(asked: Request) -> Answer:
        number = int(asked.key.removesuffix(".jpg"))
        left[number] -= 1
        return answer(body="{}") if left[number] < 0 else refused(500, "InternalError")

    async def main() -> list[Outcome[str]]:
        sender = service.sender(policy=RetryPolicy(2, 0.001, 0.001, 900), throttle=throttle_of(20))
        return await asyncio.gather(*(sender.call(request(number), judge) for number in left))

    service = Service(once_broken)
    assert all(outcome.verdict == "saved" for outcome in in_virtual_time(main()))
    firsts = {sent.key: at for at, sent in reversed(service.sent)}
    retries = [at for at, sent in service.sent if at > firsts[sent.key]]
    assert len(retries) == 40
    # Firsts and retries together are at most 20 a second, so that 40 + 40 take four seconds, however they mix.
    assert 3.5 <= retries[-1] <= 6
