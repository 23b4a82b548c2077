"""What operations that write an object have in common: the headers that describe it, its body, what it may replace."""

import base64
from collections.abc import Mapping
from typing import Protocol

from worker.emulator import refusals
from worker.emulator.call import Call, blocking
from worker.emulator.sidecar import content_type
from worker.emulator.store import ACL, CHUNK, Bucket, Description, Digest, Guard, ObjectType, StoredObject
from worker.emulator.tags import tags_in
from worker.oss.names import key_problem
from worker.oss.process import PARAMETER

MAX_OBJECT = 512 << 20  # bytes; the service takes 5 GB, a machine's disk should not have to
MAX_METADATA = 8 << 10  # bytes of the headers that are kept with an object, names and values
SYMLINK_TARGET = "x-oss-symlink-target"
TAGGING = "x-oss-tagging"
FORBID_OVERWRITE = "x-oss-forbid-overwrite"

KEPT = frozenset(
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"]
)
OBJECT_ACL = "x-oss-object-acl"
# What the service would do with the object and this server does not: refused, for ignoring it would be a lie.
_UNSUPPORTED = {
    "x-oss-callback": "",
    "x-oss-server-side-encryption": "",
    "x-oss-server-side-data-encryption": "",
    "x-oss-storage-class": "Standard",
}


class Sink(Protocol):
    """Where a body goes."""

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        ...

    def digest(self) -> Digest:
        """The checksums of the body so far."""
        ...


def check_write(call: Call, operation: str, bucket: Bucket) -> None:
    """Refuse what is not done with the object of this key, before any of its bytes are taken."""
    if key_problem(call.request.key):
        raise refusals.invalid_object_name(call.request.key)
    if PARAMETER in call.query:
        raise refusals.invalid_argument(PARAMETER, call.query[PARAMETER], f"{operation} cannot process.")
    unsupported = dict(_UNSUPPORTED)
    if operation != "PutSymlink":
        unsupported[SYMLINK_TARGET] = ""
    for name, harmless in unsupported.items():
        value = call.headers.get(name, "")
        if value and value.lower() != harmless.lower():
            raise refusals.not_implemented(f"the header {name}: {value} of {operation}")
    for name in ("callback", "callback-var"):  # as presigned URLs have it
        if call.query.get(name):
            raise refusals.not_implemented(f"the argument {name} of {operation}")
    if call.headers.get(TAGGING):
        call.identity.permit("oss:PutObjectTagging", bucket.name, call.request.key, call.service.region_of(bucket))


def described(call: Call, kind: ObjectType = ObjectType.NORMAL) -> Description:
    """What the headers of a request say of the object that it writes.

    Raises:
        RefusedError: They are too large, or one of them makes no sense.
    """
    kept = {name: value for name, value in call.headers.items() if name in KEPT or name.startswith("x-oss-meta-")}
    headers = {"content-type": content_type(call.request.key)} | kept
    if sum(len(name.encode()) + len(value.encode()) for name, value in headers.items()) > MAX_METADATA:
        raise refusals.too_much_metadata(MAX_METADATA)
    return Description(headers, kind, acl=acl_in(call.headers), tags=tags_in(call.headers.get(TAGGING, "")))


def guard_of(call: Call) -> Guard | None:
    """What keeps an object from being replaced, if anything does."""
    value = call.headers.get(FORBID_OVERWRITE, "false").lower()
    if value not in ("true", "false"):
        message = f"{FORBID_OVERWRITE} must be true or false."
        raise refusals.invalid_argument(FORBID_OVERWRITE, value, message)
    return _nothing_there if value == "true" else None


async def receive(call: Call, sink: Sink, limit: int = MAX_OBJECT) -> int:
    """Pass the body on, piece by piece; answers its size. Refused where it is larger than `limit` bytes.

    Raises:
        RefusedError: It is too large, or has not the MD5 that its Content-MD5 says.
    """
    length = call.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limit:
        raise refusals.too_large(limit)
    size, pending = 0, bytearray()
    async for chunk in call.body:
        size += len(chunk)
        if size > limit:
            raise refusals.too_large(limit)
        pending += chunk
        if len(pending) >= CHUNK:
            await blocking(sink.write, bytes(pending))
            pending.clear()
    await blocking(sink.write, bytes(pending))
    asked = call.headers.get("content-md5")
    if asked is not None and asked != content_md5(sink.digest().etag):
        raise refusals.invalid_digest(asked)
    return size


def checksums(stored: StoredObject) -> list[tuple[str, str]]:
    """The headers that SDKs compare with what they have sent."""
    return [("ETag", f'"{stored.etag}"'), ("x-oss-hash-crc64ecma", str(stored.digest.crc64))]


def content_md5(etag: str) -> str:
    """An MD5 as `Content-MD5` has it."""
    return base64.b64encode(bytes.fromhex(etag)).decode()


def acl_in(headers: Mapping[str, str]) -> ACL:
    """The ACL that a request gives an object."""
    value = headers.get(OBJECT_ACL, ACL.DEFAULT)
    if value not in tuple(ACL):
        message = "no such object access control exists"
        raise refusals.invalid_argument(OBJECT_ACL, value, message)
    return ACL(value)


def _nothing_there(current: StoredObject | None) -> None:
    if current is not None:
        raise refusals.file_already_exists(current.key)
