"""A record: the outcome of one task as one line of the results log."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

import msgspec

SCHEMA = 1
BAD_ROW = "BadRow"
TASK_BYTES = 16

TaskId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Timestamp = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z")]
_SECOND = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)
_FRACTIONS = tuple(f".{number:03}Z" for number in range(1000))
_FRACTION = {text: number for number, text in enumerate(_FRACTIONS)}


class Status(StrEnum):
    """What a record says of its target."""

    SAVED = "saved"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSING = "missing"
    ALTERED = "altered"

    __hash__ = str.__hash__  # that of enumerations is slow, and every line is counted by its status


class SourceRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The source as it was; `etag` is empty where it is ignored or unknown, `size` in bytes."""

    bucket: str
    key: str
    etag: str = ""
    size: int | None = None


class TargetRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The target; `size` in bytes where it was saved and the service told."""

    bucket: str
    key: str
    size: int | None = None


class ErrorRecord(msgspec.Struct, frozen=True, gc=False):
    """Why a task failed. `http` is 0 where no answer came."""

    code: str
    http: int
    ec: str
    message: str
    permanent: bool


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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


class _BriefKey(msgspec.Struct, frozen=True, gc=False):
    key: str


class _BriefTarget(msgspec.Struct, frozen=True, gc=False):
    bucket: str
    key: str


class _BriefError(msgspec.Struct, frozen=True, gc=False):
    code: str
    message: str
    permanent: bool


class Brief(msgspec.Struct, frozen=True, gc=False):
    """What the ledger looks at in a line: a third of the cost of all of it, for logs of many millions."""

    schema: int
    task: str | None
    status: Literal["saved", "failed", "skipped", "missing", "altered"]
    pipeline: str
    source: _BriefKey
    target: _BriefTarget | None
    at: str
    error: _BriefError | None = None
    touched: bool = True


T = TypeVar("T", Record, Brief)
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Record)
_BRIEF_DECODER = msgspec.json.Decoder(Brief)


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
    record = _decoded(_DECODER, line)
    milliseconds(record.at)  # the form of a moment does not make it one
    return record


def decode_brief(line: bytes) -> Brief:
    """What the ledger looks at in a line; raises as `decode` does, but leaves time and task to who reads them."""
    return _decoded(_BRIEF_DECODER, line)


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    try:
        record = decoder.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        _refuse_later_schema(line)
        raise ValueError(str(error)) from error
    if record.schema > SCHEMA:
        _refuse_later_schema(line)
    return record


def timestamp(at: datetime) -> str:
    """A moment as records write it."""
    at = at if at.tzinfo is UTC else at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of +00:00


def stamped(at_ms: int) -> str:
    """A moment as records write it, of whole milliseconds since 1970."""
    second, fraction = divmod(at_ms, 1000)
    return _second_text(second) + _FRACTIONS[fraction]


@lru_cache(maxsize=16)  # lines of one second follow one another, and isoformat() takes longer than all else of a line
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:-6]


def milliseconds(at: str) -> int:
    """A moment of a record as whole milliseconds since 1970.

    Raises:
        ValueError: It is not written as `timestamp` does, or there is no such day or hour.
    """
    fraction = _FRACTION.get(at[19:])
    if fraction is None:
        message = f"{at!r} is no time in UTC with milliseconds"
        raise ValueError(message)
    return _second(at[:19]) + fraction


@lru_cache(maxsize=64)  # the lines of one second mostly follow one another
def _second(at: str) -> int:
    if not _SECOND.fullmatch(at):
        message = f"{at!r} is no time"
        raise ValueError(message)
    return int(datetime.fromisoformat(f"{at}Z").timestamp()) * 1000


def task_bytes(task: str) -> bytes:
    """The 16 bytes of a task's id.

    Raises:
        ValueError: It is not 32 lower-case hex digits.
    """
    found = bytes.fromhex(task)
    if len(found) != TASK_BYTES or found.hex() != task:
        message = f"{task!r} is no task id"
        raise ValueError(message)
    return found


def _refuse_later_schema(line: bytes) -> None:
    try:
        found = msgspec.json.decode(line, type=_Schema).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if found > SCHEMA:
        message = f"the line has schema {found}, this program reads up to {SCHEMA}"
        raise SchemaError(message)
