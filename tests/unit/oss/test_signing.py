"""Signatures against vectors that the vendor's own signers gave for made-up keys and one instant."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from worker.oss.names import ObjectRef
from worker.oss.request import Request, head_object
from worker.oss.signing import (
    Credentials,
    V4Signer,
    presign_v1,
    presign_v4,
    sign_v1,
    sign_v4,
    v1_string_to_sign,
    v4_canonical_request,
    v4_signature,
    v4_string_to_sign,
)

AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
DATE = "Sat, 01 Jun 2024 12:00:00 GMT"
ISO_DATE = "20240601T120000Z"
REGION = "cn-hangzhou"
SCOPE = "20240601/cn-hangzhou/oss/aliyun_v4_request"
ID = "LTAI5tFAKEaccessKeyId001"
SECRET = "FAKEsecretKEY/0123456789+abcdef"
TOKEN = "CAISfakeToken/with+slash=="
KEYS = Credentials(ID, SECRET)
TEMPORARY = Credentials(ID, SECRET, TOKEN)
HARD = "dir/sub dir/照片+1 (copy)&a=b%20?.jpg"
HARD_PATH = "/examplebucket/dir/sub%20dir/%E7%85%A7%E7%89%87%2B1%20%28copy%29%26a%3Db%2520%3F.jpg"
MD5, FORM = "6miaD9bDDPu//KNatciO2w==", "application/x-www-form-urlencoded"
CREDENTIAL = "x-oss-credential=LTAI5tFAKEaccessKeyId001%2F20240601%2Fcn-hangzhou%2Foss%2Faliyun_v4_request"
PRESIGNED = f"{CREDENTIAL}&x-oss-date=20240601T120000Z&x-oss-expires=3600"
LISTED = "continuation-token=CgJiYw--&encoding-type=url&list-type=2&max-keys=100&prefix=dir%2F"
VERSION = "x-oss-signature-version=OSS4-HMAC-SHA256"


@dataclass(frozen=True)
class Vector:
    """What is signed, and for each way of signing what the string to sign holds and the signature."""

    request: Request
    v1_header: tuple[str, str]
    v4_header: tuple[str, str, str]  # path and query, other headers, signature
    v1_query: tuple[str, str]
    v4_query: tuple[str, str]  # query, signature
    credentials: Credentials = KEYS


def post(key: str, name: str = "x-oss-process", *headers: tuple[str, str]) -> Request:
    return Request("POST", "examplebucket", key, ((name, ""),), headers)


VECTORS = {
    "plain": Vector(
        post("example.jpg"),
        ("/examplebucket/example.jpg?x-oss-process", "T685WTJPVPfgw4X5rJeAvp1E9bU="),
        (
            "/examplebucket/example.jpg\nx-oss-process",
            "",
            "bba3c2d5fe6fdc638d23ad8394c1d78ea9ac04bc5ebaee1cdd85e716ef0b77e7",
        ),
        ("/examplebucket/example.jpg?x-oss-process", "7p0hwdslSkh8zzdSnamGWV6sd/Q="),
        (
            f"{PRESIGNED}&x-oss-process&{VERSION}",
            "3dc6cf06b9372fbdd2bef678f8b2701686ef7dc1076512131e5899fa8336620f",
        ),
    ),
    "hard key": Vector(
        post(HARD),
        (f"/examplebucket/{HARD}?x-oss-process", "xHP/nPlA6KNLGGreTmW+r3fH5Fo="),
        (
            f"{HARD_PATH}\nx-oss-process",
            "",
            "33c0503d965d73814eafef04b2c48dba4bb1b9237aeae63904fba860cde88a50",
        ),
        (f"/examplebucket/{HARD}?x-oss-process", "64VKtjqs1Bzt3Ek+DKPl5DzO97c="),
        (
            f"{PRESIGNED}&x-oss-process&{VERSION}",
            "464dd36de41213408a9d52c47480787c6f503eab9f3f44bdf65c44f56fc4561a",
        ),
    ),
    "security token": Vector(
        post("example.jpg"),
        (
            "x-oss-security-token:CAISfakeToken/with+slash==\n/examplebucket/example.jpg?x-oss-process",
            "+6Sz6Uj2u/VsyZvWIR2UqnEpDDM=",
        ),
        (
            "/examplebucket/example.jpg\nx-oss-process",
            "x-oss-security-token:CAISfakeToken/with+slash==\n",
            "c37ea5b749819391102c8472a7302ad9c4fd446be1d654704c7e8e3ec3d1f1a3",
        ),
        (
            "/examplebucket/example.jpg?security-token=CAISfakeToken/with+slash==&x-oss-process",
            "LPg6DQH0X90xbfuOJewvJ2E37JY=",
        ),
        (
            f"{PRESIGNED}&x-oss-process&x-oss-security-token=CAISfakeToken%2Fwith%2Bslash%3D%3D&{VERSION}",
            "6a5163852e49f2819ced2d1245a8eac28b02e1a128e54e2846b300c03ca0bce7",
        ),
        TEMPORARY,
    ),
    "digest and content type": Vector(
        post("photos/a b.png", "x-oss-process", ("content-md5", MD5), ("content-type", FORM)),
        ("/examplebucket/photos/a b.png?x-oss-process", "tB+BNjPfe6fe756e9qb/Dd3bytU="),
        (
            "/examplebucket/photos/a%20b.png\nx-oss-process",
            "",
            "28f55d3d95bb5eecddf62e4a2f42d4ea04c5e9133a8dea4a9868206787d60e6a",
        ),
        ("/examplebucket/photos/a b.png?x-oss-process", "HM1AQ4OTl3TCYxuUwGzxLTr6bGw="),
        (
            f"{PRESIGNED}&x-oss-process&{VERSION}",
            "0efd3c983bc7087b0f55df4b202a8f26c96b02234dacf7caeb8b440913d4ddc6",
        ),
    ),
    "async": Vector(
        post("video.mp4", "x-oss-async-process"),
        ("/examplebucket/video.mp4?x-oss-async-process", "atQP8CqzHuRsD4Jzoqy4thXCpzg="),
        (
            "/examplebucket/video.mp4\nx-oss-async-process",
            "",
            "25b71adf6ee61b16a28a2a071706f1eb66fed978ba936b17397ec8119ba5e636",
        ),
        ("/examplebucket/video.mp4?x-oss-async-process", "oyH+D8PhTr5+tJNQOFg6cuFontk="),
        (
            f"x-oss-async-process&{PRESIGNED}&{VERSION}",
            "4d56936137e5740f59a2b86ef9fb453eaf0835a2b68110af746dba4f96794762",
        ),
    ),
    "get": Vector(
        Request("GET", "examplebucket", "example.jpg", (("x-oss-process", "image/resize,w_100"),)),
        ("/examplebucket/example.jpg?x-oss-process=image/resize,w_100", "qijMDcR2/ZHahYfwHKFbjbUlJ8o="),
        (
            "/examplebucket/example.jpg\nx-oss-process=image%2Fresize%2Cw_100",
            "",
            "99948af03fbc507a62c963676a8b67f02ebfcc7fa74537971751cfa4b23fdc26",
        ),
        ("/examplebucket/example.jpg?x-oss-process=image/resize,w_100", "JCkQMnZNJAC4K+w+6qkudqAGmro="),
        (
            f"{PRESIGNED}&x-oss-process=image%2Fresize%2Cw_100&{VERSION}",
            "e7cb09d73c356af0952503a376178e4d83b464b4e892845698bda6068523b489",
        ),
    ),
    "list": Vector(
        Request(
            "GET",
            "examplebucket",
            "",
            (
                ("list-type", "2"),
                ("prefix", "dir/"),
                ("encoding-type", "url"),
                ("max-keys", "100"),
                ("continuation-token", "CgJiYw--"),
            ),
        ),
        ("/examplebucket/?continuation-token=CgJiYw--", "tcb+0FOqGuQGZdMFc6QGcCdfH9U="),
        (
            f"/examplebucket/\n{LISTED}",
            "",
            "e549f75105a50f6066465836c49c01b3063c3c8095212f15315fcde5815855a2",
        ),
        ("/examplebucket/?continuation-token=CgJiYw--", "gnW3aArGqlJ37apri0uWtxKWi9c="),
        (
            f"{LISTED}&{PRESIGNED}&{VERSION}",
            "a1bdf9487782a34adcb4f8576b241cafd91f1a9210eb9850a495e124aff83a70",
        ),
    ),
}
EACH = pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)


def slots(request: Request) -> str:
    headers = dict(request.headers)
    return f"{request.method}\n{headers.get('content-md5', '')}\n{headers.get('content-type', '')}\n"


def without(request: Request, *names: str) -> Request:
    """What was signed: the request as it is now, without what the signature itself added."""
    headers = tuple(pair for pair in request.headers if pair[0] not in names)
    query = tuple(pair for pair in request.query if pair[0] not in names)
    return Request(request.method, request.bucket, request.key, query, headers)


@EACH
def test_a_v1_header_signature_is_the_vendors(vector: Vector) -> None:
    expected, signature = vector.v1_header
    signed = sign_v1(vector.request, vector.credentials, at=AT)
    assert v1_string_to_sign(signed, date=DATE) == f"{slots(vector.request)}{DATE}\n{expected}"
    assert dict(signed.headers)["date"] == DATE
    assert dict(signed.headers)["authorization"] == f"OSS {ID}:{signature}"
    assert signed.query == vector.request.query


@EACH
def test_a_v4_header_signature_is_the_vendors(vector: Vector) -> None:
    expected, more, signature = vector.v4_header
    signed = sign_v4(vector.request, vector.credentials, region=REGION, at=AT)
    given = "".join(f"{name}:{value}\n" for name, value in vector.request.headers)
    assert v4_canonical_request(signed) == (
        f"{vector.request.method}\n{expected}\n{given}x-oss-content-sha256:UNSIGNED-PAYLOAD\n"
        f"x-oss-date:{ISO_DATE}\n{more}\n\nUNSIGNED-PAYLOAD"
    )
    authorization = f"OSS4-HMAC-SHA256 Credential={ID}/{SCOPE},Signature={signature}"
    assert dict(signed.headers)["authorization"] == authorization
    assert signed.query == vector.request.query


@EACH
def test_a_v1_presigned_signature_is_the_vendors(vector: Vector) -> None:
    expected, signature = vector.v1_query
    signed = presign_v1(vector.request, vector.credentials, at=AT, expires_s=3600)
    plain = without(signed, "Signature", "Expires", "OSSAccessKeyId")
    assert v1_string_to_sign(plain, date="1717246800") == f"{slots(vector.request)}1717246800\n{expected}"
    query = dict(signed.query)
    assert (query["OSSAccessKeyId"], query["Expires"], query["Signature"]) == (ID, "1717246800", signature)
    assert signed.headers == vector.request.headers


@EACH
def test_a_v4_presigned_signature_is_the_vendors(vector: Vector) -> None:
    expected, signature = vector.v4_query
    signed = presign_v4(vector.request, vector.credentials, region=REGION, at=AT, expires_s=3600)
    plain = without(signed, "x-oss-signature")
    path = vector.v4_header[0].partition("\n")[0]
    given = "".join(f"{name}:{value}\n" for name, value in vector.request.headers)
    assert v4_canonical_request(plain) == (f"{vector.request.method}\n{path}\n{expected}\n{given}\n\nUNSIGNED-PAYLOAD")
    assert dict(signed.query)["x-oss-signature"] == signature
    assert signed.headers == vector.request.headers


def test_additional_headers_are_signed_and_named() -> None:
    request = post(HARD, "x-oss-process", ("host", "examplebucket.oss-cn-hangzhou.aliyuncs.com"))
    signed = sign_v4(request, KEYS, region=REGION, at=AT, additional_headers=["Host"])
    signature = "3389aabcc195d6b9751077ca331382e610eef61539a10c642af3512e041e3fc3"
    authorization = f"OSS4-HMAC-SHA256 Credential={ID}/{SCOPE},AdditionalHeaders=host,Signature={signature}"
    assert dict(signed.headers)["authorization"] == authorization
    assert v4_canonical_request(signed, ["Host"]) == (
        f"POST\n{HARD_PATH}\nx-oss-process\nhost:examplebucket.oss-cn-hangzhou.aliyuncs.com\n"
        f"x-oss-content-sha256:UNSIGNED-PAYLOAD\nx-oss-date:{ISO_DATE}\n\nhost\nUNSIGNED-PAYLOAD"
    )


def test_a_v4_signature_uses_the_key_of_its_day_and_region() -> None:
    # The last key of the chain, for the made-up secret on that day.
    key = bytes.fromhex("7217300f233265acae4f419fd9ae2ecb2b5fcf9f8b24775077435f07b8f06fe1")
    request = post("example.jpg")
    text = v4_string_to_sign(request, date=ISO_DATE, region=REGION)
    assert text.startswith(f"OSS4-HMAC-SHA256\n{ISO_DATE}\n{SCOPE}\n")
    expected = hmac.digest(key, text.encode(), "sha256").hex()
    assert v4_signature(request, SECRET, date=ISO_DATE, region=REGION) == expected


def test_the_signer_signs_as_the_function_does_whatever_it_has_kept() -> None:
    sign, noon = V4Signer("cn-hangzhou"), datetime(2026, 11, 23, 12, tzinfo=UTC)
    temporary = Credentials("id", "another secret", "a token")
    turns = [
        (Credentials("id", "secret"), noon),
        (Credentials("id", "secret"), noon + timedelta(microseconds=999_999)),
        (Credentials("id", "secret"), noon + timedelta(seconds=1)),
        (temporary, noon + timedelta(seconds=1)),
        (temporary, noon + timedelta(days=1)),
        (temporary, noon),  # a clock may be corrected backwards
    ]
    requests = [
        post("a.jpg"),
        post("照片 +%.jpg"),
        Request("GET"),
        Request("GET", "photos", query=(("b", "2 /"), ("a", ""), ("a", "1"))),
        post("a.jpg", "x-oss-process", ("content-type", "image/jpeg"), ("x-oss-meta-a", " b ")),
    ]
    for credentials, at in turns:
        for request in requests:
            assert sign(request, credentials, at) == sign_v4(request, credentials, region="cn-hangzhou", at=at)
    assert "a token" not in repr(vars(sign))
    assert "another secret" not in repr(vars(sign))


def test_the_payload_is_what_its_header_says() -> None:
    request = Request("PUT", "b", "k", headers=(("x-oss-content-sha256", "made-up-hash"),))
    assert v4_canonical_request(request).endswith("\nmade-up-hash")


@pytest.mark.parametrize(
    ("bucket", "key", "path"), [("", "", "/"), ("photos", "", "/photos/"), ("photos", "a/b", "/photos/a/b")]
)
def test_service_bucket_and_object_have_their_own_resource(bucket: str, key: str, path: str) -> None:
    request = Request("GET", bucket, key)
    assert v1_string_to_sign(request, date="d") == f"GET\n\n\nd\n{path}"
    assert v4_canonical_request(request) == f"GET\n{path}\n\n\n\nUNSIGNED-PAYLOAD"


def test_blanks_around_a_header_are_not_signed_but_those_of_other_scripts_are() -> None:
    # HTTP drops blanks and tabs around a value, and nothing else.
    request = Request("GET", "b", "k", headers=(("x-oss-meta-a", " \tone two\t "), ("x-oss-meta-b", "\u3000b\u00a0")))
    lines = "x-oss-meta-a:one two\nx-oss-meta-b:\u3000b\u00a0\n"
    assert lines in v1_string_to_sign(request, date="d")
    assert lines in v4_canonical_request(request)


def test_v1_signs_sub_resources_and_whatever_begins_with_x_oss_and_nothing_else() -> None:
    query = (("prefix", "p"), ("x-oss-traffic-limit", "1"), ("acl", ""), ("X-Oss-Process", "p"), ("x-oss", "1"))
    text = v1_string_to_sign(Request("GET", "b", "k", query), date="d")
    assert text.endswith("/b/k?acl&x-oss-traffic-limit=1")


def test_no_secret_is_in_the_repr_of_credentials() -> None:
    shown = repr(TEMPORARY)
    assert ID in shown
    assert SECRET not in shown
    assert TOKEN not in shown


def test_signing_leaves_the_request_itself_alone() -> None:
    request = head_object(ObjectRef("photos", "a.jpg"))
    sign_v4(request, TEMPORARY, region=REGION, at=AT)
    assert request == head_object(ObjectRef("photos", "a.jpg"))
