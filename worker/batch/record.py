"""A record: the outcome of one task as one line of the results log."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec

SCHEMA = 1
BAD_ROW = "BadRow"


TaskId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Timestamp = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z")]


class Status(StrEnum):
    """What a record says of its target."""

    SAVED = "saved"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSING = "missing"
    ALTERED = "altered"


class SourceRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The source as it was; `etag` is empty where it is ignored or unknown, `size` in bytes."""

    bucket: str
    key: str
    etag: str = ""
    size: int | None = None


class TargetRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The target; `size` in bytes where it was saved and the service told."""

    bucket: str
    key: str
    size: int | None = None


class ErrorRecord(msgspec.Struct, frozen=True):
    """Why a task failed. `http` is 0 where no answer came."""

    code: str
    http: int
    ec: str
    message: str
    permanent: bool


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `task` and `target` are None for a row that cannot be made into a task.

    `tries` counts the codes of attempts that failed. `touched` False: every attempt was declined by an answer, so that
    the target is as it was. `at` is the service's clock, ISO 8601 in UTC with milliseconds.
    """

    schema: int
    task: TaskId | None
    status: Status
    job: str
    run: str
    shard: str
    pipeline: str
    source: SourceRecord
    process: str
    target: TargetRecord | None
    attempts: int
    tries: dict[str, int]
    request_id: str
    duration_ms: float
    at: Timestamp
    error: ErrorRecord | None = None
    touched: bool = True

    @property
    def counts(self) -> bool:
        """Whether it says what its target holds, by the rule of the newest line (`worker.batch.ledger`)."""
        return self.status is not Status.SKIPPED and (self.status is not Status.FAILED or self.touched)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Record)


class _Schema(msgspec.Struct):
    schema: int


class SchemaError(ValueError):
    """The line was written by a later version of the program."""


def encode(record: Record) -> bytes:
    """One line, with its newline."""
    return _ENCODER.encode(record) + b"\n"


def decode(line: bytes) -> Record:
    """A record from its line; unknown fields are ignored.

    Raises:
        SchemaError: Its schema is higher than this program's.
        ValueError: It is not a record.
    """
    try:
        record = _DECODER.decode(line)
        milliseconds(record.at)  # the form of a moment does not make it one
    except (msgspec.DecodeError, ValueError) as error:
        _refuse_later_schema(line)
        raise ValueError(str(error)) from error
    if record.schema > SCHEMA:
        _refuse_later_schema(line)
    return record


def timestamp(at: datetime) -> str:
    """A moment as records write it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(at: str) -> int:
    """A moment of a record as whole milliseconds since 1970.

    Raises:
        ValueError: There is no such day or hour.
    """
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def _refuse_later_schema(line: bytes) -> None:
    try:
        found = msgspec.json.decode(line, type=_Schema).schema
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    if found > SCHEMA:
        message = f"the line has schema {found}, this program reads up to {SCHEMA}"
        raise SchemaError(message)
