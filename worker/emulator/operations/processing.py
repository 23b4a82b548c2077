"""Processing objects: in place of reading them, or with `sys/saveas` into a new object."""

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import TypeVar
from urllib.parse import unquote_plus

from worker.emulator import refusals
from worker.emulator.access.rights import READ_SOURCE, SAVE_TARGET
from worker.emulator.budget import HeldBytes, Lease, TooMuchMemoryError
from worker.emulator.call import Answer, Call, Part, blocking
from worker.emulator.conditions import byte_range, not_modified
from worker.emulator.images import MAX_SOURCE, Rendered, render, source_limit
from worker.emulator.store import Content, ObjectType, Store, StoredObject, put
from worker.emulator.styles import Recipe, recipe_of
from worker.oss.names import ObjectRef, bucket_problem, key_problem
from worker.oss.process import PARAMETER, Action, SaveAs

_MAX_PROCESS = 64 << 10  # bytes of body
_ASYNC = "x-oss-async-process"
_ASYNC_IMAGES = frozenset({"image/blindwatermark", "image/deblindwatermark"})  # these the service knows
_FIRST = 16 << 20  # bytes of memory: a picture of no great size takes no more

T = TypeVar("T")


async def get_processed(call: Call) -> Answer:
    """What a process makes of an object. Its ETag is that of the source, whatever the process (recorded)."""
    recipe = await _recipe(call, call.query[PARAMETER])
    if recipe.saveas is not None:
        message = "sys/saveas is only supported in a POST request."
        raise refusals.invalid_argument(PARAMETER, "sys/saveas", message)
    content, content_type = await call.draw(_render, call, recipe.actions, await _region(call), _held)
    try:
        return _answer(call, content, content_type)
    except BaseException:
        content.file.close()
        raise


def _answer(call: Call, content: Content, content_type: str) -> Answer:
    stored = content.stored
    headers = [
        ("ETag", f'"{stored.etag}"'),
        ("Last-Modified", formatdate(stored.modified, usegmt=True)),
        ("Content-Type", call.query.get("response-content-type") or content_type),
    ]
    if not_modified(call.headers, stored.etag, stored.modified):
        content.file.close()
        return Answer(304, tuple(headers))
    wanted = byte_range(call.headers, stored.size)
    if wanted is None:
        return Answer(200, tuple(headers), Part(content, 0, stored.size))
    first, last = wanted
    headers.append(("Content-Range", f"bytes {first}-{last}/{stored.size}"))
    return Answer(206, tuple(headers), Part(content, first, last - first + 1))


async def process_object(call: Call) -> Answer:
    """Process an object by POST: saved where the process ends with `sys/saveas`, sent back where it does not."""
    recipe = await _recipe(call, _process_in(await call.read(_MAX_PROCESS)))
    if recipe.saveas is None:
        content, content_type = await call.draw(_render, call, recipe.actions, await _region(call), _held)
        return Answer(200, (("Content-Type", content_type),), Part(content, 0, content.stored.size))
    if call.headers.get("x-oss-forbid-overwrite", "false").lower() != "false":
        # Not known of the service, and to overwrite all the same would be the worst of guesses.
        raise refusals.not_implemented("the header x-oss-forbid-overwrite with sys/saveas")
    target = _target(recipe.saveas, call.request.bucket)
    await _check_target(call, target)
    saved = await call.draw(
        _render,
        call,
        recipe.actions,
        await _region(call),
        lambda _, rendered, lease: _save(call, target, rendered, lease),
    )
    body = _saved_document(recipe.saveas, saved.size)
    return Answer(200, (("Content-Type", "application/json"),), body)


async def refuse_async(call: Call) -> Answer:
    """The asynchronous form covers documents, videos and the like, never ordinary pictures (documented).

    So of pictures the service would refuse it as well; with which code is a guess. All else is not done here.
    """
    process = _process_in(await call.read(_MAX_PROCESS), _ASYNC)
    bucket = await call.need_bucket(call.request.bucket)
    if await blocking(call.store.stat, bucket.name, call.request.key) is None:
        raise refusals.no_such_source(call.request.key)
    name = process.partition("|")[0].partition(",")[0]
    if name.startswith(("image/", "style/")) and name not in _ASYNC_IMAGES:
        message = f"{name} cannot be processed asynchronously, only with {PARAMETER}."
        raise refusals.invalid_argument(_ASYNC, process, message)
    raise refusals.not_implemented(f"AsyncProcessObject with {name}")


def _process_in(body: bytes, parameter: str = PARAMETER) -> str:
    """The process in a POST body: most SDKs send it raw, ali-oss form-encoded."""
    name, separator, value = body.decode("utf-8", "replace").partition("=")
    if name != parameter or not separator or not value.strip():
        raise refusals.invalid_request(f"The body must be {parameter}=, followed by a process.")
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
    await blocking(call.identity.permit, SAVE_TARGET, target.bucket, target.key, region)
    if found is None:
        raise refusals.no_such_bucket(target.bucket)
    if region != source:
        raise refusals.target_elsewhere()


def _render(
    call: Call,
    actions: tuple[Action, ...],
    region: str,
    finish: Callable[[StoredObject, Rendered, Lease], T],
) -> T:
    """What `finish` makes of the source and the result; it is to release the memory it is given with them."""
    bucket = call.request.bucket

    def drawn(lease: Lease) -> T:
        def reserve(size: int) -> None:
            if call.service.stopping.is_set():
                raise ConnectionAbortedError("the server stops")
            lease.hold(size)

        def watermark_image(key: str) -> bytes:
            call.identity.permit(READ_SOURCE, bucket, key, region)
            with _source(call.store, ObjectRef(bucket, key), MAX_SOURCE) as image:
                return _read(image, lease)

        return finish(content.stored, render(_read(content, lease), actions, watermark_image, reserve), lease)

    with _source(call.store, ObjectRef(bucket, call.request.key), source_limit(actions)) as content:
        try:
            return call.service.budget.run(content.stored.size + _FIRST, drawn)
        except TooMuchMemoryError:
            raise refusals.too_many_pixels("0040-00000012") from None


def _source(store: Store, source: ObjectRef, limit: int) -> Content:
    content = None if key_problem(source.key) else store.open(source.bucket, source.key)
    if content is None:
        raise refusals.no_such_source(source.key)
    if content.stored.description.type is ObjectType.SYMLINK:
        content.file.close()
        raise refusals.not_implemented("processing a symlink")
    if content.stored.size > limit:
        content.file.close()
        raise refusals.picture_too_large(limit)
    return content


def _read(content: Content, lease: Lease) -> bytes:
    lease.hold(content.stored.size)
    content.file.seek(0)
    return content.file.read(content.stored.size)


def _held(source: StoredObject, rendered: Rendered, lease: Lease) -> tuple[Content, str]:
    """The result as what can be sent, with the source's ETag and date. Its memory is held until it is sent."""
    result = replace(source, size=len(rendered.body))
    return Content(result, HeldBytes(rendered.body, lease)), rendered.content_type


def _save(call: Call, target: ObjectRef, rendered: Rendered, lease: Lease) -> StoredObject:
    with lease:
        return put(call.store, target.bucket, target.key, rendered.body, {"content-type": rendered.content_type})


def _saved_document(saveas: SaveAs, size: int) -> bytes:
    """As recorded: the bucket is empty where the request left it out, and a blank follows each colon."""
    fields = {"bucket": saveas.bucket, "fileSize": size, "object": saveas.key, "status": "OK"}
    return json.dumps(fields, indent=4, ensure_ascii=False).encode()
