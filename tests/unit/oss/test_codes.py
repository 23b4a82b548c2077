"""What a failure calls for, by its code and status: the table of the contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.oss.codes import CODES, CREDENTIAL_CODES, Excess, Remedy, excess, remedy, throttles


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (408, Remedy.RETRY),
        (429, Remedy.WAIT),
        (500, Remedy.RETRY),
        (502, Remedy.RETRY),
        (503, Remedy.WAIT),
        (504, Remedy.RETRY),
        *((http, Remedy.NONE) for http in (201, 204, 301, 302, 304, 307, 400, 401, 403, 404, 405, 409, 412, 501, 505)),
    ],
)
@pytest.mark.parametrize("code", ["Unheard", "InvalidArgument", "BadRequest", "AccessDenied"])
def test_the_status_decides_whether_the_trouble_is_the_services(http: int, expected: Remedy, code: str) -> None:
    assert remedy(code, http) is expected


@pytest.mark.parametrize(
    ("code", "http", "expected"),
    [
        # Permanent, IMG's BadRequest and InvalidArgument included, which the SDKs retry.
        ("InvalidArgument", 400, Remedy.NONE),
        ("MissingArgument", 400, Remedy.NONE),
        ("BadRequest", 400, Remedy.NONE),
        ("InvalidRequest", 400, Remedy.NONE),
        ("CutEdgeExceedRange", 400, Remedy.NONE),
        ("TooManyPipes", 400, Remedy.NONE),
        ("WatermarkError", 400, Remedy.NONE),
        ("ImageTooLarge", 400, Remedy.NONE),
        ("MemLimitExceeded", 400, Remedy.NONE),
        ("ImageDamage", 400, Remedy.NONE),
        ("BadWebPImage", 400, Remedy.NONE),
        ("InvalidBucketName", 400, Remedy.NONE),
        ("InvalidObjectName", 400, Remedy.NONE),
        ("AccessDenied", 403, Remedy.NONE),
        ("SignatureDoesNotMatch", 403, Remedy.NONE),
        ("InvalidAccessKeyId", 403, Remedy.NONE),
        ("UserDisable", 403, Remedy.NONE),
        ("SecondLevelDomainForbidden", 403, Remedy.NONE),
        ("NoSuchKey", 404, Remedy.NONE),
        ("NoSuchBucket", 404, Remedy.NONE),
        ("NoSuchStyle", 404, Remedy.NONE),
        ("NotImplemented", 501, Remedy.NONE),
        # A throttling code under a status that is none of the service's trouble is not believed.
        ("QpsLimitExceeded", 403, Remedy.NONE),
        # Once more, mended.
        ("RequestTimeTooSkewed", 403, Remedy.CLOCK),
        ("InvalidSecurityToken", 403, Remedy.REFRESH),
        ("SecurityTokenExpired", 403, Remedy.REFRESH),
        # Throttled: waiting does not count as an attempt.
        ("QpsLimitExceeded", 429, Remedy.WAIT),
        ("TotalQpsLimitExceeded", 503, Remedy.WAIT),
        ("CpuLimitExceeded", 503, Remedy.WAIT),
        ("ActiveRequestLimitExceeded", 503, Remedy.WAIT),
        ("DownloadTrafficRateLimitExceeded", 503, Remedy.WAIT),
        ("UploadTrafficRateLimitExceeded", 503, Remedy.WAIT),
        ("MetaOperationQpsLimitExceeded", 503, Remedy.WAIT),
        ("ServiceUnavailable", 503, Remedy.WAIT),
        ("InternalError", 500, Remedy.RETRY),
        # The worker's own, without an answer.
        ("WrongTarget", 0, Remedy.NONE),
        ("BadRow", 0, Remedy.NONE),
        ("TargetExists", 0, Remedy.NONE),
        ("TlsFailed", 0, Remedy.NONE),
        ("UnreadableAnswer", 0, Remedy.RETRY),
        ("NotSaved", 0, Remedy.RETRY),
        ("ConnectionLost", 0, Remedy.RETRY),
        ("Timeout", 0, Remedy.RETRY),
        ("AnswerTooLarge", 0, Remedy.RETRY),
        ("ConnectionFailed", 0, Remedy.WAIT),
        ("ConnectTimeout", 0, Remedy.WAIT),
        ("StaleConnection", 0, Remedy.FREE),
        ("Unheard", 0, Remedy.NONE),
    ],
)
def test_a_code_calls_for_what_the_contract_says(code: str, http: int, expected: Remedy) -> None:
    assert remedy(code, http) is expected


@given(st.sampled_from(["", "Unheard", *CODES]), st.sampled_from([408, 429, 500, 502, 503, 504]))
def test_a_retryable_status_stays_retryable_whatever_the_code(code: str, http: int) -> None:
    assert remedy(code, http) is not Remedy.NONE


@given(st.sampled_from(["", "Unheard", *CODES]), st.integers(100, 599))
def test_no_other_answer_is_ever_retried_but_for_a_clock_or_a_token(code: str, http: int) -> None:
    if http not in {408, 429, 500, 502, 503, 504}:
        assert remedy(code, http) in {Remedy.NONE, Remedy.CLOCK, Remedy.REFRESH}


@pytest.mark.parametrize("name", CODES)
def test_every_code_is_explained_in_sentences(name: str) -> None:
    code = CODES[name]
    for sentence in (code.cause, code.mend):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "  " not in sentence


@pytest.mark.parametrize("name", [name for name in CODES if throttles(name)])
def test_the_mend_of_throttling_is_the_limit_that_gives_way(name: str) -> None:
    limits = {
        Excess.AT_ONCE: "concurrency",
        Excess.REQUESTS: "requests_per_second",
        Excess.BYTES: "source_mb_per_second",
    }
    said = excess(name, 503)
    assert said is not None
    assert f"`limits.{limits[said]}`" in CODES[name].mend


def test_codes_of_bad_credentials_are_known() -> None:
    assert set(CODES) >= CREDENTIAL_CODES


@pytest.mark.parametrize(
    ("code", "http", "expected"),
    [
        ("CpuLimitExceeded", 503, Excess.AT_ONCE),
        ("ActiveRequestLimitExceeded", 503, Excess.AT_ONCE),
        ("ServiceUnavailable", 503, Excess.AT_ONCE),
        ("Unheard", 503, Excess.AT_ONCE),
        ("Unheard", 504, Excess.AT_ONCE),
        ("Timeout", 0, Excess.AT_ONCE),
        ("QpsLimitExceeded", 429, Excess.REQUESTS),
        ("QpsLimitExceeded", 503, Excess.REQUESTS),
        ("TotalQpsLimitExceeded", 503, Excess.REQUESTS),
        ("MetaOperationQpsLimitExceeded", 503, Excess.REQUESTS),
        ("UploadTrafficRateLimitExceeded", 503, Excess.REQUESTS),
        ("Unheard", 429, Excess.REQUESTS),
        ("DownloadTrafficRateLimitExceeded", 503, Excess.BYTES),
        # Under another status a throttling code is not believed, and other failures say nothing of too much.
        ("QpsLimitExceeded", 403, None),
        ("Timeout", 400, None),
        ("InternalError", 500, None),
        ("Unheard", 408, None),
        ("ConnectionFailed", 0, None),
        ("ConnectTimeout", 0, None),
    ],
)
def test_throttling_answers_and_timeouts_say_of_what_there_was_too_much(
    code: str, http: int, expected: Excess | None
) -> None:
    assert excess(code, http) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("QpsLimitExceeded", True),
        ("CpuLimitExceeded", True),
        ("ServiceUnavailable", True),
        ("Http429", True),
        ("Http503", True),
        ("Http500", False),
        ("ConnectionFailed", False),
        ("CredentialsUnavailable", False),
        ("TemporaryFull", False),
        ("Timeout", False),
        ("ImageDamage", False),
        ("made up", False),
    ],
)
def test_an_attempt_that_was_one_too_many_is_known_by_its_code(code: str, *, expected: bool) -> None:
    assert throttles(code) is expected
