"""ListObjects and ListObjectsV2: pages of keys in byte order. Sources: OSS, the pages of both."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.operations.arguments import encoder, integer
from worker.emulator.operations.buckets import OWNER
from worker.emulator.store import Store, StoredObject
from worker.emulator.xml import branch, document, leaf, time_leaf
from worker.oss.encoding import percent

_MAX_NAME = 1023  # bytes of a prefix, marker or delimiter


@dataclass(frozen=True, slots=True)
class Page:
    """Objects and common prefixes, in one order; `following` is where the next page starts, None on the last."""

    entries: tuple[StoredObject | str, ...]
    following: bytes | None


def page_of(store: Store, bucket: str, *, prefix: str, delimiter: str, start: bytes, limit: int) -> Page:
    """Up to `limit` entries from the key `start` on. Reads keys only as far as the page goes."""
    entries: list[StoredObject | str] = []
    keys = store.keys(bucket, prefix, start)
    while (key := next(keys, None)) is not None:
        if len(entries) == limit:
            return Page(tuple(entries), key.encode())
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end >= 0:
            common = key[: end + len(delimiter)]
            entries.append(common)
            keys = store.keys(bucket, prefix, _behind(common))  # all keys below are one entry
        elif (stored := store.stat(bucket, key)) is not None:  # it may have gone since
            entries.append(stored)
    return Page(tuple(entries), None)


def _behind(common: str) -> bytes:
    """Where the keys below a common prefix end. UTF-8 has no byte 0xff, so adding one is enough."""
    encoded = common.encode()
    return encoded[:-1] + bytes([encoded[-1] + 1])


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What both listings are asked in the same way. `encode` is how names are written into the answer."""

    prefix: str
    delimiter: str
    limit: int
    encode: Callable[[str], str]


async def list_objects(call: Call) -> Answer:
    """A page of the objects of a bucket, after `marker`."""
    wanted, marker = _wanted(call.query, "marker"), call.query.get("marker", "")
    page = await _page(call, wanted, _after_marker(marker, wanted))
    encode = wanted.encode
    return xml_answer(
        document(
            "ListBucketResult",
            leaf("Name", call.request.bucket),
            leaf("Prefix", encode(wanted.prefix)),
            leaf("Marker", encode(marker)),
            leaf("MaxKeys", str(wanted.limit)),
            leaf("Delimiter", encode(wanted.delimiter)),
            _encoding(wanted),
            _truncated(page),
            # Wherever a page ends before the listing does, not only with a delimiter as elsewhere.
            leaf("NextMarker", encode(_name(page.entries[-1]))) if page.following is not None else "",
            *_entries(page, encode, OWNER),
        )
    )


async def list_objects_v2(call: Call) -> Answer:
    """A page of the objects of a bucket, from a token on."""
    query = call.query
    wanted, token = _wanted(query, "start-after"), query.get("continuation-token", "")
    page = await _page(call, wanted, _start(token, query.get("start-after", "")))
    following = base64.b64encode(page.following).decode().translate(_TO_TOKEN) if page.following is not None else ""
    return xml_answer(
        document(
            "ListBucketResult",
            leaf("Name", call.request.bucket),
            leaf("Prefix", wanted.encode(wanted.prefix)),
            leaf("MaxKeys", str(wanted.limit)),
            *(leaf(tag, wanted.encode(query[name])) for name, tag in _ECHOED.items() if query.get(name)),
            _encoding(wanted),
            _truncated(page),
            leaf("ContinuationToken", token) if token else "",
            leaf("NextContinuationToken", following) if following else "",
            leaf("KeyCount", str(len(page.entries))),
            *_entries(page, wanted.encode, OWNER if query.get("fetch-owner") == "true" else ""),
        )
    )


_ECHOED = {"start-after": "StartAfter", "delimiter": "Delimiter"}


def _wanted(query: Mapping[str, str], after: str) -> _Wanted:
    """`after` names the parameter with the key to begin behind."""
    limit = integer(query, "max-keys", low=1, high=1000, default=100)
    encode = encoder(query)
    for name in ("prefix", "delimiter", after):
        if len(query.get(name, "").encode()) > _MAX_NAME:
            message = f"The length of {name} must be less than {_MAX_NAME + 1} bytes."
            raise refusals.invalid_argument(name, query[name], message)
    return _Wanted(query.get("prefix", ""), query.get("delimiter", ""), limit, encode)


async def _page(call: Call, wanted: _Wanted, start: bytes) -> Page:
    await call.need_bucket(call.request.bucket)
    return await blocking(
        page_of,
        call.store,
        call.request.bucket,
        prefix=wanted.prefix,
        delimiter=wanted.delimiter,
        start=start,
        limit=wanted.limit,
    )


def _after_marker(marker: str, wanted: _Wanted) -> bytes:
    """Where the page after a marker starts: behind all that is one entry with it, where it is a common prefix."""
    delimiter = wanted.delimiter
    end = marker.find(delimiter, len(wanted.prefix)) if delimiter and marker.startswith(wanted.prefix) else -1
    is_common = end >= 0 and end + len(delimiter) == len(marker)
    return _behind(marker) if is_common else _after(marker)


def _after(key: str) -> bytes:
    """The least key that is greater."""
    return key.encode() + b"\0" if key else b""


def _start(token: str, start_after: str) -> bytes:
    if not token:
        return _after(start_after)
    try:
        return base64.b64decode(token.translate(_FROM_TOKEN), validate=True)
    except (binascii.Error, ValueError):
        message = "The continuation token you specified is not valid."
        raise refusals.invalid_argument("continuation-token", token, message) from None


_TO_TOKEN = str.maketrans("+/=", "_.-")  # nothing that a query would have to encode
_FROM_TOKEN = str.maketrans("_.-", "+/=")


def _encoding(wanted: _Wanted) -> str:
    return leaf("EncodingType", "url") if wanted.encode is percent else ""


def _truncated(page: Page) -> str:
    return leaf("IsTruncated", "true" if page.following is not None else "false")


def _entries(page: Page, encode: Callable[[str], str], owner: str) -> list[str]:
    objects = [_object(entry, encode, owner) for entry in page.entries if isinstance(entry, StoredObject)]
    prefixes = [entry for entry in page.entries if isinstance(entry, str)]
    return [*objects, *(branch("CommonPrefixes", leaf("Prefix", encode(prefix))) for prefix in prefixes)]


def _name(entry: StoredObject | str) -> str:
    return entry if isinstance(entry, str) else entry.key


def _object(stored: StoredObject, encode: Callable[[str], str], owner: str) -> str:
    return branch(
        "Contents",
        leaf("Key", encode(stored.key)),
        time_leaf("LastModified", stored.modified),
        leaf("ETag", f'"{stored.etag}"'),
        leaf("Type", stored.description.type),
        leaf("Size", str(stored.size)),
        leaf("StorageClass", "Standard"),
        owner,
    )
