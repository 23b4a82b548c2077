"""Copying objects: into other objects, and onto themselves to describe them anew. Source: OSS, CopyObject."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from worker.emulator import refusals
from worker.emulator.access.rights import READ_SOURCE
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.conditions import not_modified
from worker.emulator.operations.writing import SYMLINK_TARGET, check_write, checksums, described, guard_of
from worker.emulator.store import Bucket, Content, Description, Guard, ObjectType, StoredObject, pour
from worker.emulator.xml import document, leaf, time_leaf
from worker.oss.names import ObjectRef, bucket_problem, key_problem

COPY_SOURCE = "x-oss-copy-source"
_CONDITIONS = f"{COPY_SOURCE}-"  # before the names of conditions and of the range


async def copy_object(call: Call) -> Answer:
    """Copy an object. Onto itself only what describes it changes, by the headers of the request (documented)."""
    target = await call.need_bucket(call.request.bucket)
    check_write(call, "CopyObject", target)
    source = await find_source(call, "CopyObject", target)
    description, guard = described(call), guard_of(call)
    replaces = _directive(call, "x-oss-metadata-directive"), _directive(call, "x-oss-tagging-directive")
    if source == ObjectRef(target.name, call.request.key):
        stored = await blocking(_describe_anew, call, source, description, guard, replaces_tags=replaces[1])
    else:
        stored = await blocking(_copy, call, source, description, guard, replaces)
    if stored is None:
        return Answer(304)
    result = document("CopyObjectResult", leaf("ETag", f'"{stored.etag}"'), time_leaf("LastModified", stored.modified))
    return replace(xml_answer(result), headers=(*xml_answer(result).headers, *checksums(stored)))


async def find_source(call: Call, operation: str, target: Bucket) -> ObjectRef:
    """The object that a request copies from, which it may read."""
    path, _, query = call.headers[COPY_SOURCE].partition("?")
    if query:
        raise refusals.not_implemented(f"{COPY_SOURCE} with {query.partition('=')[0]} of {operation}")
    try:
        name, _, key = unquote_to_bytes(path.removeprefix("/")).decode().partition("/")
    except UnicodeDecodeError:
        raise refusals.invalid_argument(COPY_SOURCE, path, f"{COPY_SOURCE} is not UTF-8.") from None
    if bucket_problem(name):
        raise refusals.invalid_bucket_name(name)
    if key_problem(key):
        raise refusals.invalid_object_name(key)
    bucket = await blocking(call.store.bucket, name)
    await blocking(call.identity.permit, READ_SOURCE, name, key, call.service.region_of(bucket))
    if bucket is None:
        raise refusals.no_such_bucket(name)
    if call.service.region_of(bucket) != call.service.region_of(target):
        raise refusals.target_elsewhere()
    return ObjectRef(name, key)


@contextmanager
def opened_source(call: Call, source: ObjectRef) -> Iterator[Content | None]:
    """The source of a copy, open; None where a condition says that it is not to be copied, which is a 304."""
    content = call.store.open(source.bucket, source.key)
    if content is None:
        raise refusals.no_such_key(source.key)
    with content:
        yield content if _wanted(call, content.stored) else None


def headers_of_source(call: Call) -> dict[str, str]:
    """Conditions and range of a copy, under the names that they have where an object is read."""
    return {
        name.removeprefix(_CONDITIONS): value for name, value in call.headers.items() if name.startswith(_CONDITIONS)
    }


def _wanted(call: Call, stored: StoredObject) -> bool:
    return not not_modified(headers_of_source(call), stored.etag, stored.modified)


def _describe_anew(
    call: Call, source: ObjectRef, description: Description, guard: Guard | None, *, replaces_tags: bool
) -> StoredObject | None:
    """Its bytes stay, and so does how it came about: an appendable object can be appended to (documented)."""
    found = call.store.stat(source.bucket, source.key)
    if found is None:
        raise refusals.no_such_key(source.key)
    if guard is not None:
        guard(found)
    if not _wanted(call, found):
        return None

    def changed(old: Description) -> Description:
        tags = description.tags if replaces_tags else old.tags
        return replace(_with_target(description, old), type=old.type, etag=old.etag, tags=tags)

    stored = call.store.describe(source.bucket, source.key, changed, touch=True)
    if stored is None:  # it has gone since
        raise refusals.no_such_key(source.key)
    return stored


def _copy(
    call: Call, source: ObjectRef, description: Description, guard: Guard | None, replaces: tuple[bool, bool]
) -> StoredObject | None:
    """A symlink is copied as one (documented); all else becomes a normal object (a guess)."""
    with opened_source(call, source) as content:
        if content is None:
            return None
        old = content.stored.description
        if old.type is ObjectType.SYMLINK:
            description = replace(_with_target(description, old), type=old.type, etag=old.etag)
        replaces_headers, replaces_tags = replaces
        if not replaces_headers:
            description = replace(description, headers=old.headers)
        if not replaces_tags:
            description = replace(description, tags=old.tags)
        upload = call.store.upload(call.request.bucket, call.request.key)
        try:
            pour(content, upload, 0, content.stored.size)
            return upload.commit(description, guard)
        finally:
            upload.discard()


def _with_target(new: Description, old: Description) -> Description:
    """The new headers; a symlink keeps its target, which no header of a copy tells."""
    kept = {name: value for name, value in old.headers.items() if name == SYMLINK_TARGET}
    return replace(new, headers={**new.headers, **kept})


def _directive(call: Call, name: str) -> bool:
    """Whether what a directive is about is replaced by what the request says, and not copied."""
    value = call.headers.get(name, "COPY")
    if value.upper() not in ("COPY", "REPLACE"):
        raise refusals.invalid_argument(name, value, f"{name} must be COPY or REPLACE.")
    return value.upper() == "REPLACE"
