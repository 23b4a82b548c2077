"""ACL and tags of objects. Sources: OSS, the pages of each operation and of their error codes.

The bytes of the object and its time stay as they are (documented).
"""

from collections.abc import Callable
from dataclasses import replace

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.documents import request_document
from worker.emulator.operations.buckets import acl_answer
from worker.emulator.operations.writing import OBJECT_ACL, acl_in
from worker.emulator.store import Description, StoredObject, Tags
from worker.emulator.tags import checked_tags
from worker.emulator.xml import branch, document, leaf

_MAX_DOCUMENT = 64 << 10
_NO_TAGGING = "0010-00000103"


async def get_object_acl(call: Call) -> Answer:
    """Who may do what with an object; `default` where its bucket says it."""
    return acl_answer((await _stat(call)).description.acl)


async def put_object_acl(call: Call) -> Answer:
    """Say who may do what with an object."""
    if not call.headers.get(OBJECT_ACL):
        message = f"{OBJECT_ACL} is needed."
        raise refusals.invalid_argument(OBJECT_ACL, "", message, "0017-00000105")
    acl = acl_in(call.headers)
    await _describe(call, lambda description: replace(description, acl=acl))
    return Answer()


async def get_object_tagging(call: Call) -> Answer:
    """The tags of an object."""
    tags = (await _stat(call)).description.tags
    written = (branch("Tag", leaf("Key", key), leaf("Value", value)) for key, value in tags)
    return xml_answer(document("Tagging", branch("TagSet", *written)))


async def put_object_tagging(call: Call) -> Answer:
    """Give an object these tags in place of those it has."""
    tags = _tags(await call.read(_MAX_DOCUMENT, refusals.malformed_xml(_NO_TAGGING)))
    await _describe(call, lambda description: replace(description, tags=tags))
    return Answer()


async def delete_object_tagging(call: Call) -> Answer:
    """Take all tags away from an object."""
    await _describe(call, lambda description: replace(description, tags=()))
    return Answer(204)


def _tags(body: bytes) -> Tags:
    tag_set = request_document(body, "Tagging", _NO_TAGGING).find("TagSet")
    if tag_set is None:
        raise refusals.malformed_xml(_NO_TAGGING)
    return checked_tags((tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in tag_set.findall("Tag"))


async def _stat(call: Call) -> StoredObject:
    bucket = await call.need_bucket(call.request.bucket)
    stored = await blocking(call.store.stat, bucket.name, call.request.key)
    if stored is None:
        raise refusals.no_such_key(call.request.key)
    return stored


async def _describe(call: Call, change: Callable[[Description], Description]) -> None:
    bucket = await call.need_bucket(call.request.bucket)
    if await blocking(call.store.describe, bucket.name, call.request.key, change) is None:
        raise refusals.no_such_key(call.request.key)
