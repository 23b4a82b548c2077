"""Records: the lines of the results log."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batch.record import (
    ErrorRecord,
    Record,
    SchemaError,
    SourceRecord,
    Status,
    TargetRecord,
    decode,
    encode,
    milliseconds,
    stamped,
    timestamp,
)

SAVED = Record(
    schema=1,
    task="b558e9bdb5369c99714c2394b193d184",
    status=Status.SAVED,
    job="product-renditions",
    run="20261122T233400Z-7f3a",
    shard="0/1",
    pipeline="thumb",
    source=SourceRecord("photos", "照片 1.jpg", "5B3C1A2E", 1234),
    process="image/resize,w_100",
    target=TargetRecord("renditions", "thumbs/照片 1_100.jpg", 3267),
    attempts=2,
    tries={"CpuLimitExceeded": 1},
    request_id="made-up",
    duration_ms=41.7,
    at="2026-11-22T23:34:00.123Z",
)
SAVED_LINE = (
    '{"schema":1,"task":"b558e9bdb5369c99714c2394b193d184","status":"saved","job":"product-renditions",'
    '"run":"20261122T233400Z-7f3a","shard":"0/1","pipeline":"thumb",'
    '"source":{"bucket":"photos","key":"照片 1.jpg","etag":"5B3C1A2E","size":1234},"process":"image/resize,w_100",'
    '"target":{"bucket":"renditions","key":"thumbs/照片 1_100.jpg","size":3267},'
    '"attempts":2,"tries":{"CpuLimitExceeded":1},"request_id":"made-up","duration_ms":41.7,'
    '"at":"2026-11-22T23:34:00.123Z"}\n'
)
BAD_ROW_LINE = (
    '{"schema":1,"task":null,"status":"failed","job":"j","run":"r","shard":"0/1","pipeline":"p",'
    '"source":{"bucket":"photos","key":""},"process":"","target":null,"attempts":0,"tries":{},"request_id":"",'
    '"duration_ms":0.0,"at":"2026-11-22T23:34:00.123Z",'
    '"error":{"code":"BadRow","http":0,"ec":"","message":"keys.csv:3: empty","permanent":true},"touched":false}\n'
)

TEXTS = st.text(max_size=8)
SIZES = st.none() | st.integers(0, 2**60)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds have no zone
RECORDS = st.builds(
    Record,
    schema=st.just(1),
    task=st.none() | st.binary(min_size=16, max_size=16).map(bytes.hex),
    status=st.sampled_from(Status),
    job=TEXTS,
    run=TEXTS,
    shard=TEXTS,
    pipeline=TEXTS,
    source=st.builds(SourceRecord, TEXTS, TEXTS, TEXTS, SIZES),
    process=TEXTS,
    target=st.none() | st.builds(TargetRecord, TEXTS, TEXTS, SIZES),
    attempts=st.integers(0, 1000),
    tries=st.dictionaries(TEXTS, st.integers(1, 9), max_size=3),
    request_id=TEXTS,
    duration_ms=st.floats(0, 1e9),
    at=MOMENTS.map(timestamp),
    error=st.none() | st.builds(ErrorRecord, TEXTS, st.integers(0, 599), TEXTS, TEXTS, st.booleans()),
    touched=st.booleans(),
)


def line(**changes: Any) -> bytes:
    fields = json.loads(SAVED_LINE) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def test_a_saved_target_is_written_as_in_the_contract() -> None:
    assert encode(SAVED).decode() == SAVED_LINE
    assert decode(SAVED_LINE.encode()) == SAVED


def test_a_bad_row_is_written_as_in_the_contract() -> None:
    record = decode(BAD_ROW_LINE.encode())
    assert record.task is None
    assert record.target is None
    assert record.error == ErrorRecord("BadRow", 0, "", "keys.csv:3: empty", permanent=True)
    assert not record.touched
    assert encode(record).decode() == BAD_ROW_LINE


@given(RECORDS)
def test_a_record_is_one_line_and_reads_back_as_itself(record: Record) -> None:
    written = encode(record)
    assert written.endswith(b"\n")
    assert b"\n" not in written[:-1]
    assert decode(written) == decode(written[:-1]) == record


def test_fields_of_a_later_program_are_ignored() -> None:
    later = line(colour="red", source=json.loads(SAVED_LINE)["source"] | {"owner": {"name": "any"}})
    assert decode(later) == SAVED


@pytest.mark.parametrize(
    "later",
    [
        line(schema=2),
        line(schema=2, status="archived"),
        line(schema=2, task="another kind"),
        b'{"schema":7}',
        b'{"schema":2,"target":"oss://renditions/a.jpg"}',
    ],
)
def test_a_line_of_a_higher_schema_is_told_apart_from_a_damaged_one(later: bytes) -> None:
    with pytest.raises(SchemaError, match=r"the line has schema [27], this program reads up to 1"):
        decode(later)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\n",
        b"\0" * 100,
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"schema":1}',
        b'{"schema":"2"}',
        b"\xff\xfe",
        SAVED_LINE.encode()[:-3],
        SAVED_LINE.encode()[1:],
        SAVED_LINE.encode() * 2,
        SAVED_LINE.encode().replace("照".encode(), b"\xff"),
        line(task="b558"),
        line(task="B558E9BDB5369C99714C2394B193D184"),
        line(task="b558e9bdb5369c99714c2394b193d184\n"),
        line(status="done"),
        line(at="2026-11-22 23:34:00"),
        line(at="2026-11-22T23:34:00Z"),
        line(at="2026-11-22T23:34:00.123456Z"),
        line(at="2026-11-22T23:34:00.123+08:00"),
        line(at="2026-11-22T23:34:00.123Z\n"),
        line(attempts="2"),
        line(source=...),
        line(target=...),
        line(target={"bucket": "renditions"}),
        line(error={"code": "NoSuchKey"}),
        b'{"more":' + b"[" * 5000,
    ],
)
def test_what_is_no_record_is_refused_but_not_as_a_later_schema(garbage: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        decode(garbage)
    assert not isinstance(caught.value, SchemaError)


@given(st.binary(max_size=100))
def test_no_bytes_at_all_make_reading_fail_otherwise(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(data)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 22, 23, 34, 0, 123_999, tzinfo=UTC), "2026-11-22T23:34:00.123Z"),
        (datetime(2026, 11, 22, 23, 34, tzinfo=UTC), "2026-11-22T23:34:00.000Z"),
        (datetime(2026, 11, 23, 7, 34, tzinfo=timezone(timedelta(hours=8))), "2026-11-22T23:34:00.000Z"),
    ],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text


@given(st.integers(0, 32_000_000_000_000))
def test_milliseconds_come_back_whole(number: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
    assert milliseconds(timestamp(moment)) == number
    assert stamped(number) == timestamp(moment)


@pytest.mark.parametrize(
    "text",
    ["2026-1-01T000:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "2026-02-03T24:30:00.000Z"],
)
def test_a_moment_that_never_was_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        milliseconds(text)


def test_a_line_whose_time_never_was_is_no_record() -> None:
    with pytest.raises(ValueError, match="day"):
        decode(encode(SAVED).replace(b"2026-11-22T", b"2026-02-30T"))
