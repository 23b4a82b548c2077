"""One request to its verdict: the order of each attempt, what is tried again, how often, and how long."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import (
    EPOCH,
    POLICY,
    OneKey,
    Service,
    answer,
    http_date,
    in_virtual_time,
    now_s,
    outage_of,
    refused,
    script,
    throttle_of,
)
from worker.dispatch.policy import RetryPolicy
from worker.dispatch.sender import Outcome
from worker.dispatch.stopping import Cut, Reason, Stop
from worker.dispatch.throttle import Lane, Throttle
from worker.oss.answer import Answer
from worker.oss.request import Request, bucket_info
from worker.oss.signing import Credentials
from worker.oss.verdict import Failure, failure, judge_error

REQUEST = bucket_info("photos")
THROTTLED = refused(503, "CpuLimitExceeded")
BROKEN = refused(500, "InternalError")
SKEWED = refused(403, "RequestTimeTooSkewed", date=http_date(3600))


class Dice(random.Random):
    """Always the same face."""

    def __init__(self, face: float) -> None:
        super().__init__()
        self._face = face

    def random(self) -> float:
        return self._face


def judge(answered: Answer) -> str | Failure:
    if answered.status != 200:
        return judge_error(answered)
    return "saved" if answered.body else failure("UnreadableAnswer", "no body", answered)


def call(service: Service, policy: RetryPolicy = POLICY, face: float = 1.0) -> Outcome[str]:
    async def main() -> Outcome[str]:
        return await service.sender(policy=policy, rng=Dice(face)).call(REQUEST, judge, Lane.WORK)

    return in_virtual_time(main())


SAVED = answer(body="{}")


def test_a_success_is_one_attempt() -> None:
    service = Service(script(SAVED), takes_s=0.25)
    outcome = call(service)
    assert outcome == Outcome("saved", 1, {}, touched=False, duration_s=0.25)
    assert service.told == []


def test_each_attempt_waits_for_its_grant_and_is_signed_anew_after_the_wait() -> None:
    service = Service(script(BROKEN, BROKEN, SAVED))

    async def main() -> None:
        sender = service.sender(throttle=throttle_of(0.1), rng=Dice(0))
        await asyncio.gather(*(sender.call(REQUEST, judge) for _ in range(2)))

    in_virtual_time(main())
    assert len(service.times) == 4
    assert all(later - earlier > 10 for earlier, later in zip(service.times, service.times[1:], strict=False))
    assert service.signed_at == [EPOCH + timedelta(seconds=int(at)) for at in service.times]
    assert len({request.headers for _, request in service.sent}) == 4


@pytest.mark.parametrize(
    "blamed",
    [
        BROKEN,
        refused(408, "RequestTimeout"),
        refused(504, "GatewayTimeout"),
        answer(),
        failure("Timeout", "no answer"),
        failure("ConnectionLost", "reset"),
    ],
    ids=lambda blamed: blamed.code if isinstance(blamed, Failure) else str(blamed.status),
)
def test_what_blames_the_request_counts_to_max_attempts(blamed: Answer | Failure) -> None:
    service = Service(script(blamed))
    outcome = call(service)
    assert isinstance(outcome.verdict, Failure)
    assert outcome.attempts == len(service.sent) == sum(outcome.tries.values()) == POLICY.max_attempts
    assert outcome.touched
    assert len(service.told) == POLICY.max_attempts - 1


@pytest.mark.parametrize(
    "unblamed",
    [
        THROTTLED,
        refused(429, "TooManyRequests"),
        refused(503, "Whatever"),
        failure("ConnectionFailed", "refused"),
        failure("ConnectTimeout", "no connection"),
    ],
    ids=lambda unblamed: unblamed.code if isinstance(unblamed, Failure) else str(unblamed.status),
)
def test_throttling_and_missing_connections_do_not_count_and_end_at_the_deadline(unblamed: Answer | Failure) -> None:
    service = Service(script(unblamed), takes_s=0.5)
    outcome = call(service)
    assert isinstance(outcome.verdict, Failure)
    assert outcome.attempts > 50
    assert 900 <= outcome.duration_s <= 901
    assert service.times[-1] <= 900


def test_the_deadline_runs_from_the_first_attempt_not_from_the_wait_for_it() -> None:
    service = Service(script(THROTTLED))

    async def main() -> Outcome[str]:
        throttle = throttle_of(0.5, 1)
        await throttle.acquire(Lane.WORK, 200_000_000)
        policy = RetryPolicy(5, 1.0, 8.0, task_deadline_s=100)
        return await service.sender(policy=policy, throttle=throttle).call(REQUEST, judge, Lane.WORK)

    outcome = in_virtual_time(main())
    assert service.times[0] >= 200
    assert outcome.attempts > 10
    assert 100 <= outcome.duration_s <= 103


def test_counted_and_uncounted_failures_do_not_mix() -> None:
    service = Service(script(*[THROTTLED, BROKEN] * 4, THROTTLED, SAVED))
    outcome = call(service)
    assert outcome.verdict == "saved"
    assert outcome.tries == {"CpuLimitExceeded": 5, "InternalError": 4}


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 405, 411, 501])
def test_other_refusals_are_final(status: int) -> None:
    service = Service(script(refused(status, "BadRequest")))
    outcome = call(service)
    assert (outcome.attempts, outcome.tries) == (1, {"BadRequest": 1})


def test_a_stale_connection_is_tried_again_at_once_and_free_but_only_once() -> None:
    stale = failure("StaleConnection", "closed")
    service = Service(script(stale, *[BROKEN] * 4, SAVED))
    outcome = call(service)
    assert (outcome.verdict, outcome.attempts) == ("saved", 6)
    assert service.times[1] - service.times[0] < 0.01
    always = Service(script(stale))
    assert call(always).attempts == 1 + POLICY.max_attempts
    # What is no longer free waits as any other failure.
    waits = [later - earlier for earlier, later in zip(always.times[1:], always.times[2:], strict=False)]
    assert all(wait >= 1 for wait in waits)


def test_a_skewed_clock_is_corrected_once() -> None:
    service = Service(script(SKEWED, SAVED))
    assert call(service).verdict == "saved"
    assert service.signed_at[0] == EPOCH
    assert service.signed_at[1] >= EPOCH + timedelta(hours=1)
    again = Service(script(SKEWED))
    assert call(again).attempts == 2


@pytest.mark.parametrize("code", ["SecurityTokenExpired", "InvalidSecurityToken"])
def test_a_refused_token_is_tried_once_more(code: str) -> None:
    assert call(Service(script(refused(403, code)))).attempts == 2


class Rotated(OneKey):
    """Keys by number: `get` fails while there is an outage; `renew` goes on to the next key while there are `more`."""

    def __init__(self, more: int = 0, outages: int = 0, renew_s: float = 0.0) -> None:
        self.number, self.more, self.outages, self.renew_s = 1, more, outages, renew_s
        self.renewals = self.asked = 0

    @property
    def key(self) -> Credentials:  # type: ignore[override]  # it changes here
        return Credentials(f"id-{self.number}", "made-up-secret")

    def at_hand(self) -> Credentials | None:
        return None

    async def get(self) -> Credentials | Failure:
        self.asked += 1
        if self.outages:
            self.outages -= 1
            return replace(failure("CredentialsUnavailable", "no answer from STS"), declined=True)
        return self.key

    async def renew(self, refused: Credentials) -> bool | Failure:
        await asyncio.sleep(self.renew_s)
        if self.outages:
            return await self.get()  # type: ignore[return-value]  # a failure
        self.renewals += 1
        self.number += self.renewals <= self.more
        return refused != self.key


def call_with(service: Service, keys: Rotated, policy: RetryPolicy = POLICY) -> Outcome[str]:
    async def main() -> Outcome[str]:
        return await service.sender(policy=policy, keys=keys, rng=Dice(1)).call(REQUEST, judge, Lane.WORK)

    return in_virtual_time(main())


EXPIRED = refused(403, "SecurityTokenExpired")
DISABLED = refused(403, "InvalidAccessKeyId")


@pytest.mark.parametrize("refusal", [EXPIRED, DISABLED, refused(403, "SignatureDoesNotMatch")])
def test_a_refused_key_is_renewed_and_the_request_tried_once_more_at_once(refusal: Answer) -> None:
    service, keys = Service(script(refusal, SAVED)), Rotated(more=1)
    outcome = call_with(service, keys)
    assert (outcome.verdict, outcome.attempts, outcome.touched) == ("saved", 2, False)
    assert [key.access_key_id for key in service.signed_with] == ["id-1", "id-2"]
    assert service.times == [0, 0]


def test_a_new_key_that_is_refused_as_well_is_the_end() -> None:
    service, keys = Service(script(EXPIRED)), Rotated(more=9)
    assert isinstance(call_with(service, keys).verdict, Failure)
    assert len(service.sent) == 2


@pytest.mark.parametrize(("refusal", "attempts"), [(EXPIRED, 2), (DISABLED, 1)])
def test_where_there_is_no_other_key_only_a_token_is_tried_once_more(refusal: Answer, attempts: int) -> None:
    service, keys = Service(script(refusal)), Rotated()
    outcome = call_with(service, keys)
    assert isinstance(outcome.verdict, Failure)
    assert (outcome.attempts, keys.renewals) == (attempts, attempts)


def test_a_key_renewed_while_the_request_was_on_its_way_says_nothing_of_the_new_one() -> None:
    keys = Rotated()

    def ageing(_: Request) -> Answer | Failure:
        if keys.number == 4:
            return SAVED
        keys.number += 1  # somebody else has renewed it
        return EXPIRED

    service = Service(ageing)
    outcome = call_with(service, keys)
    assert (outcome.verdict, outcome.attempts, keys.renewals) == ("saved", 4, 0)
    # Bounded like any failure that blames the request.
    keys.number = 5
    assert call_with(Service(ageing), keys).attempts == POLICY.max_attempts


def test_waiting_for_a_key_is_no_attempt_and_blames_no_request() -> None:
    service, keys = Service(script(BROKEN, SAVED)), Rotated(outages=20)
    outcome = call_with(service, keys)
    assert (outcome.verdict, outcome.attempts, outcome.tries) == ("saved", 2, {"InternalError": 1})
    assert service.told == ["CredentialsUnavailable"] * 20 + ["InternalError"]
    assert service.times[0] > 100


def test_without_a_key_until_the_deadline_nothing_is_sent_and_the_target_is_untouched() -> None:
    service, keys = Service(script(SAVED)), Rotated(outages=10_000)
    outcome = call_with(service, keys)
    assert isinstance(outcome.verdict, Failure)
    assert (outcome.verdict.code, outcome.attempts, outcome.tries) == ("CredentialsUnavailable", 0, {})
    assert not outcome.touched
    assert 900 <= outcome.duration_s <= 901
    assert service.sent == []


def test_where_many_requests_find_no_key_the_run_pauses_and_goes_on_with_the_first_key() -> None:
    paused: list[str] = []
    service, keys = Service(script(SAVED)), Rotated(outages=6)

    async def main() -> None:
        service.outage = outage_of(4, paused.append)
        sender = service.sender(keys=keys, rng=Dice(1))
        requests = [bucket_info(f"bucket-{number}") for number in range(30)]
        outcomes = await asyncio.gather(*(sender.call(request, judge) for request in requests))
        assert [outcome.verdict for outcome in outcomes] == ["saved"] * 30

    in_virtual_time(main())
    # Four to notice, two probes that found none either, and one that did.
    assert (keys.asked, len(service.sent)) == (6 + 30, 30)
    assert [text.partition(" ")[0] for text in paused] == ["paused:", "going"]


def test_a_refused_key_where_no_other_can_be_fetched_is_an_outage() -> None:
    keys = Rotated(more=1)

    def refuse_the_first(_: Request) -> Answer:
        if keys.number == 1 and not keys.outages and len(service.sent) < 10:
            keys.outages = 2  # one is met by `renew`, one by `get`
        return EXPIRED if len(service.sent) < 10 else SAVED

    service = Service(refuse_the_first)
    outcome = call_with(service, keys)
    assert outcome.verdict == "saved"
    assert outcome.attempts == 10
    assert set(service.told) == {"CredentialsUnavailable"}


def test_a_stop_cuts_the_wait_for_another_key() -> None:
    service = Service(script(DISABLED))

    async def main() -> None:
        stop = Stop()
        asyncio.get_running_loop().call_later(5, stop.throw, Reason.SIGNAL)
        with pytest.raises(Cut):
            await service.sender(stop, keys=Rotated(renew_s=60)).call(REQUEST, judge)
        assert now_s() == 5

    in_virtual_time(main())


@pytest.mark.parametrize("wish", [{"Retry_After": "37"}, {"Retry_After": http_date(37), "Date": http_date(0)}])
def test_the_service_may_ask_for_a_longer_wait(wish: dict[str, str]) -> None:
    headers = {name.lower(): value for name, value in wish.items()}
    service = Service(script(refused(503, "ServiceUnavailable", **headers), SAVED))
    call(service, face=0)
    assert service.times[1] - service.times[0] == pytest.approx(37, abs=0.1)


def test_a_wish_beyond_the_deadline_is_not_waited_for() -> None:
    service = Service(script(refused(503, "ServiceUnavailable", retry_after="7200")))
    outcome = call(service)
    assert isinstance(outcome.verdict, Failure)
    assert (outcome.attempts, outcome.duration_s) == (1, 0)


@given(faces=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 8))
def test_waits_are_a_random_part_of_a_bound_that_doubles_up_to_a_limit(faces: float, failures: int) -> None:
    service = Service(script(*[THROTTLED] * failures, SAVED))
    call(service, face=faces)
    waits = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    expected = [min(POLICY.max_delay_s, POLICY.base_delay_s * 2**number) * faces for number in range(failures)]
    assert waits == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("answers", "touched"),
    [
        ([THROTTLED, THROTTLED, refused(404, "NoSuchKey")], False),
        ([refused(403, "AccessDenied")], False),
        ([THROTTLED, BROKEN, refused(404, "NoSuchKey")], True),
        ([failure("Timeout", "no answer"), refused(404, "NoSuchKey")], True),
        ([refused(408, "RequestTimeout"), refused(404, "NoSuchKey")], True),
        ([answer(), refused(404, "NoSuchKey")], True),
    ],
)
def test_a_target_is_untouched_only_where_an_answer_declined_every_attempt(
    answers: list[Answer | Failure], touched: bool
) -> None:
    assert call(Service(script(*answers))).touched is touched


def stopped(service: Service, at_s: float, throttle: Callable[[], Throttle] | None = None) -> Outcome[str] | str:
    async def main() -> Outcome[str] | str:
        stop = Stop()
        asyncio.get_running_loop().call_later(at_s, stop.throw, Reason.SIGNAL)
        sender = service.sender(stop, throttle=throttle() if throttle else None, rng=Dice(1))
        try:
            return await sender.call(REQUEST, judge)
        except Cut:
            return f"cut at {now_s():.1f}"

    return in_virtual_time(main())


def test_a_stop_cuts_the_wait_for_the_throttle() -> None:
    service = Service(script(SAVED))

    def taken() -> Throttle:
        throttle = throttle_of(0.1)
        throttle._grants.append(0.0)
        throttle._throttler._task_logs.append(0.0)
        return throttle

    assert stopped(service, 2, taken) == "cut at 2.0"
    assert service.sent == []


def test_a_stop_cuts_the_wait_before_a_retry() -> None:
    service = Service(script(THROTTLED))
    assert stopped(service, 5) == "cut at 5.0"
    assert service.times[-1] < 5


def test_a_stop_lets_what_is_on_its_way_come_back() -> None:
    service = Service(script(SAVED), takes_s=10)
    outcome = stopped(service, 5)
    assert isinstance(outcome, Outcome)
    assert (outcome.verdict, outcome.duration_s) == ("saved", 10)


def test_after_a_stop_nothing_is_sent() -> None:
    service = Service(script(SAVED))

    async def main() -> None:
        stop = Stop()
        stop.throw(Reason.RESULTS)
        with pytest.raises(Cut):
            await service.sender(stop).call(REQUEST, judge)

    in_virtual_time(main())
    assert service.sent == []


def test_failed_attempts_are_told_but_not_the_last_one() -> None:
    service = Service(script(THROTTLED, refused(404, "NoSuchKey")))
    call(service)
    assert service.told == ["CpuLimitExceeded"]


def test_requests_go_out_as_they_were_made_but_for_their_signature() -> None:
    service = Service(script(SAVED))
    call(service)
    sent: Request = service.sent[0][1]
    assert (sent.method, sent.bucket, sent.query) == ("GET", "photos", (("bucketInfo", ""),))


def test_who_has_a_patience_of_its_own_is_told_of_the_first_failure() -> None:
    async def main(service: Service) -> Outcome[str]:
        sender = service.sender()
        return await sender.call(REQUEST, judge, attempts=sender.attempts(patient=False))

    for trouble in (THROTTLED, BROKEN):
        outcome = in_virtual_time(main(Service(script(trouble))))
        assert isinstance(outcome.verdict, Failure)
        assert outcome.attempts == 1
    # But what is mended at once is.
    outcome = in_virtual_time(main(Service(script(SKEWED, SAVED))))
    assert (outcome.verdict, outcome.attempts) == ("saved", 2)
