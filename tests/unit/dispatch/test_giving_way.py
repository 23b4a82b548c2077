"""Limits that give way, through sender and throttle: what is saved and what refused, who waits, when a run pauses."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FAST, OneKey, Service, answer, in_virtual_time, now_s, refused, throttle_of
from worker.dispatch.outage import MANY, Outage
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.sender import Sender
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.dispatch.throttle import Lane, Throttle
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.request import Request, head_object
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, failure, judge_error

POLICY = RetryPolicy(max_attempts=5, base_delay_s=0.2, max_delay_s=20, task_deadline_s=900)
SAVED = answer(body="{}")
CROWD = refused(503, "CpuLimitExceeded")
HURRY = refused(429, "QpsLimitExceeded")


def request(number: int) -> Request:
    return head_object(ObjectRef("photos", f"{number}.jpg"))


def judge(answered: Answer) -> str | Failure:
    return "saved" if answered.status == 200 else judge_error(answered)


@dataclass
class Slots(Service):
    """Processes so many pictures at once, each in `takes_s`, and declines others at once; `slots` by the time."""

    answer: Callable[[Request], Answer | Failure] = lambda _: SAVED
    takes_s: float = 0.05
    slots: Callable[[float], int] = lambda _: 24
    busy: int = 0
    most_on_the_way: int = 0
    answers: list[tuple[float, int]] = field(default_factory=list)

    async def send(self, request: Request) -> Answer | Failure:
        self.sent.append((now_s(), request))
        if self.busy >= self.slots(now_s()):
            await asyncio.sleep(0.002)
            self.answers.append((now_s(), CROWD.status))
            return CROWD
        self.busy += 1
        self.most_on_the_way = max(self.most_on_the_way, self.busy)
        await asyncio.sleep(self.takes_s)
        self.busy -= 1
        answered = self.answer(request)
        self.answers.append((now_s(), answered.status if isinstance(answered, Answer) else 0))
        return answered

    def between(self, begin: float, end: float) -> Counter[int]:
        """How many answers there were of each status."""
        return Counter(status for at, status in self.answers if begin <= at < end)


@dataclass
class Quota(Service):
    """Answers so many requests in a second, and declines others."""

    answer: Callable[[Request], Answer | Failure] = lambda _: SAVED
    takes_s: float = 0.02
    quota: Callable[[float], float] = lambda _: 50
    served: deque[float] = field(default_factory=deque)

    async def send(self, request: Request) -> Answer | Failure:
        self.sent.append((now_s(), request))
        while self.served and self.served[0] <= now_s() - 1:
            self.served.popleft()
        declined = len(self.served) >= self.quota(now_s())
        if not declined:
            self.served.append(now_s())
        await asyncio.sleep(self.takes_s)
        return HURRY if declined else SAVED


@dataclass
class Told:
    """What was told, and when."""

    lines: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self.times.append(now_s())

    def about(self, words: str) -> list[str]:
        return [line for line in self.lines if words in line]


def outage_of(told: Told) -> Outage:
    return Outage(MANY, POLICY, now_s, told, told)


def run(
    service: Service, tasks: int, concurrency: int, told: Told, rate: float = FAST, *, adaptive: bool = True
) -> Counter[str]:
    """So many tasks, at most `concurrency` alive, as the scheduler keeps them; how they ended."""

    async def main() -> Counter[str]:
        service.outage = outage_of(told)
        throttle = throttle_of(rate, FAST, concurrency, told, adaptive=adaptive)
        sender, numbers, ends = service.sender(policy=POLICY, throttle=throttle), iter(range(tasks)), Counter[str]()

        async def consume() -> None:
            for number in numbers:
                outcome = await sender.call(request(number), judge, Lane.WORK)
                ends[outcome.verdict if isinstance(outcome.verdict, str) else outcome.verdict.code] += 1

        await asyncio.gather(*(consume() for _ in range(concurrency)))
        return ends

    return in_virtual_time(main())


def test_a_service_with_slots_is_used_and_not_besieged() -> None:
    service, told = Slots(takes_s=0.1), Told()
    assert run(service, 6_000, 200, told) == {"saved": 6_000}
    settled = service.between(5, 20)
    assert settled[200] >= 0.9 * 24 / 0.1 * 15
    assert settled[503] <= 0.03 * settled.total()
    assert told.about("paused") == []
    assert told.lines[0] == "CpuLimitExceeded: 25 -> 18 in flight"
    assert all(" in flight" in line for line in told.lines)


def test_a_fixed_limit_besieges_it() -> None:
    service, told = Slots(), Told()
    assert run(service, 2_000, 200, told, adaptive=False) == {"saved": 2_000}
    assert len([at for at in service.times if at < 0.01]) == 200
    assert told.about("in flight") == []


@pytest.mark.parametrize("later", [12, 48])
def test_a_service_that_can_do_half_or_twice_as_much_is_followed_within_half_a_minute(later: int) -> None:
    service, told = Slots(slots=lambda now: 24 if now < 10 else later, takes_s=0.2), Told()
    tasks = int((24 * 10 + later * 42) / 0.2)
    assert run(service, tasks, 200, told) == {"saved": tasks}
    assert told.about("paused") == []
    followed = service.between(40, 50)
    assert followed[200] >= 0.9 * later / 0.2 * 10
    assert followed[503] <= 0.03 * followed.total()


def test_where_all_is_refused_the_limit_shrinks_first_then_the_run_pauses_and_in_the_end_all_is_saved() -> None:
    service, told = Slots(slots=lambda now: 0 if 5 <= now < 65 else 24), Told()
    assert run(service, 6_000, 64, told) == {"saved": 6_000}
    refusals = [at for at, status in service.answers if status == 503 and 5 <= at < 65]
    pause = told.lines.index(told.about("paused")[0])
    assert told.lines[pause - 1].endswith("-> 1 in flight")
    assert 5 <= told.times[pause] < 8
    assert len(refusals) <= 100
    assert told.about("paused")[1:] == []
    assert told.lines[pause + 1].startswith("going on after a pause of 6")


def test_where_all_are_too_many_in_a_second_the_rate_shrinks_first_then_the_run_pauses() -> None:
    service, told = Quota(quota=lambda now: 0 if 5 <= now < 65 else 50), Told()
    assert run(service, 1_000, 64, told, rate=50) == {"saved": 1_000}
    pause = told.lines.index(told.about("paused")[0])
    assert told.lines[0] == "QpsLimitExceeded: 50 -> 35 requests per second"
    assert len(told.about("requests per second")) >= pause >= 6
    assert 5 <= told.times[pause] < 20
    assert len([at for at in service.times if 5 <= at < 65]) <= 100
    assert told.about("paused")[1:] == []


def test_a_smaller_quota_is_kept_to_and_what_it_takes_away_is_given_back_without_a_burst() -> None:
    service, told = Quota(quota=lambda now: 30 if 5 <= now < 65 else 1000), Told()
    assert run(service, 5_000, 64, told, rate=100) == {"saved": 5_000}
    assert told.about("paused") == []
    assert told.about("-> 70 requests per second")
    times = service.times
    small = [at for at in times if 15 <= at < 65]
    # The rate recovers by two in a second until it is refused again: it swings between 21 and a little more than 30.
    assert 0.7 * 30 <= len(small) / 50 <= 1.2 * 30
    assert told.lines[-1] == "100 requests per second: all that is allowed"
    assert (
        max(sum(at <= other < at + 1 for other in times[index : index + 200]) for index, at in enumerate(times)) <= 106
    )


def test_timeouts_shrink_what_is_in_flight() -> None:
    told = Told()
    service = Slots(answer=lambda _: failure("Timeout", "late") if now_s() < 1 else SAVED, slots=lambda _: 1000)
    assert run(service, 500, 64, told)["saved"] >= 400
    assert told.lines[0] == "Timeout: 8 -> 6 in flight"
    assert told.about("paused") == []


def test_control_does_not_wait_for_slots() -> None:
    async def main() -> tuple[float, list[str]]:
        service = Service(lambda _: SAVED, takes_s=60.0)
        sender = service.sender(throttle=throttle_of(FAST, concurrency=2))
        work = [asyncio.create_task(sender.call(request(number), judge, Lane.WORK)) for number in range(5)]
        await asyncio.sleep(1)
        assert len(service.sent) == 2
        asked = asyncio.create_task(sender.call(request(99), judge))
        await asyncio.sleep(1)
        at, sent = service.sent[-1]
        await asyncio.gather(asked, *work)
        return at, [sent.key]

    assert in_virtual_time(main()) == (1.0, ["99.jpg"])


def test_a_retry_waits_without_a_slot() -> None:
    async def main() -> list[str]:
        answers = iter([refused(500, "InternalError"), SAVED, SAVED])
        service = Service(lambda _: next(answers), takes_s=0.1)
        sender = service.sender(throttle=throttle_of(FAST, concurrency=1))
        await asyncio.gather(*(sender.call(request(number), judge, Lane.WORK) for number in range(2)))
        return [sent.key for _, sent in service.sent]

    assert in_virtual_time(main()) == ["0.jpg", "1.jpg", "0.jpg"]


class SlowKeys(OneKey):
    """A key that takes a while."""

    async def get(self) -> Credentials | Failure:
        await asyncio.sleep(0.3)
        return self.key


def cancelled_at(moments: Iterable[float], stop_s: float | None) -> None:
    async def main() -> None:
        stop, throttle = Stop(), throttle_of(5, 1, 3)
        service = Service(lambda _: SAVED, takes_s=0.5)
        sender = service.sender(stop=stop, throttle=throttle, keys=SlowKeys())

        async def call(number: int, patience_s: float) -> None:
            call = asyncio.ensure_future(sender.call(request(number), judge, Lane.WORK, 500_000))
            await asyncio.wait([call], timeout=patience_s)
            call.cancel()
            await asyncio.wait([call])

        calls = asyncio.gather(*(call(number, patience_s) for number, patience_s in enumerate(moments)))
        if stop_s is not None:
            await asyncio.sleep(stop_s)
            stop.throw(Reason.SIGNAL)
        await calls
        await free(throttle)

    in_virtual_time(main())


async def free(throttle: Throttle) -> None:
    """All three slots are there, and not a fourth one."""
    async with asyncio.timeout(60):
        for _ in range(3):
            await throttle.acquire(Lane.WORK)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await throttle.acquire(Lane.WORK)


@given(
    patience=st.lists(st.one_of(st.floats(0, 4), st.just(1000.0)), min_size=1, max_size=12),
    stop_s=st.one_of(st.none(), st.floats(0, 4), st.integers(0, 20).map(lambda tenths: tenths / 10)),
)
def test_whoever_is_cut_off_or_cancelled_gives_the_slot_back(patience: list[float], stop_s: float | None) -> None:
    cancelled_at(patience, stop_s)


def test_a_slot_is_given_back_by_who_waits_out_a_pause_and_by_who_is_cut_off_there() -> None:
    async def main() -> None:
        stop, told, throttle = Stop(), Told(), throttle_of(1, FAST, 3)
        service = Service(lambda _: SAVED, outage=outage_of(told))
        sender: Sender = service.sender(stop=stop, throttle=throttle)
        waiting = [asyncio.create_task(sender.call(request(number), judge, Lane.WORK)) for number in range(4)]
        await asyncio.sleep(0.5)  # one was sent, another is at the head of the lane
        assert service.outage is not None
        for number in range(MANY):
            service.outage.hear(request(100 + number), failure("ConnectionFailed", "refused"))
        await asyncio.sleep(0.6)
        stop.throw(Reason.SIGNAL)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends[1:]] == [Cut] * 3
        await free(throttle)

    in_virtual_time(main())
