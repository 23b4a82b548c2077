"""Signatures of OSS: version 4 and version 1, in the Authorization header or in a presigned URL.

The functions that compute a signature are shared with the local OSS, which feeds them what it received.
Sources: OSS, "Signature Version 4 (recommended)", "Add signatures to headers", "Add signatures to URLs".
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime

from worker.oss.encoding import percent_path, percent_query
from worker.oss.request import Request

V4 = "OSS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_BLANK = " \t"  # what HTTP drops around the value of a header (RFC 9110, 5.5), and nothing else
MAX_EXPIRES_S = 604_800  # of a V4 presigned URL; more is EC 0002-00000232

# Sub-resources and overrides that take part in a V1 signature, beside every `x-oss-*` parameter.
V1_SIGNED = frozenset(
    """
    accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead bucketInfo callback callback-var
    cname comp continuation-token cors delete encryption endTime group httpsConfig inventory inventoryId lifecycle
    link live location logging metaQuery objectInfo objectMeta partNumber policy position publicAccessBlock qos
    qosInfo qosRequester redundancyTransition referer regionList replication replicationLocation
    replicationProgress requestPayment requesterQosInfo resourceGroup resourcePool resourcePoolBuckets
    resourcePoolInfo response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore security-token sequential startTime
    stat status style styleName symlink tagging transferAcceleration uploadId uploads versionId versioning versions
    vod website worm wormExtend wormId
    """.split()  # noqa: SIM905 - a list of seventy names is read as words, not as literals
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, with its security token where it is a temporary one. The repr holds no secret."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


def sign_v4(
    request: Request, credentials: Credentials, *, region: str, at: datetime, additional_headers: Sequence[str] = ()
) -> Request:
    """The request with all headers of a V4 header signature. `at` is in UTC, `region` is like `cn-hangzhou`."""
    date = v4_date(at)
    request = request.with_headers(("x-oss-content-sha256", UNSIGNED), ("x-oss-date", date))
    if credentials.security_token:
        request = request.with_headers(("x-oss-security-token", credentials.security_token))
    signature = v4_signature(
        request, credentials.access_key_secret, date=date, region=region, additional_headers=additional_headers
    )
    additional = f",AdditionalHeaders={v4_additional(additional_headers)}" if additional_headers else ""
    credential = f"{credentials.access_key_id}/{v4_scope(date, region)}"
    return request.with_headers(("authorization", f"{V4} Credential={credential}{additional},Signature={signature}"))


class V4Signer:
    """Signs as `sign_v4` does, at a fraction of its cost: what requests of one second have in common is kept."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._common: _Common | None = None

    def __call__(self, request: Request, credentials: Credentials, at: datetime) -> Request:
        """The request with all headers of a V4 header signature. `at` is in UTC."""
        if request.headers:  # which may have to be signed, too
            return sign_v4(request, credentials, region=self._region, at=at)
        common = self._common
        # The credentials may have been renewed since the last request.
        if common is None or common.credentials is not credentials or not common.since <= at < common.until:
            common = self._common = _common(credentials, self._region, at)
        path = percent_path(f"/{request.bucket}/{request.key}" if request.bucket else "/")
        query = percent_query(request.query, ordered=True)
        canonical = f"{request.method}\n{path}\n{query}\n{common.canonical_end}"
        signature = common.signing.copy()
        signature.update(hashlib.sha256(canonical.encode()).hexdigest().encode())
        return request.with_headers(
            *common.headers, ("authorization", f"{common.authorization}{signature.hexdigest()}")
        )


@dataclass(frozen=True, slots=True)
class _Common:
    """What the signatures of requests without headers of their own have in common, for a second.

    `signing` is the HMAC of the day's key, which has read the string to sign up to the hash of the canonical request.
    """

    credentials: Credentials
    since: datetime
    until: datetime
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    canonical_end: str = field(repr=False)
    signing: hmac.HMAC
    authorization: str


def _common(credentials: Credentials, region: str, at: datetime) -> _Common:
    date = v4_date(at)
    scope = v4_scope(date, region)
    headers = [("x-oss-content-sha256", UNSIGNED), ("x-oss-date", date)]
    if credentials.security_token:
        headers.append(("x-oss-security-token", credentials.security_token))
    signed = "".join(f"{name}:{value.strip(_BLANK)}\n" for name, value in headers)
    since = at.replace(microsecond=0)
    begun = f"{V4}\n{date}\n{scope}\n".encode()
    return _Common(
        credentials,
        since,
        until=since + timedelta(seconds=1),
        headers=tuple(headers),
        canonical_end=f"{signed}\n\n{UNSIGNED}",
        signing=hmac.new(_v4_key(credentials.access_key_secret, scope), begun, "sha256"),
        authorization=f"{V4} Credential={credentials.access_key_id}/{scope},Signature=",
    )


def presign_v4(request: Request, credentials: Credentials, *, region: str, at: datetime, expires_s: int) -> Request:
    """The request with a V4 signature in its query, valid for `expires_s` seconds (1 to 604,800) from `at`."""
    date = v4_date(at)
    request = request.with_query(
        ("x-oss-signature-version", V4),
        ("x-oss-credential", f"{credentials.access_key_id}/{v4_scope(date, region)}"),
        ("x-oss-date", date),
        ("x-oss-expires", str(expires_s)),
    )
    if credentials.security_token:
        request = request.with_query(("x-oss-security-token", credentials.security_token))
    signature = v4_signature(request, credentials.access_key_secret, date=date, region=region)
    return request.with_query(("x-oss-signature", signature))


def sign_v1(request: Request, credentials: Credentials, *, at: datetime) -> Request:
    """The request with all headers of a V1 header signature. `at` is in UTC."""
    date = format_datetime(at, usegmt=True)
    request = request.with_headers(("date", date))
    if credentials.security_token:
        request = request.with_headers(("x-oss-security-token", credentials.security_token))
    signature = v1_signature(request, credentials.access_key_secret, date=date)
    return request.with_headers(("authorization", f"OSS {credentials.access_key_id}:{signature}"))


def presign_v1(request: Request, credentials: Credentials, *, at: datetime, expires_s: int) -> Request:
    """The request with a V1 signature in its query, valid for `expires_s` seconds from `at`."""
    expires = str(int(at.timestamp()) + expires_s)
    if credentials.security_token:
        request = request.with_query(("security-token", credentials.security_token))
    signature = v1_signature(request, credentials.access_key_secret, date=expires)
    return request.with_query(
        ("OSSAccessKeyId", credentials.access_key_id), ("Expires", expires), ("Signature", signature)
    )


def v4_date(at: datetime) -> str:
    """The value of `x-oss-date`."""
    return at.strftime("%Y%m%dT%H%M%SZ")


def v4_scope(date: str, region: str) -> str:
    """What follows the access key id in a V4 credential. `date` is an `x-oss-date` value."""
    return f"{date[:8]}/{region}/oss/aliyun_v4_request"


def v4_additional(names: Sequence[str]) -> str:
    """The list of additionally signed headers as it is written and signed."""
    return ";".join(sorted(name.lower() for name in names))


def v4_signature(
    request: Request, secret: str, *, date: str, region: str, additional_headers: Sequence[str] = ()
) -> str:
    """The V4 signature in hex. The query of a presigned request goes in without its `x-oss-signature`."""
    text = v4_string_to_sign(request, date=date, region=region, additional_headers=additional_headers)
    return hmac.digest(_v4_key(secret, v4_scope(date, region)), text.encode(), "sha256").hex()


def _v4_key(secret: str, scope: str) -> bytes:
    """The key of a day, a region and an access key."""
    key = f"aliyun_v4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def v4_string_to_sign(request: Request, *, date: str, region: str, additional_headers: Sequence[str] = ()) -> str:
    """What a V4 signature signs."""
    hashed = hashlib.sha256(v4_canonical_request(request, additional_headers).encode()).hexdigest()
    return f"{V4}\n{date}\n{v4_scope(date, region)}\n{hashed}"


def v4_canonical_request(request: Request, additional_headers: Sequence[str] = ()) -> str:
    """The canonical request of V4. The bucket is part of the path however the request is addressed."""
    path = percent_path(f"/{request.bucket}/{request.key}" if request.bucket else "/")
    query = percent_query(request.query, ordered=True)
    additional = {name.lower() for name in additional_headers}
    headers = "".join(
        f"{name}:{value.strip(_BLANK)}\n"
        for name, value in sorted(request.headers)
        if name in ("content-type", "content-md5") or name.startswith("x-oss-") or name in additional
    )
    payload = dict(request.headers).get("x-oss-content-sha256", UNSIGNED)
    return f"{request.method}\n{path}\n{query}\n{headers}\n{v4_additional(additional_headers)}\n{payload}"


def v1_signature(request: Request, secret: str, *, date: str) -> str:
    """The V1 signature in base64. `date` stands in the Date slot: a Date, an `x-oss-date` or an `Expires` value.

    The query of a presigned request goes in without `OSSAccessKeyId`, `Expires` and `Signature`.
    """
    text = v1_string_to_sign(request, date=date)
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def v1_string_to_sign(request: Request, *, date: str) -> str:
    """What a V1 signature signs. The key is not percent-encoded, values of the query are decoded."""
    headers = dict(request.headers)
    oss_headers = "".join(
        f"{name}:{value.strip(_BLANK)}\n" for name, value in sorted(request.headers) if name.startswith("x-oss-")
    )
    signed = sorted(pair for pair in request.query if pair[0] in V1_SIGNED or pair[0].startswith("x-oss-"))
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    resource = (f"/{request.bucket}/{request.key}" if request.bucket else "/") + (f"?{query}" if query else "")
    slots = (request.method, headers.get("content-md5", ""), headers.get("content-type", ""), date)
    return "\n".join(slots) + f"\n{oss_headers}{resource}"
