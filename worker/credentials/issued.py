"""Keys in the answers of issuers: STS, the metadata of a machine, and servers of one's own write the same fields."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.credentials.source import Lease
from worker.errors import StoppedError
from worker.oss.signing import Credentials

# Date and Expiration are whole seconds: up to one of the seconds between them may be gone.
_GRAIN_S = 1.0


def read_object(body: bytes, issuer: str) -> dict[str, Any]:
    """An answer that is a JSON object.

    Raises:
        StoppedError: It is none. What it is instead is not shown: it may hold a key.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        message = f"the answer of {issuer} is no JSON object"
        raise StoppedError(message)
    return found


def lease(fields: dict[str, Any], issuer: str, date: datetime | None, now: datetime) -> Lease:
    """The temporary key of an answer. `date` is the issuer's clock; without it this machine's, `now`, has to do.

    Raises:
        StoppedError: A field is missing or no text, or the key is no longer valid.
    """
    names = ("AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")
    values = [fields.get(name) for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
            message = f"the answer of {issuer} has no usable {name}"
            raise StoppedError(message)
    key_id, secret, token, expiration = map(str, values)
    expires = parse_time(expiration)
    if expires is None:
        message = f"the answer of {issuer} has an Expiration that is no time"
        raise StoppedError(message)
    return Lease(Credentials(key_id, secret, token), lifetime_s(expires, issuer, date, now))


def lifetime_s(expires: datetime, issuer: str, date: datetime | None, now: datetime) -> float | None:
    """How long a key is valid from now on, by the issuer's own clock where that is known.

    None where this machine's clock alone says that it is over: that clock may be wrong, and the service will tell.

    Raises:
        StoppedError: It is over.
    """
    left_s = (expires - (date or now)) / timedelta(seconds=1)
    if left_s > 0:
        return max(left_s - _GRAIN_S, left_s / 2)
    if date is None:
        return None
    message = f"the key from {issuer} has expired already"
    raise StoppedError(message)


def parse_time(text: str) -> datetime | None:
    """A time as issuers write it, `2026-11-23T08:00:00Z`; None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
