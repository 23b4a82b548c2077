"""Processing objects: in place of reading them, or with `sys/saveas` into a new object."""

import json
from email.utils import formatdate
from urllib.parse import unquote_plus

from worker.emulator import refusals
from worker.emulator.access.rights import READ_SOURCE, SAVE_TARGET
from worker.emulator.call import Answer, Call, blocking
from worker.emulator.conditions import byte_range, not_modified
from worker.emulator.images import MAX_SOURCE, Rendered, render, source_limit
from worker.emulator.store import Store, StoredObject, put
from worker.emulator.styles import Recipe, recipe_of
from worker.oss.names import ObjectRef, bucket_problem, key_problem
from worker.oss.process import PARAMETER, Action, SaveAs

_MAX_PROCESS = 64 << 10  # bytes of body


async def get_processed(call: Call) -> Answer:
    """What a process makes of an object. Its ETag is that of the source, whatever the process (recorded)."""
    recipe = await _recipe(call, call.query[PARAMETER])
    if recipe.saveas is not None:
        message = "sys/saveas is only supported in a POST request."
        raise refusals.invalid_argument(PARAMETER, "sys/saveas", message)
    stored, rendered = await call.draw(_render, call, recipe.actions, await _region(call))
    headers = [
        ("ETag", f'"{stored.digest.etag}"'),
        ("Last-Modified", formatdate(stored.modified, usegmt=True)),
        ("Content-Type", call.query.get("response-content-type") or rendered.content_type),
    ]
    if not_modified(call.headers, stored.digest.etag, stored.modified):
        return Answer(304, tuple(headers))
    wanted = byte_range(call.headers, len(rendered.body))
    if wanted is None:
        return Answer(200, tuple(headers), rendered.body)
    first, last = wanted
    headers.append(("Content-Range", f"bytes {first}-{last}/{len(rendered.body)}"))
    return Answer(206, tuple(headers), rendered.body[first : last + 1])


async def process_object(call: Call) -> Answer:
    """Process an object by POST: saved where the process ends with `sys/saveas`, sent back where it does not."""
    recipe = await _recipe(call, _process_in(await call.read(_MAX_PROCESS)))
    if recipe.saveas is None:
        _, rendered = await call.draw(_render, call, recipe.actions, await _region(call))
        return Answer(200, (("Content-Type", rendered.content_type),), rendered.body)
    if call.headers.get("x-oss-forbid-overwrite", "false").lower() != "false":
        # Not known of the service, and to overwrite all the same would be the worst of guesses.
        raise refusals.not_implemented("the header x-oss-forbid-overwrite with sys/saveas")
    target = _target(recipe.saveas, call.request.bucket)
    await _check_target(call, target)
    saved = await call.draw(_save, call, recipe.actions, await _region(call), target)
    body = _saved_document(recipe.saveas, saved.size)
    return Answer(200, (("Content-Type", "application/json"),), body)


async def refuse_async(call: Call) -> Answer:
    """The asynchronous form covers documents, videos and the like, never ordinary pictures."""
    raise refusals.not_implemented(f"asynchronous processing (x-oss-async-process) of {call.request.key!r}")


def _process_in(body: bytes) -> str:
    """The process in a POST body: most SDKs send it raw, ali-oss form-encoded."""
    name, separator, value = body.decode("utf-8", "replace").partition("=")
    if name != PARAMETER or not separator or not value.strip():
        raise refusals.invalid_request(f"The body must be {PARAMETER}=, followed by a process.")
    # Every process has a '/', which a form-encoded body never holds; so a '+' or '%' of a raw one stays what it is.
    return value.strip() if "/" in value else unquote_plus(value.strip())


async def _recipe(call: Call, process: str) -> Recipe:
    await call.need_bucket(call.request.bucket)
    return await blocking(recipe_of, process, call.store, call.request.bucket)


async def _region(call: Call) -> str:
    return call.service.region_of(await call.need_bucket(call.request.bucket))


def _target(saveas: SaveAs, source_bucket: str) -> ObjectRef:
    target = ObjectRef(saveas.bucket or source_bucket, saveas.key)
    if bucket_problem(target.bucket):
        raise refusals.invalid_bucket_name(target.bucket)
    if key_problem(target.key):
        raise refusals.invalid_object_name(target.key)
    if "{" in target.key or "}" in target.key:
        # The service would expand {varname}; saving under the literal name would pretend that it did not.
        raise refusals.not_implemented("variables in the target of sys/saveas")
    return target


async def _check_target(call: Call, target: ObjectRef) -> None:
    source = await _region(call)
    found = await blocking(call.store.bucket, target.bucket)
    region = call.service.region_of(found)
    call.identity.permit(SAVE_TARGET, target.bucket, target.key, region)
    if found is None:
        raise refusals.no_such_bucket(target.bucket)
    if region != source:
        raise refusals.target_elsewhere()


def _render(call: Call, actions: tuple[Action, ...], region: str) -> tuple[StoredObject, Rendered]:
    bucket = call.request.bucket

    def watermark_image(key: str) -> bytes:
        call.identity.permit(READ_SOURCE, bucket, key, region)
        return _read(call.store, ObjectRef(bucket, key), MAX_SOURCE)[1]

    stored, data = _read(call.store, ObjectRef(bucket, call.request.key), source_limit(actions))
    return stored, render(data, actions, watermark_image)


def _read(store: Store, source: ObjectRef, limit: int) -> tuple[StoredObject, bytes]:
    content = None if key_problem(source.key) else store.open(source.bucket, source.key)
    if content is None:
        raise refusals.no_such_source(source.key)
    with content:
        if content.stored.size > limit:
            raise refusals.picture_too_large(limit)
        return content.stored, content.file.read()


def _save(call: Call, actions: tuple[Action, ...], region: str, target: ObjectRef) -> StoredObject:
    _, rendered = _render(call, actions, region)
    return put(call.store, target.bucket, target.key, rendered.body, {"content-type": rendered.content_type})


def _saved_document(saveas: SaveAs, size: int) -> bytes:
    """As recorded: the bucket is empty where the request left it out, and a blank follows each colon."""
    fields = {"bucket": saveas.bucket, "fileSize": size, "object": saveas.key, "status": "OK"}
    return json.dumps(fields, indent=4, ensure_ascii=False).encode()
