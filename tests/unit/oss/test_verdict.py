"""Judging answers, line by line as the contract has them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from worker.oss.answer import Answer, Listing, parse_listing
from worker.oss.codes import Remedy
from worker.oss.names import ObjectRef
from worker.oss.verdict import Failure, Saved, Unconfirmed, failure, judge_error, judge_reading, judge_saved

TARGET = ObjectRef("renditions", "thumbs/照片 1.jpg")
DATE = "Sun, 22 Nov 2026 23:34:00 GMT"
HEADERS = {"x-oss-request-id": "made-up-request-id", "date": DATE}


def answered(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def saved(**changes: Any) -> Answer:
    fields = {"bucket": TARGET.bucket, "fileSize": 3267, "object": TARGET.key, "status": "OK"} | changes
    return answered(body=json.dumps(fields, indent=4).encode())


def refused(status: int, code: str, **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>a message</Message><EC>0040-00000312</EC></Error>"
    return answered(status, body.encode(), **headers)


def judged(answer: Answer) -> Saved | Unconfirmed | Failure:
    return judge_saved(answer, "photos", TARGET)


def failed(answer: Answer) -> Failure:
    verdict = judged(answer)
    assert isinstance(verdict, Failure)
    return verdict


def test_saved_is_200_ok_with_the_asked_object_and_bucket() -> None:
    assert judged(saved()) == Saved(3267, "made-up-request-id")


@pytest.mark.parametrize("size", [None, "3267", True, 3.5])
def test_saved_without_a_readable_size_is_saved_all_the_same(size: object) -> None:
    assert judged(saved(fileSize=size)) == Saved(None, "made-up-request-id")


def test_an_empty_bucket_counts_as_that_of_the_source() -> None:
    answer = saved(bucket="")
    assert judge_saved(answer, TARGET.bucket, TARGET) == Saved(3267, "made-up-request-id")
    verdict = judge_saved(answer, "photos", TARGET)
    assert isinstance(verdict, Failure)
    assert verdict.code == "WrongTarget"


@pytest.mark.parametrize(
    "changes",
    [{"object": "thumbs/照片 2.jpg"}, {"object": "thumbs/照片+1.jpg"}, {"bucket": "photos"}, {"object": ""}],
)
def test_another_object_or_bucket_is_a_permanent_failure(changes: dict[str, str]) -> None:
    verdict = failed(saved(**changes))
    assert (verdict.code, verdict.remedy, verdict.permanent) == ("WrongTarget", Remedy.NONE, True)
    assert (verdict.http, verdict.request_id, verdict.declined) == (200, "made-up-request-id", False)
    assert str(TARGET) in verdict.message


@pytest.mark.parametrize("status", ["Failed", "ok", ""])
def test_a_status_that_is_not_ok_is_retryable(status: str) -> None:
    verdict = failed(saved(status=status))
    assert (verdict.code, verdict.remedy, verdict.http) == ("NotSaved", Remedy.RETRY, 200)
    assert not verdict.permanent
    assert not verdict.declined


@pytest.mark.parametrize(
    "body", [b"\xff\xd8\xff\xe0 a picture", b"<html>a proxy</html>", b"{}", b"[]", b"null", b"{", b" "]
)
def test_an_unreadable_answer_is_retryable(body: bytes) -> None:
    verdict = failed(answered(body=body))
    assert (verdict.code, verdict.remedy, verdict.http) == ("UnreadableAnswer", Remedy.RETRY, 200)
    assert not verdict.declined


def test_an_empty_success_has_to_be_confirmed_by_the_services_own_clock() -> None:
    at = datetime(2026, 11, 22, 23, 34, tzinfo=UTC)
    assert judged(answered()) == Unconfirmed(at, "made-up-request-id")
    assert judged(Answer(200, {})) == Unconfirmed(None, "")


@pytest.mark.parametrize("status", [201, 204, 206, 301, 302, 307, 400, 404, 500])
def test_only_200_is_a_success(status: int) -> None:
    answer = answered(status, saved().body)
    verdict = failed(answer)
    assert verdict.code == f"Http{status}"
    assert verdict.message == f"HTTP status {status} without an OSS error"


def test_a_refusal_says_all_that_the_service_said() -> None:
    assert failed(refused(400, "InvalidArgument")) == Failure(
        code="InvalidArgument",
        message="a message",
        remedy=Remedy.NONE,
        http=400,
        ec="0040-00000312",
        request_id="made-up-request-id",
        declined=True,
    )


@pytest.mark.parametrize(
    ("status", "declined"),
    # Only where an answer says so is nothing done: after a timeout or an error nobody knows.
    [
        *((status, True) for status in (301, 400, 403, 404, 409, 429, 499, 503)),
        *((status, False) for status in (204, 408, 500, 501, 502, 504)),
    ],
)
def test_an_answer_that_declines_leaves_the_target_as_it_was(status: int, declined: bool) -> None:
    assert judge_error(answered(status)).declined is declined


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (503, "CpuLimitExceeded", Remedy.WAIT),
        (500, "InternalError", Remedy.RETRY),
        (403, "RequestTimeTooSkewed", Remedy.CLOCK),
        (403, "SecurityTokenExpired", Remedy.REFRESH),
        (404, "NoSuchKey", Remedy.NONE),
    ],
)
def test_a_refusal_calls_for_what_its_code_calls_for(status: int, code: str, expected: Remedy) -> None:
    assert failed(refused(status, code)).remedy is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Sun, 22 Nov 2026 23:34:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 23:33:30 GMT", 0.0),  # already past
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("\u0667", 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_or_as_a_date(value: str, expected: float) -> None:
    assert failed(refused(503, "ServiceUnavailable", retry_after=value)).retry_after_s == expected


def test_retry_after_as_a_date_needs_the_date_of_the_answer() -> None:
    assert judge_error(Answer(503, {"retry-after": DATE})).retry_after_s == 0.0


def test_a_failure_of_the_workers_own_knows_the_answer_if_there_was_one() -> None:
    assert failure("ConnectionFailed", "refused") == Failure("ConnectionFailed", "refused", Remedy.WAIT)
    verdict = failure("WrongTarget", "another", answered())
    assert (verdict.http, verdict.request_id, verdict.permanent) == (200, "made-up-request-id", True)


def test_a_reading_request_is_judged_by_the_parser_of_its_operation() -> None:
    page = answered(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    assert judge_reading(page, parse_listing) == Listing((), "")
    assert judge_reading(refused(403, "AccessDenied"), parse_listing) == judge_error(refused(403, "AccessDenied"))
    garbage = judge_reading(answered(body=b"<html>"), parse_listing)
    assert isinstance(garbage, Failure)
    assert (garbage.code, garbage.remedy) == ("UnreadableAnswer", Remedy.RETRY)


def test_a_refusal_names_the_action_that_is_not_allowed() -> None:
    detail = "<AccessDeniedDetail><AuthAction>oss:PutObject</AuthAction></AccessDeniedDetail>"
    body = f"<Error><Code>AccessDenied</Code><Message>no</Message>{detail}</Error>"
    assert judge_error(answered(403, body.encode())).message == "no (not allowed: oss:PutObject)"
