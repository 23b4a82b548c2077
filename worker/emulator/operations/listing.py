"""ListObjectsV2: pages of keys in byte order."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.emulator import refusals
from worker.emulator.call import Answer, Call, blocking, xml_answer
from worker.emulator.operations.arguments import encoder, integer
from worker.emulator.operations.buckets import OWNER
from worker.emulator.store import Store, StoredObject
from worker.emulator.xml import branch, document, leaf


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
            # All keys below are one entry: go on behind them. UTF-8 has no byte 0xff, so adding one is enough.
            encoded = common.encode()
            keys = store.keys(bucket, prefix, encoded[:-1] + bytes([encoded[-1] + 1]))
        elif (stored := store.stat(bucket, key)) is not None:  # it may have gone since
            entries.append(stored)
    return Page(tuple(entries), None)


async def list_objects(call: Call) -> Answer:
    """A page of the objects of a bucket."""
    query = call.query
    limit = integer(query, "max-keys", low=1, high=1000, default=100)
    encode = encoder(query)
    await call.need_bucket(call.request.bucket)
    page = await blocking(
        page_of,
        call.store,
        call.request.bucket,
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        start=_start(query.get("continuation-token", ""), query.get("start-after", "")),
        limit=limit,
    )
    return xml_answer(_document(call, page, limit, encode))


def _start(token: str, start_after: str) -> bytes:
    if not token:
        # The least key that is greater.
        return start_after.encode() + b"\0" if start_after else b""
    try:
        return base64.b64decode(token.translate(_FROM_TOKEN), validate=True)
    except (binascii.Error, ValueError):
        message = "The continuation token you specified is not valid."
        raise refusals.invalid_argument("continuation-token", token, message) from None


_TO_TOKEN = str.maketrans("+/=", "_.-")  # nothing that a query would have to encode
_FROM_TOKEN = str.maketrans("_.-", "+/=")


def _document(call: Call, page: Page, limit: int, encode: Callable[[str], str]) -> bytes:
    query = call.query
    given = [leaf(tag, encode(query[name])) for name, tag in _ECHOED.items() if query.get(name)]
    token = query.get("continuation-token", "")
    following = base64.b64encode(page.following).decode().translate(_TO_TOKEN) if page.following is not None else ""
    owner = OWNER if query.get("fetch-owner") == "true" else ""
    return document(
        "ListBucketResult",
        leaf("Name", call.request.bucket),
        leaf("Prefix", encode(query.get("prefix", ""))),
        leaf("MaxKeys", str(limit)),
        *given,
        leaf("EncodingType", "url") if query.get("encoding-type") else "",
        leaf("IsTruncated", "true" if following else "false"),
        leaf("ContinuationToken", token) if token else "",
        leaf("NextContinuationToken", following) if following else "",
        leaf("KeyCount", str(len(page.entries))),
        *(_object(entry, encode, owner) for entry in page.entries if isinstance(entry, StoredObject)),
        *(branch("CommonPrefixes", leaf("Prefix", encode(entry))) for entry in page.entries if isinstance(entry, str)),
    )


_ECHOED = {"start-after": "StartAfter", "delimiter": "Delimiter"}


def _object(stored: StoredObject, encode: Callable[[str], str], owner: str) -> str:
    modified = datetime.fromtimestamp(stored.modified, UTC)
    return branch(
        "Contents",
        leaf("Key", encode(stored.key)),
        leaf("LastModified", modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")),
        leaf("ETag", f'"{stored.etag}"'),
        leaf("Type", stored.description.type),
        leaf("Size", str(stored.size)),
        leaf("StorageClass", "Standard"),
        owner,
    )
