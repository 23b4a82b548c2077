"""What a store of objects is: buckets, objects by key, and the values it deals in."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from fastcrc.crc64 import xz as crc64_xz  # CRC-64/XZ is what OSS calls crc64ecma

Clock = Callable[[], float]  # seconds since the epoch

CHUNK = 256 << 10  # bytes of an object that are held in memory at a time


class ACL(StrEnum):
    """Who may do what with a bucket or an object, in the words of the headers. `DEFAULT`: what its bucket says."""

    DEFAULT = "default"
    PRIVATE = "private"
    PUBLIC_READ = "public-read"
    PUBLIC_READ_WRITE = "public-read-write"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; `created` in seconds since the epoch. An empty region means that of the server."""

    name: str
    created: float
    region: str = ""
    acl: ACL = ACL.PRIVATE


@dataclass(frozen=True, slots=True)
class StoredStyle:
    """A style: the process it stands for; `modified` in seconds since the epoch."""

    name: str
    content: str
    modified: float


class StoreFullError(Exception):
    """A store in memory has no room for what is written; `capacity` is in bytes."""

    def __init__(self, capacity: int) -> None:
        super().__init__(f"more than {capacity} bytes")
        self.capacity = capacity


@dataclass(frozen=True, slots=True)
class Digest:
    """The checksums of an object's bytes: `etag` is its MD5 in upper-case hex, as PutObject answers it."""

    etag: str
    crc64: int


class ObjectType(StrEnum):
    """How an object came about; the words are those of `x-oss-object-type`."""

    NORMAL = "Normal"
    APPENDABLE = "Appendable"
    MULTIPART = "Multipart"
    SYMLINK = "Symlink"


Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What an object is beside its key and its bytes.

    `headers` are those that were stored with it: `content-type`, `x-oss-meta-*` and the like, names in lower case; of a
    symlink also its target, `x-oss-symlink-target`. `etag` is its ETag where that is not the MD5 of its bytes.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    type: ObjectType = ObjectType.NORMAL
    etag: str = ""
    acl: ACL = ACL.DEFAULT
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object without its bytes; `size` in bytes, `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float
    digest: Digest
    description: Description = field(default_factory=Description)

    @property
    def etag(self) -> str:
        """Its ETag, without quotes."""
        return self.description.etag or self.digest.etag

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were stored with it."""
        return self.description.headers


# Looks at the object that is there now, None for nothing, and raises what is to be raised where it may not be replaced.
Guard = Callable[[StoredObject | None], None]


@dataclass(frozen=True, slots=True)
class Content:
    """An object opened for reading. What is read belongs to `stored` even if the object is replaced meanwhile."""

    stored: StoredObject
    file: BinaryIO

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()


class Upload(Protocol):
    """An object on its way in: nobody sees it before `commit`."""

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            StoreFullError: There is no room for them.
        """
        ...

    def digest(self) -> Digest:
        """The checksums of what was written so far."""
        ...

    def commit(self, description: Description, guard: Guard | None = None) -> StoredObject:
        """Make it the object of its key, in one step: nobody comes between what the guard has seen and the new one."""
        ...

    def discard(self) -> None:
        """Leave nothing behind; does nothing after `commit`."""
        ...


class Store(Protocol):
    """Keeps buckets, objects and styles. Methods may block and may be called from several threads.

    Names have been judged before: buckets by `bucket_problem`, keys by `key_problem`, styles by their own rule.
    Methods that take a bucket, save `bucket` and `make_bucket`, need it to exist.
    """

    def buckets(self) -> Sequence[Bucket]:
        """All buckets, by name."""
        ...

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, None where it does not exist."""
        ...

    def make_bucket(self, name: str, region: str = "", acl: ACL = ACL.PRIVATE) -> None:
        """Make the bucket if it is not there; it stays in the region it was made in."""
        ...

    def put_acl(self, bucket: str, acl: ACL) -> None:
        """Say who may do what with a bucket."""
        ...

    def delete_bucket(self, bucket: str) -> bool:
        """Remove the bucket, unless there is anything in it, uploads in parts included; whether it was removed."""
        ...

    def remove_bucket(self, name: str) -> None:
        """Remove the bucket if it is there, with all that is in it, in one step.

        Who is writing into it meets a FileNotFoundError or a KeyError.
        """
        ...

    def staging(self, bucket: str, *, make: bool = False) -> "Store | None":
        """Where uploads in parts lie until they are objects: a store of its own, which no listing of the bucket shows.

        None where there is none, unless it is to be made.
        """
        ...

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """The object without its bytes, None where it does not exist."""
        ...

    def open(self, bucket: str, key: str) -> Content | None:
        """The object opened for reading, None where it does not exist."""
        ...

    def upload(self, bucket: str, key: str) -> Upload:
        """Begin to write an object."""
        ...

    def describe(
        self, bucket: str, key: str, change: Callable[[Description], Description], *, touch: bool = False
    ) -> StoredObject | None:
        """Change what an object is beside its bytes, in one step; None where it does not exist.

        Its bytes and their checksums stay as they are, and so does its time unless it is touched. What `change` raises
        leaves all as it was.
        """
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""
        ...

    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        """Keys that begin with `prefix` and are not less than `start`, in the order of their UTF-8 bytes."""
        ...

    def style(self, bucket: str, name: str) -> StoredStyle | None:
        """The style, None where it does not exist."""
        ...

    def styles(self, bucket: str) -> Sequence[StoredStyle]:
        """All styles, by name."""
        ...

    def put_style(self, bucket: str, name: str, content: str) -> None:
        """Define a style, or define it anew."""
        ...

    def delete_style(self, bucket: str, name: str) -> None:
        """Remove the style if it is there."""
        ...


class Digesting:
    """Computes a `Digest` piece by piece."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc64 = crc64_xz(b"")

    def update(self, chunk: bytes) -> None:
        """Add bytes."""
        self._md5.update(chunk)
        self._crc64 = crc64_xz(chunk, self._crc64)

    def digest(self) -> Digest:
        """The checksums of all bytes so far."""
        return Digest(self._md5.hexdigest().upper(), self._crc64)


def digest_of(file: BinaryIO) -> Digest:
    """The checksums of a file from where it stands to its end."""
    digesting = Digesting()
    while chunk := file.read(CHUNK):
        digesting.update(chunk)
    return digesting.digest()


def pour(content: Content, upload: Upload, start: int, size: int) -> None:
    """Write a part of an object into another, never holding much of it."""
    content.file.seek(start)
    while size and (chunk := content.file.read(min(size, CHUNK))):
        upload.write(chunk)
        size -= len(chunk)


def put(store: Store, bucket: str, key: str, body: bytes, headers: Mapping[str, str] | None = None) -> StoredObject:
    """Store an object whose bytes are all at hand."""
    return put_described(store, bucket, key, body, Description(headers or {}))


def put_described(
    store: Store, bucket: str, key: str, body: bytes, description: Description, guard: Guard | None = None
) -> StoredObject:
    """Store an object of any kind whose bytes are all at hand."""
    upload = store.upload(bucket, key)
    try:
        upload.write(body)
        return upload.commit(description, guard)
    finally:
        upload.discard()
