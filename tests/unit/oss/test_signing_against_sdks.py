"""Our signatures equal those of both official SDKs, for any request.

What the examples leave out, because there an SDK goes its own way and not that of the documentation:
- alibabacloud_oss_v2 with V1 sends the security token of a header signature in `security-token`, not in
  `x-oss-security-token`: with a token only oss2 is asked.
- alibabacloud_oss_v2 with V1 signs few sub-resources unless told, and `cloudboxes`, which nobody else knows: it is told
  which to sign, and `cloudboxes` is not drawn.
- oss2 with V1 signs only the `x-oss-*` parameters it knows, not all of them: only those are drawn.
- oss2 with V4 signs additional headers even where the request does not have them: only those it has are named.
- alibabacloud_oss_v2 with V4 leaves out additional headers without a value: only those that have one are named.
- Neither strips blanks from around the values of headers, which HTTP drops on the way: no value has any.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import alibabacloud_oss_v2
import oss2
import oss2.auth
import oss2.credentials
import oss2.http
import pytest
from alibabacloud_oss_v2.signer import SignerV1, SignerV4
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import examples
from worker.oss.encoding import percent
from worker.oss.request import Request
from worker.oss.signing import (
    V1_SIGNED,
    Credentials,
    presign_v1,
    presign_v4,
    sign_v1,
    sign_v4,
    v1_signature,
    v4_signature,
)

KNOWN_X_OSS = sorted(name for name in oss2.auth.ProviderAuth._subresource_key_set if name.startswith("x-oss-"))
# Parameters that a presigned URL itself brings; `security-token` is what V1 puts a token into.
OWN = {"security-token", "OSSAccessKeyId", "Expires", "Signature", "x-oss-additional-headers"}

TEXTS = st.text(max_size=20)
WORDS = st.text(alphabet="abcXYZ019-_.~", min_size=1, max_size=12)
# Of a header: no control characters, and no blanks at the ends.
HEADER_VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=20).filter(
    lambda value: value == value.strip(" \t")
)
NAMES = st.text(alphabet="abcdefxyz019-", min_size=1, max_size=8)
ADDITIONAL = ("host", "range", "cache-control", "if-match", "content-length", "zz-custom")
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "content-md5", "x-oss-object-acl", "user-agent", *ADDITIONAL])
    | NAMES.map("x-oss-meta-{}".format),
    HEADER_VALUES,
    max_size=5,
)
QUERIES = st.dictionaries(
    st.sampled_from(sorted((V1_SIGNED | set(KNOWN_X_OSS)) - OWN))
    | st.sampled_from(["prefix", "list-type", "max-keys", "encoding-type", "delimiter", "X-Oss-Process"])
    | st.text(min_size=1, max_size=8).filter(lambda name: name != "cloudboxes" and not name.startswith("x-oss-")),
    st.just("") | TEXTS,
    max_size=5,
).map(lambda query: {name: value for name, value in query.items() if name not in OWN})
KEYS = st.text(max_size=40) | st.text(alphabet="ab/.+% &?#=~照\n", max_size=20)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds have no zone


@dataclass(frozen=True)
class Case:
    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    keys: Credentials
    at: datetime
    region: str
    expires_s: int
    additional: tuple[str, ...]

    @property
    def request(self) -> Request:
        return Request(self.method, self.bucket, self.key, tuple(self.query.items()), tuple(self.headers.items()))


@st.composite
def cases(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Case:
    bucket = draw(st.just("") | st.text(alphabet="abc019-", min_size=3, max_size=10))
    headers = draw(HEADERS)
    token = draw(st.just("") | TEXTS.filter(lambda text: text == text.strip(" \t")))
    return Case(
        method=draw(st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])),
        bucket=bucket,
        key=draw(KEYS) if bucket else "",
        query=draw(QUERIES),
        headers=headers,
        keys=Credentials(draw(WORDS), draw(st.text(min_size=1, max_size=20)), token),
        at=draw(INSTANTS),
        region=draw(st.sampled_from(["cn-hangzhou", "us-west-1", "ap-southeast-1"]) | NAMES),
        expires_s=draw(st.integers(1, 604_800)),
        additional=tuple(
            draw(st.permutations([name for name in ADDITIONAL if headers.get(name)])) if draw(st.booleans()) else ()
        ),
    )


FULL = Case(
    "POST",
    "photos",
    "a/../照片 +%.jpg",
    {"x-oss-process": "", "response-content-language": "zh", "a b": "c/d", "acl": ""},
    {"content-type": "image/jpeg", "content-md5": "abc==", "x-oss-meta-a": "照", "range": "bytes=0-1", "host": "h"},
    Credentials("id", "secret", "token/+="),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    "cn-hangzhou",
    604_800,
    ("range", "host"),
)

# For each way of signing.
FIVE_HUNDRED = examples(500)


@contextmanager
def oss2_clock(at: datetime) -> Iterator[None]:
    """The clock of oss2, which has no parameter for it, stands still."""
    clock = SimpleNamespace(utcnow=lambda: at.replace(tzinfo=None))
    seconds = at.timestamp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oss2.auth, "datetime", clock)
        patch.setattr(oss2.auth, "time", SimpleNamespace(time=lambda: seconds))
        patch.setattr(oss2.utils, "http_date", lambda: oss2.utils.formatdate(int(seconds), usegmt=True))
        yield


def oss2_request(case: Case, query: dict[str, str] | None = None) -> Any:
    parameters = dict(case.query if query is None else query)
    return oss2.http.Request(
        case.method,
        "http://example.com/",
        params=parameters,
        headers=dict(case.headers),
        region=case.region,
        product="oss",
    )


def oss2_auth(kind: Any, case: Case) -> Any:
    keys = case.keys
    token = keys.security_token or None
    return kind(oss2.credentials.StaticCredentialsProvider(keys.access_key_id, keys.access_key_secret, token))


def v2_context(case: Case, *, presigned: bool) -> SigningContext:
    pairs = (f"{percent(name)}={percent(value)}" if value else percent(name) for name, value in case.query.items())
    query = "&".join(pairs)
    keys = case.keys
    context = SigningContext(
        product="oss",
        region=case.region,
        bucket=case.bucket or None,
        key=case.key or None,
        request=HttpRequest(case.method, "http://example.com/" + (f"?{query}" if query else "")),
        credentials=alibabacloud_oss_v2.credentials.Credentials(
            keys.access_key_id, keys.access_key_secret, keys.security_token or None
        ),
        signing_time=case.at,
        additional_headers=set(case.additional),
    )
    context.request.headers.update(case.headers)
    context.auth_method_query = presigned
    context.expiration_time = case.at + timedelta(seconds=case.expires_s)
    context.sub_resource = [name for name in case.query if name in V1_SIGNED or name.startswith("x-oss-")]
    return context


def v2_signed(case: Case, signer: Any, *, presigned: bool) -> Any:
    context = v2_context(case, presigned=presigned)
    signer.sign(context)
    return context.request


def decoded(url: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in urlsplit(url).query.split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def fields(authorization: str) -> dict[str, list[str]]:
    """The SDKs write the fields of a V4 authorization, and its list of headers, in different orders."""
    pairs = (field.strip().partition("=") for field in authorization.removeprefix("OSS4-HMAC-SHA256 ").split(","))
    return {name: sorted(value.split(";")) for name, _, value in pairs}


def test_the_sub_resources_of_v1_are_those_of_the_sdk() -> None:
    known = oss2.auth.ProviderAuth._subresource_key_set
    assert {name for name in known if not name.startswith("x-oss-")} == V1_SIGNED


@FIVE_HUNDRED
@given(cases())
@example(FULL)
def test_v4_header_signatures_equal_the_sdks(case: Case) -> None:
    signed = sign_v4(case.request, case.keys, region=case.region, at=case.at, additional_headers=case.additional)
    ours = dict(signed.headers)
    theirs = v2_signed(case, SignerV4(), presigned=False).headers
    assert ours["authorization"] == theirs["authorization"]
    for name in ("x-oss-date", "x-oss-content-sha256", "x-oss-security-token"):
        assert ours.get(name) == theirs.get(name)
    request = oss2_request(case)
    with oss2_clock(case.at):
        oss2_auth(oss2.auth.ProviderAuthV4, case)._sign_request(request, case.bucket, case.key, case.additional)
    assert fields(ours["authorization"]) == fields(request.headers["authorization"])
    for name in ("x-oss-date", "x-oss-content-sha256", "x-oss-security-token"):
        assert ours.get(name) == request.headers.get(name)


@FIVE_HUNDRED
@given(cases())
@example(FULL)
def test_v4_presigned_urls_equal_the_sdks(case: Case) -> None:
    theirs = decoded(v2_signed(case, SignerV4(), presigned=True).url)
    request = oss2_request(case)
    with oss2_clock(case.at):
        auth = oss2_auth(oss2.auth.ProviderAuthV4, case)
        url = auth._sign_url(request, case.bucket, case.key, case.expires_s, set(case.additional))
    assert decoded(url) == theirs
    if case.additional:
        # We presign none ourselves, but verify those of others.
        query = tuple((name, value) for name, value in theirs.items() if name != "x-oss-signature")
        received = Request(case.method, case.bucket, case.key, query, tuple(case.headers.items()))
        secret, date = case.keys.access_key_secret, theirs["x-oss-date"]
        signature = v4_signature(received, secret, date=date, region=case.region, additional_headers=case.additional)
        assert signature == theirs["x-oss-signature"]
    else:
        ours = presign_v4(case.request, case.keys, region=case.region, at=case.at, expires_s=case.expires_s)
        assert dict(ours.query) == theirs
        assert ours.headers == case.request.headers


@FIVE_HUNDRED
@given(cases(), st.booleans())
@example(FULL, False)
def test_v1_header_signatures_equal_the_sdks(case: Case, oss_date: bool) -> None:
    ours = dict(sign_v1(case.request, case.keys, at=case.at).headers)
    request = oss2_request(case)
    if oss_date:  # then it stands in the Date slot, and is signed among the headers, too
        request.headers["x-oss-date"] = "any text"
    with oss2_clock(case.at):
        oss2_auth(oss2.auth.ProviderAuth, case)._sign_request(request, case.bucket, case.key)
    theirs = request.headers["authorization"]
    assert ours["date"] == request.headers["date"]
    assert ours.get("x-oss-security-token") == request.headers.get("x-oss-security-token")
    if oss_date:
        token = (("x-oss-security-token", case.keys.security_token),) if case.keys.security_token else ()
        dated = case.request.with_headers(("x-oss-date", "any text"), *token)
        signature = v1_signature(dated, case.keys.access_key_secret, date="any text")
        assert theirs == f"OSS {case.keys.access_key_id}:{signature}"
        return
    assert ours["authorization"] == theirs
    if not case.keys.security_token:
        request = v2_signed(case, SignerV1(), presigned=False)
        assert ours["authorization"] == request.headers["authorization"]
        assert ours["date"] == request.headers["date"]


@FIVE_HUNDRED
@given(cases())
@example(FULL)
def test_v1_presigned_urls_equal_the_sdks(case: Case) -> None:
    ours = presign_v1(case.request, case.keys, at=case.at, expires_s=case.expires_s)
    request = oss2_request(case)
    with oss2_clock(case.at):
        url = oss2_auth(oss2.auth.ProviderAuth, case)._sign_url(request, case.bucket, case.key, case.expires_s)
    assert dict(ours.query) == decoded(url)
    assert dict(ours.query) == decoded(v2_signed(case, SignerV1(), presigned=True).url)
    assert ours.headers == case.request.headers
