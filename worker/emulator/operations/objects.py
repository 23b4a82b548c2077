"""Operations on objects."""

from dataclasses import replace
from email.utils import formatdate

from worker.emulator import refusals
from worker.emulator.access.rights import READ_SOURCE, READ_TAGS
from worker.emulator.call import Answer, Call, Part, blocking
from worker.emulator.conditions import byte_range, not_modified
from worker.emulator.operations.processing import get_processed
from worker.emulator.operations.writing import (
    KEPT,
    SYMLINK_TARGET,
    check_write,
    checksums,
    content_md5,
    described,
    guard_of,
    receive,
)
from worker.emulator.sidecar import content_type
from worker.emulator.store import Content, ObjectType, StoredObject
from worker.oss.process import PARAMETER


async def put_object(call: Call) -> Answer:
    """Store an object. ETag is the MD5 in upper-case hex; the CRC64 is told because the SDKs compare it."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "PutObject", bucket)
    description, guard = described(call), guard_of(call)
    upload = await blocking(call.store.upload, bucket.name, call.request.key)
    try:
        await receive(call, upload)
        stored = await blocking(upload.commit, description, guard)
    finally:
        await blocking(upload.discard)
    return Answer(headers=(*checksums(stored), ("Content-MD5", content_md5(stored.digest.etag))))


async def get_object(call: Call) -> Answer:
    """An object, a part of it, or what a process makes of it."""
    if call.identity.anonymous and any(name.startswith("response-") for name in call.query):
        # Documented as forbidden; Code and message are a guess.
        raise refusals.invalid_request("Headers of the answer can be asked for in signed requests only.")
    if PARAMETER in call.query:
        return await get_processed(call)
    content = await _follow(call, await _open(call))
    try:
        return _answer(call, content, await _tags_told(call, content.stored))
    except BaseException:
        await blocking(content.file.close)
        raise


async def head_object(call: Call) -> Answer:
    """The headers of an object."""
    return await get_object(call)


async def get_object_meta(call: Call) -> Answer:
    """A few facts of an object, without its headers; of a symlink those of itself (documented)."""
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


async def _open(call: Call) -> Content:
    await call.need_bucket(call.request.bucket)
    content = await blocking(call.store.open, call.request.bucket, call.request.key)
    if content is None:
        raise refusals.no_such_key(call.request.key)
    return content


async def _follow(call: Call, link: Content) -> Content:
    """What a symlink stands for; what is no symlink is itself.

    Size and ETag are those of the target, the time is that of the later of the two, all else is of the link
    (documented). Both need the right to be read.
    """
    if link.stored.description.type is not ObjectType.SYMLINK:
        return link
    await blocking(link.file.close)
    bucket, target = await call.need_bucket(call.request.bucket), link.stored.headers.get(SYMLINK_TARGET, "")
    await blocking(call.identity.permit, READ_SOURCE, bucket.name, target, call.service.region_of(bucket))
    found = await blocking(call.store.open, bucket.name, target)
    if found is None:
        raise refusals.symlink_target_missing()
    if found.stored.description.type is ObjectType.SYMLINK:
        await blocking(found.file.close)
        raise refusals.symlink_to_symlink()
    stored = replace(
        found.stored,
        key=link.stored.key,
        modified=max(link.stored.modified, found.stored.modified),
        description=replace(link.stored.description, etag=found.stored.etag),
    )
    return Content(stored, found.file)


async def _tags_told(call: Call, stored: StoredObject) -> int:
    """How many tags an object is told to have: only who may read them learns of them (documented)."""
    if not stored.description.tags:
        return 0
    bucket = await call.need_bucket(call.request.bucket)
    may = call.identity.may(READ_TAGS, bucket.name, call.request.key, call.service.region_of(bucket))
    return len(stored.description.tags) if may else 0


def _answer(call: Call, content: Content, tags: int) -> Answer:
    stored = content.stored
    headers = [*_identity(stored), ("Accept-Ranges", "bytes"), ("x-oss-object-type", stored.description.type)]
    headers += [("x-oss-storage-class", "Standard"), *_stored_headers(call, stored)]
    if stored.description.type is ObjectType.APPENDABLE:
        headers.append(("x-oss-next-append-position", str(stored.size)))
    if tags:
        headers.append(("x-oss-tagging-count", str(tags)))
    if not_modified(call.headers, stored.etag, stored.modified):
        content.file.close()
        return Answer(304, tuple(headers))
    headers += checksums(stored)[1:]
    wanted = byte_range(call.headers, stored.size)
    if wanted is None:
        if stored.etag == stored.digest.etag:  # a Normal object, or a symlink to one (documented)
            headers.append(("Content-MD5", content_md5(stored.etag)))
        return Answer(200, tuple(headers), Part(content, 0, stored.size))
    first, last = wanted
    headers.append(("Content-Range", f"bytes {first}-{last}/{stored.size}"))
    return Answer(206, tuple(headers), Part(content, first, last - first + 1))


def _identity(stored: StoredObject) -> list[tuple[str, str]]:
    return [("ETag", f'"{stored.etag}"'), ("Last-Modified", formatdate(stored.modified, usegmt=True))]


def _stored_headers(call: Call, stored: StoredObject) -> list[tuple[str, str]]:
    headers = {"content-type": content_type(stored.key)} | dict(stored.headers)
    headers.pop(SYMLINK_TARGET, None)
    for name in KEPT:
        override = call.query.get(f"response-{name}")
        if override:
            headers[name] = override
    return list(headers.items())
