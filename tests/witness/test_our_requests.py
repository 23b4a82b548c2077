"""Our builder, signatures and transport against the local OSS, in every way of signing and addressing."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from msgspec import structs
from PIL import Image

from tests.unit.oss.keys import HARD_KEYS
from tests.witness.conftest import KEYS, TEMPORARY
from worker import settings
from worker.emulator.store import Store, put
from worker.oss.answer import Answer, parse_bucket_info, parse_listing
from worker.oss.endpoint import Addressing, Endpoint, parse_endpoint
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request, bucket_info, head_object, list_objects, process_object
from worker.oss.signing import Credentials, presign_v1, presign_v4, sign_v1, sign_v4
from worker.oss.verdict import Failure, Saved, judge_error, judge_saved
from worker.transport import Transport

Sign = Callable[[Request, Credentials], Request]


def now() -> datetime:
    return datetime.now(UTC)


def v4(request: Request, keys: Credentials) -> Request:
    return sign_v4(request, keys, region="cn-hangzhou", at=now())


def v1(request: Request, keys: Credentials) -> Request:
    return sign_v1(request, keys, at=now())


def presigned_v4(request: Request, keys: Credentials) -> Request:
    return presign_v4(request, keys, region="cn-hangzhou", at=now(), expires_s=600)


def presigned_v1(request: Request, keys: Credentials) -> Request:
    return presign_v1(request, keys, at=now(), expires_s=600)


SIGNATURES: dict[str, Sign] = {"V4": v4, "V1": v1, "presigned V4": presigned_v4, "presigned V1": presigned_v1}


@dataclass(frozen=True)
class Wire:
    """A way to the local OSS: a transport and how it signs."""

    transport: Transport
    sign: Sign
    keys: Credentials = KEYS

    async def send(self, request: Request) -> Answer:
        answer = await self.transport.send(self.sign(request, self.keys))
        assert isinstance(answer, Answer), answer
        return answer

    async def process(self, source: ObjectRef, process: str, target: ObjectRef) -> object:
        answer = await self.send(process_object(source, saveas(process, target)))
        return judge_saved(answer, source.bucket, target)


@asynccontextmanager
async def transport_to(endpoint: Endpoint, proxy: str = "none") -> AsyncIterator[Transport]:
    async with Transport(endpoint, settings.Transport(proxy=proxy), settings.Timeout(), 2) as transport:
        yield transport


# Hosts of the service and of a custom domain lead to the local OSS by way of a proxy, which it is itself.
STYLES = {
    "path": Addressing.PATH,
    "virtual": "http://oss-cn-hangzhou.aliyuncs.com",
    "cname": "http://pictures.example.com",
}


@pytest.fixture(params=STYLES)
async def transport(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Transport]:
    host = {"path": url}.get(request.param, STYLES[request.param])
    endpoint = parse_endpoint(host, Addressing(request.param))
    async with transport_to(endpoint, "none" if request.param == "path" else url) as transport:
        yield transport


@pytest.fixture(params=SIGNATURES)
def wire(request: pytest.FixtureRequest, transport: Transport) -> Wire:
    return Wire(transport, SIGNATURES[request.param])


def opened(store: Store, target: ObjectRef) -> tuple[str | None, tuple[int, int]]:
    content = store.open(target.bucket, target.key)
    assert content is not None
    with content, Image.open(io.BytesIO(content.file.read())) as image:
        image.load()
        return image.format, image.size


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY], ids=["long-lived", "temporary"])
async def test_a_picture_is_processed_and_saved(wire: Wire, store: Store, jpeg: bytes, keys: Credentials) -> None:
    put(store, "photos", "dir/照片 +1.jpg", jpeg)
    source, target = ObjectRef("photos", "dir/照片 +1.jpg"), ObjectRef("renditions", "thumbs/(1) a&b=c.webp")
    wire = replace(wire, keys=keys)
    saved = await wire.process(source, "image/resize,w_100/format,webp", target)
    stored = store.stat(target.bucket, target.key)
    assert stored is not None
    assert isinstance(saved, Saved)
    assert saved.size == stored.size
    assert len(saved.request_id) == 24
    assert opened(store, target) == ("WEBP", (100, 75))
    assert (await wire.send(head_object(source))).headers["content-length"] == str(len(jpeg))


async def test_every_hard_key_can_be_a_source_and_a_target(wire: Wire, store: Store, jpeg: bytes) -> None:
    for key in HARD_KEYS:
        put(store, "photos", key, jpeg)
    for key in HARD_KEYS:
        source = ObjectRef("photos", key)
        assert (await wire.send(head_object(source))).status == 200, key
        if "{" in key:  # the service expands braces of a target, which the worker never sends
            continue
        saved = await wire.process(source, "image/rotate,90", ObjectRef("renditions", key))
        assert isinstance(saved, Saved), (key, saved)
        assert opened(store, ObjectRef("renditions", key)) == ("JPEG", (300, 400))


async def test_a_listing_and_the_bucket_info_are_read(wire: Wire, store: Store) -> None:
    for key in HARD_KEYS:
        put(store, "photos", key, b"x")
    keys: list[str] = []
    token = ""
    for page in range(5):
        answer = await wire.send(list_objects("photos", "", token, max_keys=6))
        listing = parse_listing(answer)
        keys += [item.key for item in listing.objects]
        token = listing.next_token
        assert bool(token) is (page < 3), page
        if not token:
            break
    assert keys == sorted(HARD_KEYS, key=str.encode)
    info = parse_bucket_info(await wire.send(bucket_info("photos")))
    assert (info.name, info.location) == ("photos", "oss-cn-hangzhou")


async def test_a_refusal_is_judged_as_what_it_is(wire: Wire, store: Store, jpeg: bytes) -> None:
    missing = await wire.process(ObjectRef("photos", "gone.jpg"), "image/rotate,90", ObjectRef("photos", "b.jpg"))
    assert isinstance(missing, Failure)
    assert (missing.http, missing.code, missing.permanent, missing.declined) == (404, "NoSuchKey", True, True)
    put(store, "photos", "a.jpg", jpeg)
    bad = await wire.process(ObjectRef("photos", "a.jpg"), "image/resize,w_0", ObjectRef("photos", "b.jpg"))
    assert isinstance(bad, Failure)
    assert (bad.http, bad.code, bad.ec) == (400, "InvalidArgument", "0040-00000312")
    headless = judge_error(await wire.send(head_object(ObjectRef("photos", "gone.jpg"))))
    assert (headless.http, headless.code) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (replace(KEYS, access_key_secret="another-secret"), "SignatureDoesNotMatch"),
        (replace(KEYS, access_key_id="unknown"), "InvalidAccessKeyId"),
        (replace(TEMPORARY, security_token="another-token"), "InvalidSecurityToken"),
        (replace(TEMPORARY, security_token=""), "InvalidSecurityToken"),
    ],
)
async def test_wrong_credentials_are_refused(
    wire: Wire, store: Store, jpeg: bytes, keys: Credentials, code: str
) -> None:
    put(store, "photos", "a.jpg", jpeg)
    wire = replace(wire, keys=keys)
    refused = await wire.process(ObjectRef("photos", "a.jpg"), "image/rotate,90", ObjectRef("photos", "b.jpg"))
    assert isinstance(refused, Failure)
    assert (refused.http, refused.code) == (403, code)
    assert store.stat("photos", "b.jpg") is None


@pytest.mark.parametrize("part", ["key", "query", "header"])
@pytest.mark.parametrize("sign", SIGNATURES.values(), ids=SIGNATURES)
async def test_what_was_signed_cannot_be_changed_on_the_way(url: str, store: Store, sign: Sign, part: str) -> None:
    put(store, "photos", "a.jpg", b"x")
    put(store, "photos", "b.jpg", b"x")
    plain = Request("GET", "photos", "a.jpg", (("acl-of", "1"), ("response-content-type", "image/png")))
    signed = sign(plain.with_headers(("x-oss-meta-a", "1")), KEYS)
    changed = {
        "key": structs.replace(signed, key="b.jpg"),
        "query": structs.replace(signed, query=tuple((k, v.replace("png", "gif")) for k, v in signed.query)),
        "header": structs.replace(
            signed, headers=tuple((k, "2" if k == "x-oss-meta-a" else v) for k, v in signed.headers)
        ),
    }[part]
    async with transport_to(parse_endpoint(url)) as transport:
        good, bad = await transport.send(signed), await transport.send(changed)
    assert isinstance(good, Answer)
    assert isinstance(bad, Answer)
    assert good.status == 200, good.body
    assert judge_error(bad).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("style", ["virtual", "cname"])
@pytest.mark.parametrize("sign", SIGNATURES.values(), ids=SIGNATURES)
async def test_the_host_header_alone_says_which_bucket_is_meant(
    url: str, store: Store, jpeg: bytes, sign: Sign, style: str
) -> None:
    # As it comes to a server without a proxy: the path only, the host in its header.
    put(store, "photos", "a/../b c.jpg", jpeg)
    endpoint = parse_endpoint(str(STYLES[style]), Addressing(style))
    target = ObjectRef("renditions", "b.jpg")
    request = process_object(ObjectRef("photos", "a/../b c.jpg"), saveas("image/rotate,90", target))
    request = sign(request, KEYS)
    host, _, path = endpoint.url(request).removeprefix("http://").partition("/")
    lines = [f"POST /{path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(request.body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + request.body)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert received.startswith(b"HTTP/1.1 200 "), received
    assert opened(store, target) == ("JPEG", (300, 400))


async def test_a_clock_that_is_off_is_told_so(url: str) -> None:
    late = datetime(2020, 1, 1, tzinfo=UTC)
    async with transport_to(parse_endpoint(url)) as transport:
        for signed in (
            sign_v4(head_object(ObjectRef("photos", "a")), KEYS, region="cn-hangzhou", at=late),
            sign_v1(head_object(ObjectRef("photos", "a")), KEYS, at=late),
        ):
            answer = await transport.send(signed)
            assert isinstance(answer, Answer)
            assert base64.b64decode(answer.headers["x-oss-err"]).startswith(b"<?xml")
            refused = judge_error(answer)
            assert (refused.http, refused.code, str(refused.remedy)) == (403, "RequestTimeTooSkewed", "clock")
            assert answer.date is not None
            assert abs((answer.date - now()).total_seconds()) < 60
