"""DeleteMultipleObjects: many keys in one request. Sources: OSS, its page and those of its error codes."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.access.rights import DELETE
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.documents import request_document
from worker.emulator.operations.arguments import encoder
from worker.emulator.xml import branch, document, leaf
from worker.oss.encoding import percent
from worker.oss.names import key_problem
from worker.oss.refusal import RefusedError

MAX_KEYS = 1000
_MAX_DOCUMENT = 2 << 20  # bytes
_NO_DELETE, _NO_KEY = "0016-00000608", "0016-00000613"


async def delete_multiple_objects(call: Call) -> Answer:
    """Remove all of the objects that are named, or none: where one key may not be deleted, nothing is (a guess)."""
    encode, bucket = encoder(call.query), call.request.bucket
    try:
        wanted = _wanted(await _body(call))
        region = call.service.region_of(await call.need_bucket(bucket))
    except RefusedError:
        if call.identity.anonymous:  # a stranger is not told what else is wrong, nor whether there is such a bucket
            await blocking(call.identity.permit, DELETE, bucket, "", call.service.regions[0])
        raise
    await blocking(_delete, call, wanted.keys, region)
    if wanted.quiet:
        return Answer()  # it would tell what could not be deleted
    return xml_answer(
        document(
            "DeleteResult",
            leaf("EncodingType", "url") if encode is percent else "",
            *(branch("Deleted", leaf("Key", encode(key))) for key in wanted.keys),
        )
    )


def _delete(call: Call, keys: Sequence[str], region: str) -> None:
    bucket = call.request.bucket
    for key in keys:
        call.identity.permit(DELETE, bucket, key, region)
    for key in keys:
        call.store.delete(bucket, key)


async def _body(call: Call) -> bytes:
    asked = call.headers.get("content-md5")
    if asked is None:
        raise refusals.missing_argument("Content-MD5", "0016-00000606")  # recorded
    body = await call.read(_MAX_DOCUMENT, refusals.malformed_xml())
    if asked != base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode():
        raise refusals.invalid_digest(asked)
    return body


@dataclass(frozen=True, slots=True)
class _Wanted:
    keys: tuple[str, ...]
    quiet: bool


def _wanted(body: bytes) -> _Wanted:
    root = request_document(body, "Delete", _NO_DELETE)
    objects = root.findall("Object")
    if not 1 <= len(objects) <= MAX_KEYS:
        raise refusals.malformed_xml()
    keys = tuple(each.findtext("Key") or "" for each in objects)
    if not all(keys):
        raise refusals.malformed_xml(_NO_KEY)
    for key in keys:
        if key_problem(key):
            raise refusals.invalid_object_name(key)
    # Of a bucket without versions every object is the version `null`.
    if any((each.findtext("VersionId") or "null") != "null" for each in objects):
        raise refusals.not_implemented("VersionId in DeleteMultipleObjects")
    return _Wanted(keys, (root.findtext("Quiet") or "").strip().lower() == "true")
