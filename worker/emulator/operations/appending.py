"""Appending to objects. Source: OSS, AppendObject.

An object that grows is written anew as a whole, so that a kill leaves the old one or the new one.
"""

from dataclasses import replace

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking
from worker.emulator.operations.arguments import integer
from worker.emulator.operations.writing import MAX_OBJECT, check_write, checksums, described, receive
from worker.emulator.store import Description, Digest, Digesting, ObjectType, StoredObject, Upload, pour


async def append_object(call: Call) -> Answer:
    """Add bytes to the end of an appendable object, or begin one. Headers that describe it count then (documented)."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "AppendObject", bucket)
    if "position" not in call.query:
        raise refusals.invalid_argument("position", "", "AppendObject needs the argument position.")
    position = integer(call.query, "position", low=0, high=999_999_999, default=0)
    current = await blocking(call.store.stat, bucket.name, call.request.key)
    check_position(current, position)
    description = described(call, ObjectType.APPENDABLE) if current is None else current.description
    upload = await blocking(call.store.upload, bucket.name, call.request.key)
    try:
        if current is not None:
            await blocking(_take_over, call, current, upload)
        added = await receive(call, _Added(upload), MAX_OBJECT - position)
        if added or current is None:
            current = await blocking(commit_appended, upload, description, current)
    finally:
        await blocking(upload.discard)
    return Answer(headers=(*checksums(current), ("x-oss-next-append-position", str(current.size))))


def check_position(current: StoredObject | None, position: int) -> None:
    """Refuse unless an append may begin at a position of the object that is there, or of none."""
    if current is not None and current.description.type is not ObjectType.APPENDABLE:
        raise refusals.object_not_appendable()
    length = current.size if current else 0
    if position != length:
        raise refusals.position_not_equal_to_length(length)


def commit_appended(upload: Upload, description: Description, seen: StoredObject | None) -> StoredObject:
    """Make an upload the appendable object of its key, unless that is no longer what was seen when it began."""

    def unchanged(current: StoredObject | None) -> None:
        if current != seen:
            check_position(current, -1)  # which is the end of none

    return upload.commit(replace(description, etag=_etag(upload.digest())), unchanged)


def _take_over(call: Call, current: StoredObject, upload: Upload) -> None:
    content = call.store.open(call.request.bucket, call.request.key)
    if content is None:
        raise refusals.position_not_equal_to_length(0)
    with content:
        if content.stored != current:
            check_position(content.stored, -1)
        pour(content, upload, 0, current.size)


def _etag(digest: Digest) -> str:
    """No MD5 (documented); that it ends in eight zeros is what examples show."""
    return f"{digest.etag[:24]}{0:08}"


class _Added:
    """What an append adds: its checksums are those of its own bytes."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._digesting = Digesting()

    def write(self, chunk: bytes) -> None:
        self._upload.write(chunk)
        self._digesting.update(chunk)

    def digest(self) -> Digest:
        return self._digesting.digest()
