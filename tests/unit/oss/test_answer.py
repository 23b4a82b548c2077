"""Answers: errors in every form, listings, bucket info and the JSON of a saved picture."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.oss.answer import (
    Answer,
    BucketInfo,
    ListedObject,
    Listing,
    Processed,
    UnreadableAnswerError,
    normal_etag,
    parse_bucket_info,
    parse_error,
    parse_http_date,
    parse_listing,
    parse_processed,
    parse_style,
    parse_timestamp,
)
from worker.oss.encoding import percent
from worker.oss.refusal import Refusal

ERROR = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error>
  <Code>InvalidArgument</Code>
  <Message>The value: 0 of parameter: w is invalid.</Message>
  <RequestId>made-up</RequestId>
  <HostId>photos.oss-cn-hangzhou.aliyuncs.com</HostId>
  <EC>0040-00000312</EC>
  <RecommendDoc>https://api.aliyun.com/troubleshoot?q=0040-00000312</RecommendDoc>
</Error>"""
INVALID = Refusal(400, "InvalidArgument", "The value: 0 of parameter: w is invalid.", "0040-00000312")
ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha"}">' for i in range(10))
BOMB = f"<!DOCTYPE b [{ENTITIES}]><Error><Code>&e9;</Code></Error>".encode()
OUTSIDE = b'<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/hostname">]><Error><Code>&x;</Code></Error>'
NOT_XML = [
    b"",
    b"  ",
    b"garbage",
    b"\xff\xfe\x00",
    b"<Error>",
    b"<Error><Code>A</Error>",
    b'<?xml version="1.0" encoding="no-such-encoding"?><a/>',
    BOMB,
    OUTSIDE,
    b'<!DOCTYPE b [<!ENTITY x "NoSuchKey">]><Error><Code>&x;</Code></Error>',
]


def error(body: bytes = b"", status: int = 400, **headers: str) -> Refusal:
    return parse_error(Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body))


def test_an_error_is_read_from_xml() -> None:
    assert error(ERROR) == INVALID


def test_an_error_names_the_action_that_is_not_allowed() -> None:
    detail = b"<AccessDeniedDetail><AuthAction>oss:GetObject</AuthAction></AccessDeniedDetail>"
    assert error(b"<Error><Code>AccessDenied</Code>" + detail + b"</Error>", 403).action == "oss:GetObject"
    assert error(b"<Error><Code>AccessDenied</Code></Error>", 403).action == ""


@pytest.mark.parametrize("wrap", [True, False])
def test_an_error_is_read_from_json(wrap: bool) -> None:
    fields = {"Code": INVALID.code, "Message": INVALID.message, "EC": INVALID.ec, "RequestId": "made-up", "Number": 1}
    assert error(json.dumps({"Error": fields} if wrap else fields).encode()) == INVALID
    assert error(b"\n " + json.dumps(fields).encode()) == INVALID


def test_an_error_is_read_from_the_header_where_there_is_no_body() -> None:
    assert error(x_oss_err=base64.b64encode(ERROR).decode()) == INVALID
    encoded = base64.b64encode(json.dumps({"Code": "NoSuchKey", "Message": "gone"}).encode()).decode()
    assert error(status=404, x_oss_err=encoded) == Refusal(404, "NoSuchKey", "gone")
    # The body comes first.
    assert error(ERROR, x_oss_err=encoded) == INVALID


def test_the_detailed_code_is_read_from_the_header_where_the_body_has_none() -> None:
    assert error(b"<Error><Code>NoSuchKey</Code></Error>", 404, x_oss_ec="0026-00000001").ec == "0026-00000001"
    assert error(ERROR, x_oss_ec="0026-00000001").ec == "0040-00000312"


@pytest.mark.parametrize(
    "body",
    [
        *NOT_XML,
        b"<html><head><title>502</title></head></html>",
        b"<Error><Code/></Error>",
        b"{",
        b"{}",
        b'{"Error": 1}',
        b'{"Code": 1}',
        b'{"Code": ""}',
        b'{"Code": "\\ud800"}',  # half a pair, which no log could write
        b'{"Code": "\xff"}',
        b'{"a":' * 20_000,
        b"<a>" * 20_000,
    ],
)
def test_an_error_that_cannot_be_read_has_the_code_of_its_status(body: bytes) -> None:
    assert error(body, 502) == Refusal(502, "Http502", "")


@pytest.mark.parametrize("value", ["", "*", "abc", "照", base64.b64encode(b"garbage").decode()])
def test_an_error_header_that_cannot_be_read_is_as_none(value: str) -> None:
    assert error(status=404, x_oss_err=value) == Refusal(404, "Http404", "")


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda data: b"{" + data) | st.text().map(str.encode))
def test_no_body_at_all_makes_reading_an_error_fail(body: bytes) -> None:
    assert error(body).http == 400


@given(st.text())
def test_no_header_at_all_makes_reading_an_error_fail(value: str) -> None:
    answer = Answer(404, {"x-oss-err": value, "date": value, "x-oss-ec": value})
    assert parse_error(answer).ec == value
    assert answer.date is None or answer.date.tzinfo is UTC


LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult>
  <Name>photos</Name><Prefix>dir%2F</Prefix><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>
  <IsTruncated>true</IsTruncated><NextContinuationToken>CgJi%2BYw--</NextContinuationToken><KeyCount>2</KeyCount>
  <Contents>
    <Key>dir/a%20b%2B%E7%85%A7%252F.jpg</Key><LastModified>2020-05-18T05:45:43.000Z</LastModified>
    <ETag>"5b3c1a2e053d763e1b002cc607c5a0fe"</ETag><Type>Normal</Type><Size>1234</Size>
    <StorageClass>Standard</StorageClass>
  </Contents>
  <Contents><Key>dir/</Key><Size>0</Size></Contents>
  <CommonPrefixes><Prefix>dir/sub/</Prefix></CommonPrefixes>
</ListBucketResult>"""


def listing(text: str) -> Listing:
    return parse_listing(Answer(200, {}, text.encode()))


def test_a_listing_is_read_with_its_keys_decoded() -> None:
    modified = datetime(2020, 5, 18, 5, 45, 43, tzinfo=UTC)
    assert listing(LISTING) == Listing(
        (
            ListedObject("dir/a b+照%2F.jpg", "5B3C1A2E053D763E1B002CC607C5A0FE", 1234, modified, "Standard"),
            ListedObject("dir/", "", 0, None, ""),
        ),
        "CgJi+Yw--",
    )


def test_a_listing_that_is_not_encoded_is_not_decoded() -> None:
    plain = LISTING.replace("<EncodingType>url</EncodingType>", "")
    assert listing(plain).objects[0].key == "dir/a%20b%2B%E7%85%A7%252F.jpg"
    assert listing(plain).next_token == "CgJi%2BYw--"


def test_the_last_page_has_no_token_whatever_it_says() -> None:
    assert listing(LISTING.replace("true", "false")).next_token == ""
    assert listing("<ListBucketResult/>") == Listing((), "")
    assert listing('<ListBucketResult xmlns="http://example.com/doc"/>') == Listing((), "")


@given(st.lists(st.text(min_size=1), max_size=4))
def test_any_keys_come_out_of_an_encoded_listing(keys: list[str]) -> None:
    contents = "".join(f"<Contents><Key>{percent(key)}</Key><Size>1</Size></Contents>" for key in keys)
    text = f"<ListBucketResult><EncodingType>url</EncodingType>{contents}</ListBucketResult>"
    assert [item.key for item in listing(text).objects] == keys


@pytest.mark.parametrize("body", [*NOT_XML, ERROR, b"<html/>"])
def test_what_is_no_listing_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError, match=r"not XML|expected ListBucketResult"):
        parse_listing(Answer(200, {}, body))


@pytest.mark.parametrize("size", ["", "<Size/>", "<Size>big</Size>", "<Size>1.5</Size>"])
def test_a_listing_without_a_readable_size_is_unreadable(size: str) -> None:
    with pytest.raises(UnreadableAnswerError, match="not the XML of a listing"):
        listing(f"<ListBucketResult><Contents><Key>a</Key>{size}</Contents></ListBucketResult>")


def test_a_listing_that_goes_on_without_saying_where_is_unreadable() -> None:
    with pytest.raises(UnreadableAnswerError, match="has no NextContinuationToken"):
        listing("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")


def test_bucket_info_is_read() -> None:
    body = b"""<BucketInfo><Bucket><Name>photos</Name><Location>oss-cn-hangzhou</Location>
    <Versioning>Enabled</Versioning>
    <ExtranetEndpoint>oss-cn-hangzhou.aliyuncs.com</ExtranetEndpoint></Bucket></BucketInfo>"""
    expected = BucketInfo("photos", "oss-cn-hangzhou", "oss-cn-hangzhou.aliyuncs.com", "Enabled")
    assert parse_bucket_info(Answer(200, {}, body)) == expected
    bare = b"<BucketInfo><Bucket><Name>photos</Name></Bucket></BucketInfo>"
    assert parse_bucket_info(Answer(200, {}, bare)) == BucketInfo("photos", "", "", "")


@pytest.mark.parametrize("body", [*NOT_XML, ERROR, b"<BucketInfo/>"])
def test_what_is_no_bucket_info_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        parse_bucket_info(Answer(200, {}, body))


def processed(**changes: Any) -> bytes:
    fields = {"bucket": "renditions", "fileSize": 3267, "object": "a.jpg", "status": "OK"} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def test_the_json_of_a_saved_picture_is_read() -> None:
    body = b'{\n    "bucket": "",\n    "fileSize": 3267,\n    "object": "\xe7\x85\xa7.jpg",\n    "status": "OK"}'
    assert parse_processed(Answer(200, {}, body)) == Processed("", "照.jpg", 3267, "OK")


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 0), (2**40, 2**40), (..., None), (None, None), ("1", None), (True, None), (1.5, None)]
)
def test_a_size_that_is_no_number_is_unknown(size: object, expected: int | None) -> None:
    assert parse_processed(Answer(200, {}, processed(fileSize=size))).size == expected


@pytest.mark.parametrize("size", [-1, 48_800_000_000_001])
def test_a_size_that_no_object_has_is_refused(size: int) -> None:
    with pytest.raises(UnreadableAnswerError):
        parse_processed(Answer(200, {}, processed(fileSize=size)))


@pytest.mark.parametrize("name", ["bucket", "object", "status"])
@pytest.mark.parametrize("value", [..., None, 1, ["a"], {}, True])
def test_the_json_of_a_saved_picture_names_bucket_object_and_status(name: str, value: object) -> None:
    with pytest.raises(UnreadableAnswerError, match="not the JSON of a saved picture"):
        parse_processed(Answer(200, {}, processed(**{name: value})))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"text"',
        b"[]",
        b"{",
        b"\xff\xd8\xff\xe0",
        b"<html/>",
        b"[" * 100_000,
        b'{"bucket":"","object":"\\ud800","status":"OK"}',
        b'{"bucket":"","object":"\xff","status":"OK"}',
    ],
)
def test_what_is_no_json_of_a_saved_picture_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError, match="not the JSON of a saved picture"):
        parse_processed(Answer(200, {}, body))


@given(st.binary(max_size=200))
def test_no_body_at_all_makes_reading_fail_otherwise(body: bytes) -> None:
    for parse in (parse_processed, parse_listing, parse_bucket_info):
        with pytest.raises(UnreadableAnswerError):
            parse(Answer(200, {}, body))


def test_an_answer_names_its_request_and_its_time() -> None:
    answer = Answer(200, {"x-oss-request-id": "made-up", "date": "Sun, 22 Nov 2026 23:34:00 GMT"})
    assert answer.request_id == "made-up"
    assert answer.date == datetime(2026, 11, 22, 23, 34, tzinfo=UTC)
    assert Answer(200, {}).request_id == ""
    assert Answer(200, {}).date is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sat, 01 Jun 2024 12:00:00 GMT", datetime(2024, 6, 1, 12, tzinfo=UTC)),
        ("Sat, 01 Jun 2024 14:00:00 +0200", datetime(2024, 6, 1, 12, tzinfo=UTC)),
        ("Sat, 01 Jun 2024 12:00:00 -0000", datetime(2024, 6, 1, 12, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("Sat, 31 Jun 2024 12:00:00 GMT", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2020 00:00:00 +99999999999999999", None),
    ],
)
def test_a_date_of_http_is_read_in_utc(text: str, expected: datetime | None) -> None:
    assert parse_http_date(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-05-18T05:45:43.000Z", datetime(2020, 5, 18, 5, 45, 43, tzinfo=UTC)),
        ("2020-05-18T07:45:43+02:00", datetime(2020, 5, 18, 5, 45, 43, tzinfo=UTC)),
        ("2020-05-18T05:45:43", datetime(2020, 5, 18, 5, 45, 43, tzinfo=UTC)),
        ("", None),
        ("2020-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_a_timestamp_is_read_in_utc(text: str, expected: datetime | None) -> None:
    found = parse_timestamp(text)
    assert found == expected
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"5b3c1a"', "5B3C1A"),
        ('W/"5b3c1a"', "5B3C1A"),
        (" 5B3C1A ", "5B3C1A"),
        ("", ""),
        ('"5b3c-2"', "5B3C-2"),
        ("ß", "ß"),  # only ASCII letters: the etag is opaque
        ("w/a", "W/A"),
    ],
)
def test_an_etag_is_normal_without_quotes_in_upper_case(text: str, expected: str) -> None:
    assert normal_etag(text) == expected


@given(st.text(alphabet="abcXYZ019-/_é照"))
def test_a_normal_etag_stays_as_it_is_however_it_was_quoted(text: str) -> None:
    once = normal_etag(f'"{text}"')
    assert normal_etag(once) == normal_etag(f'W/"{text}"') == once


def test_a_style_is_its_content() -> None:
    body = b"<Style><Name>w</Name><Content>image/resize,w_100</Content><CreateTime>...</CreateTime></Style>"
    assert parse_style(Answer(200, {}, body)) == "image/resize,w_100"


@pytest.mark.parametrize(
    "body", [*NOT_XML, b"<Style/>", b"<Style><Content/></Style>", b"<Other><Content>a</Content></Other>"]
)
def test_a_style_that_cannot_be_read_is_no_style(body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError):
        parse_style(Answer(200, {}, body))
