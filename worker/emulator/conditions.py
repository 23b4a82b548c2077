"""Conditions and ranges of a read. Sources: OSS, GetObject, "Range" and "conditional" request headers."""

import re
from collections.abc import Mapping

from worker.emulator import refusals
from worker.oss.answer import normal_etag, parse_http_date

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.ASCII)


def not_modified(headers: Mapping[str, str], etag: str, modified: float) -> bool:
    """Whether the answer is 304.

    Raises:
        RefusedError: 412, a condition that the client needs does not hold.
    """
    at = int(modified)  # dates in headers are whole seconds
    if "if-match" in headers:
        if not _names(headers["if-match"], etag):
            raise refusals.precondition_failed("If-Match")
    elif (since := _seconds(headers, "if-unmodified-since")) is not None and at > since:
        raise refusals.precondition_failed("If-Unmodified-Since")
    if "if-none-match" in headers:
        return _names(headers["if-none-match"], etag)
    since = _seconds(headers, "if-modified-since")
    return since is not None and at <= since


def byte_range(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for, None for the whole object.

    A range that is malformed or reaches beyond the object is ignored, unless the client asks for the standard
    behaviour with `x-oss-range-behavior: standard`. Several ranges are not supported by the service.
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if match is None or match[0] == "bytes=-":
        return None
    standard = headers.get("x-oss-range-behavior", "").lower() == "standard"
    if match[1]:
        first, last = int(match[1]), int(match[2]) if match[2] else size - 1
    else:
        first, last = size - int(match[2]), size - 1
    if 0 <= first <= last < size:
        return first, last
    if not standard or (match[2] and match[1] and int(match[2]) < int(match[1])):
        return None
    if first >= size:
        raise refusals.invalid_range(size)
    return max(first, 0), min(last, size - 1)


def _names(value: str, etag: str) -> bool:
    return value.strip() == "*" or normal_etag(etag) in {normal_etag(part) for part in value.split(",")}


def _seconds(headers: Mapping[str, str], name: str) -> float | None:
    """An unreadable date is no condition."""
    date = parse_http_date(headers.get(name, ""))
    return None if date is None else date.timestamp()
