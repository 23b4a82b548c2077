"""Answers of OSS as values, and what the bodies of the operations say."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError  # types only: parsing is defusedxml's

import msgspec
from defusedxml import DefusedXmlException, ElementTree

from worker.oss.content import Content
from worker.oss.refusal import Refusal

_MAX_OBJECT_BYTES = 48_800_000_000_000  # OSS, "Limits"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came over HTTP, before it is judged. Names of headers are lower-case.

    `content` is in place of the body where a request keeps what is answered, and succeeds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    content: Content | None = None

    @property
    def request_id(self) -> str:
        """The service's name for this request, empty where it gave none."""
        return self.headers.get("x-oss-request-id", "")

    @property
    def date(self) -> datetime | None:
        """The service's clock when it answered, to the second; None where it is missing or unreadable."""
        return parse_http_date(self.headers.get("date", ""))


class UnreadableAnswerError(ValueError):
    """The body of a good answer is not what the operation is documented to answer."""


class Processed(msgspec.Struct, frozen=True, gc=False):
    """The body of a process with saveas. `bucket` is empty where the request did not name it (recorded)."""

    bucket: str
    key: str
    size: int | None
    status: str


class _ProcessedBody(msgspec.Struct, gc=False):
    bucket: str
    key: str = msgspec.field(name="object")
    status: str
    size: Any = msgspec.field(name="fileSize", default=None)


_PROCESSED = msgspec.json.Decoder(_ProcessedBody)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An entry of a listing; `size` in bytes."""

    key: str
    etag: str
    size: int
    modified: datetime | None
    storage_class: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of ListObjectsV2; `next_token` is empty on the last page."""

    objects: tuple[ListedObject, ...]
    next_token: str


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """What GetBucketInfo says: `location` is like `oss-cn-hangzhou`."""

    name: str
    location: str
    extranet_endpoint: str
    versioning: str


@lru_cache(maxsize=16)  # the answers of a second have one Date, and parsing takes longer than all else that is judged
def parse_http_date(text: str) -> datetime | None:
    """An RFC 1123 date in UTC, None where it is not one."""
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def parse_timestamp(text: str) -> datetime | None:
    """An ISO 8601 timestamp such as `2020-05-18T05:45:43.000Z` in UTC, None where it is not one."""
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def normal_etag(text: str) -> str:
    """An etag without quotes and weakness mark, ASCII letters in upper case; otherwise it is opaque."""
    bare = text.strip().removeprefix("W/").strip('"')
    if bare.isascii():
        return bare.upper()
    return "".join(letter.upper() if letter.isascii() else letter for letter in bare)


def parse_error(answer: Answer) -> Refusal:
    """What an error answer says, whatever form it takes: XML, JSON, or XML in `x-oss-err` where there is no body.

    An answer without a readable body, say of a proxy, has the code `HttpNNN`.
    """
    body = answer.body or _header_body(answer)
    fields = _json_fields(body) if body.lstrip()[:1] == b"{" else _xml_fields(body)
    return Refusal(
        http=answer.status,
        code=fields.get("Code") or f"Http{answer.status}",
        message=" ".join(fields.get("Message", "").split()),  # one line, whatever the service sends
        ec=fields.get("EC") or answer.headers.get("x-oss-ec", ""),
        action=fields.get("AuthAction", ""),
        endpoint=fields.get("Endpoint", ""),
    )


def parse_processed(answer: Answer) -> Processed:
    """The body of a process with saveas.

    Raises:
        UnreadableAnswerError: It is not the documented JSON object.
    """
    try:
        found = _PROCESSED.decode(answer.body)
    except (ValueError, RecursionError) as error:
        message = f"not the JSON of a saved picture: {answer.body[:80]!r}"
        raise UnreadableAnswerError(message) from error
    size = found.size if type(found.size) is int else None
    if not 0 <= (size or 0) <= _MAX_OBJECT_BYTES:
        message = f"not the JSON of a saved picture: {answer.body[:80]!r}"
        raise UnreadableAnswerError(message)
    return Processed(found.bucket, found.key, size, found.status)


def parse_listing(answer: Answer) -> Listing:
    """A page of ListObjectsV2, asked for with `encoding-type=url`.

    Raises:
        UnreadableAnswerError: It is not the documented XML.
    """
    root = _root(answer.body, "ListBucketResult")
    # Only what was asked to be encoded is: a server that ignores encoding-type says so by leaving it out.
    decode = unquote if _text(root, "EncodingType") == "url" else str
    try:
        objects = tuple(_listed(element, decode(_text(element, "Key"))) for element in root.iterfind("Contents"))
    except ValueError as error:
        message = f"not the XML of a listing: {error}"
        raise UnreadableAnswerError(message) from error
    truncated = _text(root, "IsTruncated") == "true"
    token = decode(_text(root, "NextContinuationToken"))
    if truncated and not token:
        message = "a listing that goes on has no NextContinuationToken"
        raise UnreadableAnswerError(message)
    return Listing(objects, token if truncated else "")


def parse_bucket_info(answer: Answer) -> BucketInfo:
    """The body of GetBucketInfo.

    Raises:
        UnreadableAnswerError: It is not the documented XML.
    """
    bucket = _root(answer.body, "BucketInfo").find("Bucket")
    if bucket is None:
        message = "a BucketInfo without a Bucket"
        raise UnreadableAnswerError(message)
    names = ("Name", "Location", "ExtranetEndpoint", "Versioning")
    return BucketInfo(*(_text(bucket, name) for name in names))


def parse_style(answer: Answer) -> str:
    """What a style stands for: the content in the body of GetStyle.

    Raises:
        UnreadableAnswerError: It is not the documented XML.
    """
    content = _text(_root(answer.body, "Style"), "Content")
    if not content:
        message = "a Style without Content"
        raise UnreadableAnswerError(message)
    return content


def _in_utc(moment: datetime) -> datetime:
    # A time without a zone is UTC: astimezone() alone would take it for local time.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _listed(element: Element, key: str) -> ListedObject:
    return ListedObject(
        key=key,
        etag=normal_etag(_text(element, "ETag")),
        size=int(_text(element, "Size")),
        modified=parse_timestamp(_text(element, "LastModified")),
        storage_class=_text(element, "StorageClass"),
    )


def _root(body: bytes, name: str) -> Element:
    try:
        root: Element = ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        message = f"not XML: {body[:80]!r}"
        raise UnreadableAnswerError(message) from error
    if root.tag.rpartition("}")[2] != name:
        message = f"expected {name}, found {root.tag}"
        raise UnreadableAnswerError(message)
    return root


def _text(element: Element, name: str) -> str:
    return element.findtext(name) or ""


def _header_body(answer: Answer) -> bytes:
    try:
        return base64.b64decode(answer.headers.get("x-oss-err", ""))
    except ValueError:
        return b""


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    # Some operations wrap the fields as the XML does.
    inner = document.get("Error", document)
    return dict(_strings(inner)) if isinstance(inner, dict) else {}


def _strings(document: dict[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in document.items() if isinstance(value, str))


def _xml_fields(body: bytes) -> dict[str, str]:
    try:
        root: Element = ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return {}
    # What RAM says of a refusal stands in an element of its own.
    return {element.tag: element.text or "" for element in (*root, *root.iterfind("AccessDeniedDetail/AuthAction"))}
