"""Uploads in parts. Sources: OSS, InitiateMultipartUpload and the pages of the operations that follow it."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from worker.emulator import multipart, refusals
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.conditions import byte_range
from worker.emulator.documents import request_document
from worker.emulator.multipart import MultipartUpload, Part
from worker.emulator.operations.arguments import encoder, integer
from worker.emulator.operations.copying import COPY_SOURCE, find_source, headers_of_source, opened_source
from worker.emulator.operations.writing import (
    MAX_OBJECT,
    check_write,
    checksums,
    content_md5,
    described,
    guard_of,
    receive,
)
from worker.emulator.store import Guard, ObjectType, StoredObject, pour
from worker.emulator.xml import branch, document, leaf, time_leaf
from worker.oss.answer import normal_etag
from worker.oss.names import ObjectRef

_MAX_DOCUMENT = 2 << 20  # bytes; 10,000 parts take some 1.2 MB
_MALFORMED = "0042-00000205"  # EC of a document that is none (a mock of an SDK's tests has it)
_SOURCE_IS_SYMLINK = "0042-00000308"  # documented as refused; code and message are a guess
_COMPLETE_ALL = "x-oss-complete-all"


async def initiate_multipart_upload(call: Call) -> Answer:
    """Begin an upload. The headers that describe the object are given here."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "InitiateMultipartUpload", bucket)
    if "sequential" in call.query:
        raise refusals.not_implemented("the argument sequential of InitiateMultipartUpload")
    encode = encoder(call.query)
    description, guard = described(call), guard_of(call)
    if guard is not None:
        guard(await blocking(call.store.stat, bucket.name, call.request.key))
    now = call.service.clock()
    # Ids are in the order in which they were given.
    upload_id = f"{int(now * 1_000_000):016X}{secrets.token_hex(8).upper()}"
    upload = MultipartUpload(bucket.name, call.request.key, upload_id, now, description)
    await blocking(multipart.initiate, call.store, upload)
    return xml_answer(
        document("InitiateMultipartUploadResult", *_identity(call, upload, encode), leaf("UploadId", upload_id))
    )


async def upload_part(call: Call) -> Answer:
    """Take a part. One with the same number is replaced."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "UploadPart", bucket)
    number = _part_number(call)
    with _refusing(call, "0042-00000104"):
        part = await blocking(multipart.begin_part, call.store, await _find(call), number)
        try:
            await receive(call, part)
            stored = await blocking(multipart.commit_part, part)
        finally:
            await blocking(part.discard)
    return Answer(headers=(*checksums(stored), ("Content-MD5", content_md5(stored.digest.etag))))


async def upload_part_copy(call: Call) -> Answer:
    """Take a part from an object, or from a range of it."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "UploadPartCopy", bucket)
    number = _part_number(call)
    with _refusing(call, "0042-00000311"):
        upload = await _find(call)
        source = await find_source(call, "UploadPartCopy", bucket)
        copied = await blocking(_copy_part, call, source, upload, number)
    if copied is None:
        return Answer(304)
    stored, content_range = copied
    result = document("CopyPartResult", time_leaf("LastModified", stored.modified), leaf("ETag", f'"{stored.etag}"'))
    headers = (("Content-Type", "application/xml"), *checksums(stored), *content_range)
    return Answer(headers=headers, body=result)


async def complete_multipart_upload(call: Call) -> Answer:
    """Make the parts the object."""
    bucket = await call.need_bucket(call.request.bucket)
    check_write(call, "CompleteMultipartUpload", bucket)
    encode, guard = encoder(call.query), guard_of(call)
    wanted = _wanted(call.headers, await call.read(_MAX_DOCUMENT))
    with _refusing(call):
        upload = await _find(call)
        stored = await blocking(_complete, call, upload, wanted, guard)
    result = document(
        "CompleteMultipartUploadResult",
        leaf("Location", _location(call)),
        *_identity(call, upload, encode),
        leaf("ETag", f'"{stored.etag}"'),
    )
    return Answer(headers=(("Content-Type", "application/xml"), *checksums(stored)), body=result)


async def abort_multipart_upload(call: Call) -> Answer:
    """Give an upload up."""
    await call.need_bucket(call.request.bucket)
    with _refusing(call, "0042-00000002"):
        await blocking(multipart.abort, call.store, await _find(call))
    return Answer(204)


async def list_parts(call: Call) -> Answer:
    """The parts of an upload by their numbers, page by page."""
    await call.need_bucket(call.request.bucket)
    encode = encoder(call.query)
    limit = integer(call.query, "max-parts", low=1, high=1000, default=1000)
    marker = integer(call.query, "part-number-marker", low=0, high=999_999_999, default=0)
    with _refusing(call):
        upload = await _find(call)
        parts = await blocking(multipart.parts_of, call.store, upload)
    following = [number for number in parts if number > marker]
    page = following[:limit]
    return xml_answer(
        document(
            "ListPartsResult",
            *_identity(call, upload, encode),
            leaf("UploadId", upload.id),
            leaf("StorageClass", "Standard"),
            leaf("PartNumberMarker", str(marker)),
            leaf("NextPartNumberMarker", str(page[-1] if page else marker)),
            leaf("MaxParts", str(limit)),
            leaf("IsTruncated", str(len(following) > limit).lower()),
            *(_part(number, parts[number]) for number in page),
        )
    )


async def list_multipart_uploads(call: Call) -> Answer:
    """The uploads under way in a bucket by key and id, page by page."""
    query = call.query
    encode = encoder(query)
    limit = integer(query, "max-uploads", low=1, high=1000, default=1000)
    await call.need_bucket(call.request.bucket)
    entries = list(_entries(await blocking(multipart.uploads_of, call.store, call.request.bucket), query))
    page = entries[:limit]
    last = page[-1] if page else ""
    uploads = [entry for entry in page if isinstance(entry, MultipartUpload)]
    prefixes = [entry for entry in page if isinstance(entry, str)]
    return xml_answer(
        document(
            "ListMultipartUploadsResult",
            leaf("EncodingType", "url") if query.get("encoding-type") else "",
            leaf("Bucket", call.request.bucket),
            leaf("KeyMarker", encode(query.get("key-marker", ""))),
            leaf("UploadIdMarker", query.get("upload-id-marker", "")),
            leaf("NextKeyMarker", encode(last.key if isinstance(last, MultipartUpload) else last)),
            leaf("NextUploadIdMarker", last.id if isinstance(last, MultipartUpload) else ""),
            leaf("Delimiter", encode(query.get("delimiter", ""))),
            leaf("Prefix", encode(query.get("prefix", ""))),
            leaf("MaxUploads", str(limit)),
            leaf("IsTruncated", str(len(entries) > limit).lower()),
            *(_upload(upload, encode) for upload in uploads),
            *(branch("CommonPrefixes", leaf("Prefix", encode(prefix))) for prefix in prefixes),
        )
    )


async def _find(call: Call) -> MultipartUpload:
    request = call.request
    return await blocking(multipart.find, call.store, request.bucket, request.key, call.query.get("uploadId", ""))


def _part_number(call: Call) -> int:
    number = integer(call.query, "partNumber", low=1, high=multipart.MAX_PART, default=0)
    if not number:
        raise refusals.invalid_argument("partNumber", "", "A part needs the argument partNumber.")
    return number


def _copy_part(
    call: Call, source: ObjectRef, upload: MultipartUpload, number: int
) -> tuple[StoredObject, tuple[tuple[str, str], ...]] | None:
    with opened_source(call, source) as content:
        if content is None:
            return None
        if content.stored.description.type is ObjectType.SYMLINK:  # its own bytes are none
            message = "The source object of UploadPartCopy can not be a symlink."
            raise refusals.invalid_argument(COPY_SOURCE, call.headers[COPY_SOURCE], message, _SOURCE_IS_SYMLINK)
        size = content.stored.size
        wanted = byte_range(headers_of_source(call), size)
        first, last = wanted or (0, size - 1)
        part = multipart.begin_part(call.store, upload, number)
        try:
            pour(content, part, first, last - first + 1)
            stored = multipart.commit_part(part)
        finally:
            part.discard()
        return stored, ((("Content-Range", f"bytes {first}-{last}/{size}"),) if wanted else ())


def _complete(call: Call, upload: MultipartUpload, wanted: Sequence[Part] | None, guard: Guard | None) -> StoredObject:
    try:
        return multipart.complete(call.store, upload, wanted, guard, MAX_OBJECT)
    except multipart.PartOrderError:
        raise refusals.invalid_part_order() from None
    except multipart.NoPartError as error:
        raise refusals.invalid_part(error.number) from None
    except multipart.SmallPartError as error:
        raise refusals.entity_too_small(error.size, multipart.MIN_SIZE, error.number) from None
    except multipart.LargeObjectError:
        raise refusals.too_large(MAX_OBJECT) from None


@contextmanager
def _refusing(call: Call, ec: str = "") -> Iterator[None]:
    """Tell that there is no such upload; only some ECs are known."""
    try:
        yield
    except multipart.NoUploadError:
        raise refusals.no_such_upload(call.query.get("uploadId", ""), ec) from None


def _wanted(headers: Mapping[str, str], body: bytes) -> list[Part] | None:
    """The parts that a request names, None where it wants all there are."""
    value = headers.get(_COMPLETE_ALL, "")
    if value.lower() == "yes":
        if body:
            message = "Should not speficy both complete all header and http body."  # recorded, with its slip
            raise refusals.invalid_argument(_COMPLETE_ALL, value, message, "0042-00000216")
        return None
    parts = []
    for element in request_document(body, "CompleteMultipartUpload", _MALFORMED).iter("Part"):
        number, etag = element.findtext("PartNumber", "").strip(), element.findtext("ETag", "")
        if not (number.isascii() and number.isdecimal() and len(number) <= 9 and etag):
            raise refusals.malformed_xml(_MALFORMED)
        parts.append(Part(int(number), normal_etag(etag)))
    if not parts:
        raise refusals.malformed_xml(_MALFORMED)
    return parts


def _location(call: Call) -> str:
    host, bucket = call.headers.get("host", ""), call.request.bucket
    place = host if host.startswith(f"{bucket}.") else f"{host}/{bucket}"
    return f"http://{place}/{quote(call.request.key)}"


def _identity(call: Call, upload: MultipartUpload, encode: Callable[[str], str]) -> list[str]:
    return [
        leaf("EncodingType", "url") if call.query.get("encoding-type") else "",
        leaf("Bucket", upload.bucket),
        leaf("Key", encode(upload.key)),
    ]


def _entries(uploads: Sequence[MultipartUpload], query: Mapping[str, str]) -> Iterator[MultipartUpload | str]:
    """Uploads and common prefixes behind the markers, in order."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    key_marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
    common = ""
    for upload in uploads:
        if not upload.key.startswith(prefix):
            continue
        end = upload.key.find(delimiter, len(prefix)) if delimiter else -1
        name = upload.key if end < 0 else upload.key[: end + len(delimiter)]
        if end >= 0 and name != common and name.encode() > key_marker.encode():
            common = name
            yield common
        elif end < 0 and _is_behind(upload, key_marker, id_marker):
            yield upload


def _is_behind(upload: MultipartUpload, key_marker: str, id_marker: str) -> bool:
    if upload.key == key_marker and id_marker:
        return upload.id > id_marker
    return upload.key.encode() > key_marker.encode()


def _upload(upload: MultipartUpload, encode: Callable[[str], str]) -> str:
    return branch(
        "Upload",
        leaf("Key", encode(upload.key)),
        leaf("UploadId", upload.id),
        leaf("StorageClass", "Standard"),
        time_leaf("Initiated", upload.initiated),
    )


def _part(number: int, stored: StoredObject) -> str:
    return branch(
        "Part",
        leaf("PartNumber", str(number)),
        time_leaf("LastModified", stored.modified),
        leaf("ETag", f'"{stored.etag}"'),
        leaf("HashCrc64ecma", str(stored.digest.crc64)),
        leaf("Size", str(stored.size)),
    )
