"""Who sends a request: signatures computed again from what was received, and compared.

Sources: OSS, "Signature Version 4 (recommended)", "Add signatures to headers", "Add signatures to URLs"; pages of the
error codes 0002-00000069, -209, -210, -228, -232, -503, -504.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from worker.emulator import refusals
from worker.emulator.access.accounts import ANONYMOUS, Account
from worker.oss.answer import parse_http_date
from worker.oss.refusal import RefusedError
from worker.oss.request import Request
from worker.oss.signing import (
    MAX_EXPIRES_S,
    UNSIGNED,
    V4,
    v1_signature,
    v1_string_to_sign,
    v4_signature,
    v4_string_to_sign,
)

MAX_SKEW_S = 15 * 60
_CREDENTIAL = re.compile(r"([^/]+)/([0-9]{8})/([^/]*)/oss/aliyun_v4_request")
_EXPIRED = "0002-00000069"


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says of its sender, and how to find out whether it is true."""

    access_key_id: str
    provided: str
    token: str
    string_to_sign: str
    signature: Callable[[str], str]  # of a secret
    region: str = ""


def authenticate(
    request: Request, accounts: Mapping[str, Account], *, regions: Sequence[str], now: datetime
) -> tuple[Account, str]:
    """The account that signed a request, out of `accounts` by access key id; and the region that it was signed for.

    That region is one of `regions`, or empty: a V1 signature does not name one. Of a request that is not signed at all
    the account is `ANONYMOUS`.

    Raises:
        RefusedError: It is not signed by these, not for these regions, or not now.
    """
    claim = _claim(request, regions, now)
    if claim is None:
        return ANONYMOUS, ""
    account = accounts.get(claim.access_key_id)
    if account is None:
        raise refusals.invalid_access_key(claim.access_key_id)
    if account.disabled:
        raise refusals.disabled_access_key(claim.access_key_id)
    if not _same(account.credentials.security_token, claim.token):
        raise refusals.invalid_security_token()
    if not _same(claim.signature(account.credentials.access_key_secret), claim.provided):
        raise refusals.signature_does_not_match(claim.access_key_id, claim.provided, claim.string_to_sign)
    if account.expires is not None and now >= account.expires:
        raise refusals.security_token_expired()
    return account, claim.region


def _same(expected: str, provided: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(expected.encode(), provided.encode())


def _claim(request: Request, regions: Sequence[str], now: datetime) -> _Claim | None:
    headers, query = dict(request.headers), dict(request.query)
    authorization = headers.get("authorization", "")
    if authorization.startswith(f"{V4} "):
        return _v4_header(request, authorization.removeprefix(f"{V4} "), regions, now)
    if authorization.startswith("OSS "):
        return _v1_header(request, authorization.removeprefix("OSS "), now)
    if authorization:
        raise refusals.invalid_argument("Authorization", "", "The authorization type is not supported.")
    if "x-oss-signature" in query or "x-oss-signature-version" in query:
        return _v4_query(request, regions, now)
    if "Signature" in query or "OSSAccessKeyId" in query:
        return _v1_query(request, now)
    return None


def _v1_header(request: Request, text: str, now: datetime) -> _Claim:
    headers = dict(request.headers)
    access_key_id, _, provided = text.strip().rpartition(":")
    date = headers.get("x-oss-date") or headers.get("date", "")
    at = parse_http_date(date)
    if at is None:
        raise refusals.access_denied("OSS authentication requires a valid Date.", "0002-00000503")
    _check_skew(at, now)
    return _v1_claim(request, access_key_id, provided, headers.get("x-oss-security-token", ""), date)


def _v1_query(request: Request, now: datetime) -> _Claim:
    query = dict(request.query)
    expires = query.get("Expires", "")
    if not re.fullmatch(r"[0-9]{1,12}", expires, re.ASCII):
        raise refusals.access_denied("Query-string authentication requires a valid Expires.", "0002-00000503")
    if now.timestamp() > int(expires):
        raise _expired(datetime.fromtimestamp(int(expires), UTC), now)
    unsigned = _without(request, "Signature", "OSSAccessKeyId", "Expires")
    token = query.get("security-token", "")
    return _v1_claim(unsigned, query.get("OSSAccessKeyId", ""), query.get("Signature", ""), token, expires)


def _v1_claim(request: Request, access_key_id: str, provided: str, token: str, date: str) -> _Claim:
    return _Claim(
        access_key_id,
        provided,
        token,
        v1_string_to_sign(request, date=date),
        lambda secret: v1_signature(request, secret, date=date),
    )


def _v4_header(request: Request, text: str, regions: Sequence[str], now: datetime) -> _Claim:
    # SDKs differ: with a blank after the comma or without, the signature before the additional headers or after.
    fields = {name: value for name, _, value in (part.strip().partition("=") for part in text.split(","))}
    headers = dict(request.headers)
    date = headers.get("x-oss-date", "")
    _check_skew(_v4_time(date), now)
    if headers.get("x-oss-content-sha256") != UNSIGNED:
        raise refusals.invalid_argument("x-oss-content-sha256", "", f"x-oss-content-sha256 must be {UNSIGNED}.")
    signer = _v4_signer(fields.get("Credential", ""), date, regions)
    additional = _additional(fields.get("AdditionalHeaders"))
    token = headers.get("x-oss-security-token", "")
    return _v4_claim(request, signer, fields.get("Signature", ""), token, additional)


def _v4_query(request: Request, regions: Sequence[str], now: datetime) -> _Claim:
    query = dict(request.query)
    date = query.get("x-oss-date", "")
    _check_validity(_v4_time(date), query.get("x-oss-expires", ""), now)
    signer = _v4_signer(query.get("x-oss-credential", ""), date, regions)
    additional = _additional(query.get("x-oss-additional-headers"))
    token = query.get("x-oss-security-token", "")
    unsigned = _without(request, "x-oss-signature")
    return _v4_claim(unsigned, signer, query.get("x-oss-signature", ""), token, additional)


@dataclass(frozen=True, slots=True)
class _V4Signer:
    access_key_id: str
    date: str
    region: str


def _v4_claim(request: Request, signer: _V4Signer, provided: str, token: str, additional: tuple[str, ...]) -> _Claim:
    scope = {"date": signer.date, "region": signer.region}
    return _Claim(
        signer.access_key_id,
        provided,
        token,
        v4_string_to_sign(request, **scope, additional_headers=additional),
        lambda secret: v4_signature(request, secret, **scope, additional_headers=additional),
        signer.region,
    )


def _v4_signer(credential: str, date: str, regions: Sequence[str]) -> _V4Signer:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None or match[2] != date[:8]:
        message = f"The credential must be ID/{date[:8]}/{regions[0]}/oss/aliyun_v4_request."
        raise refusals.invalid_argument("Credential", credential, message)
    if match[3] not in regions:
        message = f"The signing region {match[3]} is not the region of the bucket, {' or '.join(regions)}."
        raise refusals.invalid_argument("Credential", credential, message, "0002-00000228")
    return _V4Signer(match[1], date, match[3])


def _additional(names: str | None) -> tuple[str, ...]:
    if names is None:
        return ()
    if not names:
        raise refusals.invalid_argument("AdditionalHeaders", names, "AdditionalHeaders is empty.", "0002-00000209")
    split = tuple(names.split(";"))
    if not all(split):
        message = "AdditionalHeaders names an empty header."
        raise refusals.invalid_argument("AdditionalHeaders", names, message, "0002-00000210")
    return split


def _v4_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise refusals.access_denied("OSS authentication requires a valid x-oss-date.", "0002-00000503") from None


def _check_validity(at: datetime, expires: str, now: datetime) -> None:
    if not re.fullmatch(r"[0-9]{1,6}", expires, re.ASCII) or not 1 <= int(expires) <= MAX_EXPIRES_S:
        message = f"x-oss-expires must be from 1 to {MAX_EXPIRES_S} seconds."
        raise refusals.invalid_argument("x-oss-expires", expires, message, "0002-00000232")
    # First: a date at the end of the calendar has no end of its validity.
    if (at - now).total_seconds() > MAX_SKEW_S:
        raise refusals.time_too_skewed(_shown(at), _shown(now))
    end = at + timedelta(seconds=int(expires))
    if now > end:
        raise _expired(end, now)


def _check_skew(at: datetime, now: datetime) -> None:
    if abs((at - now).total_seconds()) > MAX_SKEW_S:
        raise refusals.time_too_skewed(_shown(at), _shown(now))


def _expired(end: datetime, now: datetime) -> RefusedError:
    return refusals.access_denied("Request has expired.", _EXPIRED, Expires=_shown(end), ServerTime=_shown(now))


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _without(request: Request, *names: str) -> Request:
    return msgspec.structs.replace(request, query=tuple(pair for pair in request.query if pair[0] not in names))
