"""Uploads in parts: they lie in the staging of a bucket, one bucket for each, until they are an object or given up.

There an object for each part is named by its number, and one more tells what the parts are to become. All is kept as
objects are: a part that is half there is not there.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import md5
from itertools import pairwise

from worker.emulator.store import Description, Guard, ObjectType, Store, StoredObject, Upload, pour, put_described
from worker.oss.names import key_problem

MAX_PART = 10_000
MIN_SIZE = 100 << 10  # bytes of a part that is not the last
_ABOUT = "upload"  # its bytes are the key, its description is that of the object to be
_ID = re.compile(r"[0-9A-F]{32}", re.ASCII)
_PART = re.compile(r"[0-9]{5}", re.ASCII)
_LONGEST_KEY = 1023  # bytes


class NoUploadError(Exception):
    """There is no such upload, or no longer."""


class PartOrderError(Exception):
    """Parts do not stand in the order of their numbers."""


class NoPartError(Exception):
    """A part is not there, or has another ETag."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class SmallPartError(Exception):
    """A part that is not the last has fewer bytes than a part may have."""

    def __init__(self, number: int, size: int) -> None:
        super().__init__(number, size)
        self.number = number
        self.size = size


class LargeObjectError(Exception):
    """All parts together are larger than an object may be."""


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """An upload under way; `initiated` in seconds since the epoch. `description` is that of the object to be."""

    bucket: str
    key: str
    id: str
    initiated: float
    description: Description


@dataclass(frozen=True, slots=True)
class Part:
    """A part to complete an upload with, by the ETag that it is known by."""

    number: int
    etag: str


def initiate(store: Store, upload: MultipartUpload) -> None:
    """Begin an upload."""
    staging = store.staging(upload.bucket, make=True)
    assert staging is not None  # it is made
    staging.make_bucket(upload.id.lower())
    try:
        put_described(staging, upload.id.lower(), _ABOUT, upload.key.encode(), upload.description)
    except BaseException:
        staging.remove_bucket(upload.id.lower())
        raise


def find(store: Store, bucket: str, key: str, upload_id: str) -> MultipartUpload:
    """The upload of an object.

    Raises:
        NoUploadError: There is none.
    """
    staging = store.staging(bucket)
    found = _read(staging, bucket, upload_id) if staging and _ID.fullmatch(upload_id) else None
    if found is None or found.key != key:
        raise NoUploadError
    return found


def uploads_of(store: Store, bucket: str) -> Sequence[MultipartUpload]:
    """All uploads under way in a bucket, by key and then by id."""
    staging = store.staging(bucket)
    if staging is None:
        return []
    ids = (each.name.upper() for each in staging.buckets())
    found = [upload for upload in (_read(staging, bucket, each) for each in ids if _ID.fullmatch(each)) if upload]
    return sorted(found, key=lambda upload: (upload.key.encode(), upload.id))


def parts_of(store: Store, upload: MultipartUpload) -> dict[int, StoredObject]:
    """The parts of an upload by their numbers, in order.

    Raises:
        NoUploadError: It has gone meanwhile.
    """
    with _still_there():
        staging = _staging(store, upload)
        names = [name for name in staging.keys(upload.id.lower(), "", b"") if _PART.fullmatch(name)]
        found = [(int(name), staging.stat(upload.id.lower(), name)) for name in names]
        if staging.bucket(upload.id.lower()) is None:  # it went while it was looked at
            raise NoUploadError
        return {number: stored for number, stored in found if stored and 1 <= number <= MAX_PART}


def begin_part(store: Store, upload: MultipartUpload, number: int) -> Upload:
    """Begin to write the part of a number, for `commit_part`.

    Raises:
        NoUploadError: The upload has gone meanwhile.
    """
    with _still_there():
        return _staging(store, upload).upload(upload.id.lower(), _name(number))


def commit_part(part: Upload) -> StoredObject:
    """Make it the part of its number, in one step.

    Raises:
        NoUploadError: The upload has gone meanwhile.
    """
    with _still_there():
        return part.commit(Description())


def complete(
    store: Store, upload: MultipartUpload, wanted: Sequence[Part] | None, guard: Guard | None, limit: int
) -> StoredObject:
    """Make the parts the object, of at most `limit` bytes; without `wanted` all there are. Then the upload has gone.

    Raises:
        NoUploadError, PartOrderError, NoPartError, SmallPartError, LargeObjectError: It cannot be, and stays.
    """
    there = parts_of(store, upload)
    chosen = list(there.items()) if wanted is None else _chosen(there, wanted)
    if not chosen:
        raise NoPartError(1)
    for number, part in chosen[:-1]:
        if part.size < MIN_SIZE:
            raise SmallPartError(number, part.size)
    if sum(part.size for _, part in chosen) > limit:
        raise LargeObjectError
    joined = md5(b"".join(bytes.fromhex(part.digest.etag) for _, part in chosen), usedforsecurity=False).hexdigest()
    etag = f"{joined.upper()}-{len(chosen)}"
    whole = store.upload(upload.bucket, upload.key)
    try:
        for number, part in chosen:
            _pour(store, upload, number, part, whole)
        stored = whole.commit(replace(upload.description, type=ObjectType.MULTIPART, etag=etag), guard)
    finally:
        whole.discard()
    # A kill before this leaves a whole object, and an upload that can be completed once more or given up.
    abort(store, upload)
    return stored


def abort(store: Store, upload: MultipartUpload) -> None:
    """Give an upload up, with its parts."""
    _staging(store, upload).remove_bucket(upload.id.lower())


def _chosen(there: dict[int, StoredObject], wanted: Sequence[Part]) -> list[tuple[int, StoredObject]]:
    if any(part.number >= following.number for part, following in pairwise(wanted)):
        raise PartOrderError
    for part in wanted:
        if part.number not in there or there[part.number].etag != part.etag:
            raise NoPartError(part.number)
    return [(part.number, there[part.number]) for part in wanted]


def _pour(store: Store, upload: MultipartUpload, number: int, part: StoredObject, whole: Upload) -> None:
    with _still_there():
        staging = _staging(store, upload)
        content = staging.open(upload.id.lower(), _name(number))
        if content is None:
            raise NoPartError(number) if staging.bucket(upload.id.lower()) else NoUploadError
    with content:
        if content.stored.digest != part.digest:  # written anew meanwhile
            raise NoPartError(number)
        pour(content, whole, 0, content.stored.size)


def _read(staging: Store, bucket: str, upload_id: str) -> MultipartUpload | None:
    """An upload; None for what is none, because it is only half begun, has gone, or a person was there."""
    try:
        content = staging.open(upload_id.lower(), _ABOUT)
    except KeyError:
        return None
    if content is None:
        return None
    with content:
        try:
            key = content.file.read(_LONGEST_KEY + 1).decode()
        except UnicodeDecodeError:
            return None
    if key_problem(key):
        return None
    return MultipartUpload(bucket, key, upload_id, content.stored.modified, content.stored.description)


def _staging(store: Store, upload: MultipartUpload) -> Store:
    staging = store.staging(upload.bucket)
    if staging is None:
        raise NoUploadError
    return staging


@contextmanager
def _still_there() -> Iterator[None]:
    """What a store says of a bucket that is removed under its hands means that the upload has gone."""
    try:
        yield
    except (KeyError, FileNotFoundError):
        raise NoUploadError from None


def _name(number: int) -> str:
    return f"{number:05}"
