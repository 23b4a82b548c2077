"""Operations on objects."""

import base64
from email.utils import formatdate

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, Part, blocking
from worker.emulator.conditions import byte_range, not_modified
from worker.emulator.operations.processing import get_processed
from worker.emulator.sidecar import content_type
from worker.emulator.store import CHUNK, Content, Description, Guard, StoredObject, Upload
from worker.oss.names import key_problem
from worker.oss.process import PARAMETER

MAX_OBJECT = 512 << 20  # bytes; the service takes 5 GB, a machine's disk should not have to
MAX_METADATA = 8 << 10  # bytes of the headers that are kept with an object, names and values

_KEPT = frozenset(
    ["content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires"]
)
# What the service would do with the object and this server does not: refused, for ignoring it would be a lie.
_UNSUPPORTED = {
    "x-oss-callback": "",
    "x-oss-object-acl": "default",
    "x-oss-server-side-encryption": "",
    "x-oss-storage-class": "Standard",
    "x-oss-symlink-target": "",
    "x-oss-tagging": "",
}


async def put_object(call: Call) -> Answer:
    """Store an object. ETag is the MD5 in upper-case hex; the CRC64 is told because the SDKs compare it."""
    bucket, key = call.request.bucket, call.request.key
    await call.need_bucket(bucket)
    _check_put(call)
    upload = await blocking(call.store.upload, bucket, key)
    try:
        await _receive(call, upload)
        stored = await blocking(upload.commit, Description(_kept_headers(call)), _guard(call))
    finally:
        await blocking(upload.discard)
    return Answer(headers=(*_checksums(stored), ("Content-MD5", _content_md5(stored.digest.etag))))


async def get_object(call: Call) -> Answer:
    """An object, a part of it, or what a process makes of it."""
    if PARAMETER in call.query:
        return await get_processed(call)
    content = await _open(call)
    try:
        return _answer(call, content)
    except BaseException:
        await blocking(content.file.close)
        raise


async def head_object(call: Call) -> Answer:
    """The headers of an object."""
    return await get_object(call)


async def get_object_meta(call: Call) -> Answer:
    """A few facts of an object, without its headers."""
    content = await _open(call)
    await blocking(content.file.close)
    stored = content.stored
    # Only a HEAD may tell the length of a body that it does not bring.
    length = [("Content-Length", str(stored.size))] if call.request.method == "HEAD" else []
    return Answer(headers=(*_identity(stored), *length))


async def delete_object(call: Call) -> Answer:
    """Remove an object; also answers 204 where there is none."""
    await call.need_bucket(call.request.bucket)
    await blocking(call.store.delete, call.request.bucket, call.request.key)
    return Answer(204)


def _check_put(call: Call) -> None:
    if key_problem(call.request.key):
        raise refusals.invalid_object_name(call.request.key)
    if PARAMETER in call.query:
        raise refusals.invalid_argument(PARAMETER, call.query[PARAMETER], "PutObject cannot process.")
    for name, harmless in _UNSUPPORTED.items():
        value = call.headers.get(name, "")
        if value and value.lower() != harmless.lower():
            raise refusals.not_implemented(f"the header {name}: {value} of PutObject")
    _guard(call)  # a wrong value is told before the body is read
    if sum(len(name.encode()) + len(value.encode()) for name, value in _kept_headers(call).items()) > MAX_METADATA:
        raise refusals.too_much_metadata(MAX_METADATA)
    length = call.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_OBJECT:
        raise refusals.too_large(MAX_OBJECT)


async def _receive(call: Call, upload: Upload) -> None:
    size, pending = 0, bytearray()
    async for chunk in call.body:
        size += len(chunk)
        if size > MAX_OBJECT:
            raise refusals.too_large(MAX_OBJECT)
        pending += chunk
        if len(pending) >= CHUNK:
            await blocking(upload.write, bytes(pending))
            pending.clear()
    await blocking(upload.write, bytes(pending))
    asked = call.headers.get("content-md5")
    if asked is not None and asked != _content_md5(upload.digest().etag):
        raise refusals.invalid_digest(asked)


def _guard(call: Call) -> Guard | None:
    """What keeps an object from being replaced, if anything does."""
    value = call.headers.get("x-oss-forbid-overwrite", "false").lower()
    if value not in ("true", "false"):
        message = "x-oss-forbid-overwrite must be true or false."
        raise refusals.invalid_argument("x-oss-forbid-overwrite", value, message)
    return _nothing_there if value == "true" else None


def _nothing_there(current: StoredObject | None) -> None:
    if current is not None:
        raise refusals.file_already_exists(current.key)


def _kept_headers(call: Call) -> dict[str, str]:
    kept = {name: value for name, value in call.headers.items() if name in _KEPT or name.startswith("x-oss-meta-")}
    return {"content-type": content_type(call.request.key)} | kept


async def _open(call: Call) -> Content:
    await call.need_bucket(call.request.bucket)
    content = await blocking(call.store.open, call.request.bucket, call.request.key)
    if content is None:
        raise refusals.no_such_key(call.request.key)
    return content


def _answer(call: Call, content: Content) -> Answer:
    stored = content.stored
    headers = [*_identity(stored), ("Accept-Ranges", "bytes"), ("x-oss-object-type", stored.description.type)]
    headers += [("x-oss-storage-class", "Standard"), *_stored_headers(call, stored)]
    if not_modified(call.headers, stored.etag, stored.modified):
        content.file.close()
        return Answer(304, tuple(headers))
    headers += _checksums(stored)[1:]
    wanted = byte_range(call.headers, stored.size)
    if wanted is None:
        return Answer(200, tuple(headers), Part(content, 0, stored.size))
    first, last = wanted
    headers.append(("Content-Range", f"bytes {first}-{last}/{stored.size}"))
    return Answer(206, tuple(headers), Part(content, first, last - first + 1))


def _identity(stored: StoredObject) -> list[tuple[str, str]]:
    return [("ETag", f'"{stored.etag}"'), ("Last-Modified", formatdate(stored.modified, usegmt=True))]


def _checksums(stored: StoredObject) -> list[tuple[str, str]]:
    return [("ETag", f'"{stored.etag}"'), ("x-oss-hash-crc64ecma", str(stored.digest.crc64))]


def _stored_headers(call: Call, stored: StoredObject) -> list[tuple[str, str]]:
    headers = {"content-type": content_type(stored.key)} | dict(stored.headers)
    for name in _KEPT:
        override = call.query.get(f"response-{name}")
        if override:
            headers[name] = override
    return list(headers.items())


def _content_md5(etag: str) -> str:
    return base64.b64encode(bytes.fromhex(etag)).decode()
