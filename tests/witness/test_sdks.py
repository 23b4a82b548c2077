"""The official SDKs find in the local OSS what they find in the service."""

import asyncio
import base64
import hashlib
import io
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TypeVar

import aiohttp
import pytest
from PIL import Image
from yarl import URL

from tests.unit.oss.keys import HARD_KEYS
from tests.witness.conftest import KEYS, TEMPORARY
from tests.witness.sdks import WITNESSES, Refused, SavedAs, Witness
from worker.emulator.store import Store
from worker.oss.names import ObjectRef
from worker.oss.process import saveas

T = TypeVar("T")


@pytest.fixture(params=WITNESSES)
async def witness(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Witness]:
    with ExitStack() as stack:
        yield stack.enter_context(WITNESSES[request.param](url, KEYS))


async def blocking(work: Callable[..., T], *args: object) -> T:
    return await asyncio.to_thread(work, *args)


def opened(data: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.format, image.size


async def test_an_object_is_put_read_in_whole_or_part_and_described(witness: Witness, store: Store) -> None:
    body = bytes(range(256)) * 20
    await blocking(witness.put, "dir/a.bin", body)
    stored = store.stat("photos", "dir/a.bin")
    assert stored is not None
    assert stored.size == len(body)
    assert await blocking(witness.get, "dir/a.bin") == body
    assert await blocking(witness.get_part, "dir/a.bin", 10, 299) == body[10:300]
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()
    assert await blocking(witness.head, "dir/a.bin") == (len(body), etag)


async def test_an_empty_object_is_an_object(witness: Witness) -> None:
    await blocking(witness.put, "empty", b"")
    assert await blocking(witness.get, "empty") == b""
    assert (await blocking(witness.head, "empty"))[0] == 0


async def test_what_is_deleted_is_gone(witness: Witness, store: Store) -> None:
    for key in ("dir/a b.jpg", "照片+1"):
        await blocking(witness.put, key, b"x")
        await blocking(witness.delete, key)
        assert store.stat("photos", key) is None
        await blocking(witness.delete, key)  # again: there is none


def dotted(key: str) -> bool:
    return any(segment in {".", ".."} for segment in key.split("/"))


async def test_hard_keys_are_put_listed_and_read(witness: Witness, store: Store) -> None:
    # A client that resolves dot segments on the way out cannot name such keys, here or at the service; and none can
    # name an object `..`, which every HTTP library takes for the folder above.
    keys = [key for key in HARD_KEYS if not dotted(key) or (witness.keeps_dot_segments and "/" in key)]
    keys = [key for key in keys if witness.reads_control_characters or "\x07" not in key]
    assert len(keys) >= len(HARD_KEYS) - 5
    for key in keys:
        await blocking(witness.put, key, key.encode())
    for key in keys:
        assert store.stat("photos", key) is not None, key
        assert await blocking(witness.get, key) == key.encode()
        assert (await blocking(witness.head, key))[0] == len(key.encode())
    listed = await blocking(witness.list, "", "", 7)
    assert listed.keys == sorted(keys, key=str.encode)
    assert listed.count == -(-len(keys) // 7)


async def test_a_listing_has_pages_a_delimiter_and_a_prefix(witness: Witness, store: Store) -> None:
    for key in ("a.jpg", "dir/b.jpg", "dir/c d+e.jpg", "dir/sub/f.jpg", "dir/sub/g.jpg", "dir/照片/h.jpg", "z.jpg"):
        await blocking(witness.put, key, b"x")
    top = await blocking(witness.list, "", "/", 1000)
    assert (top.keys, top.prefixes, top.count) == (["a.jpg", "z.jpg"], ["dir/"], 1)
    within = await blocking(witness.list, "dir/", "/", 1)
    assert within.keys == ["dir/b.jpg", "dir/c d+e.jpg"]
    assert within.prefixes == ["dir/sub/", "dir/照片/"]
    assert within.count == 4
    everything = await blocking(witness.list, "", "", 3)
    assert len(everything.keys) == 7
    assert everything.count == 3
    assert (await blocking(witness.list, "nothing/", "", 10)).keys == []


@pytest.mark.parametrize("key", ["a.jpg", "dir/照片 +1%20 (copy)&a=b?.jpg"])
async def test_a_presigned_url_needs_no_sdk(witness: Witness, key: str) -> None:
    await blocking(witness.put, key, b"before")
    read = await blocking(witness.presign, "GET", key)
    write = await blocking(witness.presign, "PUT", key)

    def with_urllib() -> bytes:
        with urllib.request.urlopen(read, timeout=30) as answer:  # noqa: S310 - our own loopback URL
            body: bytes = answer.read()
            return body

    assert await blocking(with_urllib) == b"before"
    async with aiohttp.ClientSession() as session:
        # Content-Type is signed, and the URL was signed without one.
        put = session.put(URL(write, encoded=True), data=b"after", skip_auto_headers=["Content-Type"])
        async with put as answer:
            assert answer.status == 200
        async with session.get(URL(read, encoded=True)) as answer:
            assert await answer.read() == b"after"
        async with session.get(URL(read[:-1], encoded=True)) as answer:
            assert answer.status == 403
            assert b"<Code>SignatureDoesNotMatch</Code>" in await answer.read()


async def test_a_picture_is_processed_on_its_way_out(witness: Witness, jpeg: bytes) -> None:
    await blocking(witness.put, "a.jpg", jpeg)
    small = await blocking(witness.get_processed, "a.jpg", "image/resize,w_100/format,webp")
    assert opened(small) == ("WEBP", (100, 75))
    assert await blocking(witness.get, "a.jpg") == jpeg


async def test_a_style_is_a_process(witness: Witness, store: Store, jpeg: bytes) -> None:
    store.put_style("photos", "small", "image/resize,w_40/format,png")
    await blocking(witness.put, "a.jpg", jpeg)
    assert opened(await blocking(witness.get_processed, "a.jpg", "style/small")) == ("PNG", (40, 30))
    saved = await blocking(witness.process, "a.jpg", saveas("style/small", ObjectRef("renditions", "b.png")))
    assert (saved.bucket, saved.key, saved.status) == ("renditions", "b.png", "OK")


@pytest.mark.parametrize("bucket", ["photos", "renditions"])
@pytest.mark.parametrize("key", ["thumbs/a.png", "小 图+(1)?.png"])
async def test_a_picture_is_processed_and_saved(
    witness: Witness, store: Store, jpeg: bytes, bucket: str, key: str
) -> None:
    await blocking(witness.put, "a b.jpg", jpeg)
    process = saveas("image/resize,m_fill,w_100,h_100/format,png", ObjectRef(bucket, key))
    saved = await blocking(witness.process, "a b.jpg", process)
    content = store.open(bucket, key)
    assert content is not None
    with content:
        data = content.file.read()
    assert opened(data) == ("PNG", (100, 100))
    assert saved == SavedAs(bucket, key, len(data), "OK")


async def test_a_bucket_that_is_not_named_is_that_of_the_source(witness: Witness, store: Store, jpeg: bytes) -> None:
    # In the spelling of the SDKs' own samples: standard alphabet, padded.
    await blocking(witness.put, "a.jpg", jpeg)
    target = base64.b64encode(b"???>~.jpg").decode()
    assert "/" in target
    saved = await blocking(witness.process, "a.jpg", f"image/rotate,90|sys/saveas,o_{target}")
    assert (saved.bucket, saved.key) == ("", "???>~.jpg")
    content = store.open("photos", "???>~.jpg")
    assert content is not None
    with content:
        assert opened(content.file.read()) == ("JPEG", (300, 400))


async def test_a_refusal_is_one_that_the_sdk_can_read(witness: Witness, jpeg: bytes) -> None:
    with pytest.raises(Refused) as missing:
        await blocking(witness.get, "missing.jpg")
    assert (missing.value.http, missing.value.code) == (404, "NoSuchKey")
    assert missing.value.ec == "0026-00000001"
    with pytest.raises(Refused) as headless:  # a HEAD says it in a header
        await blocking(witness.head, "missing.jpg")
    assert headless.value.http == 404
    await blocking(witness.put, "a.jpg", jpeg)
    with pytest.raises(Refused) as bad:
        await blocking(witness.process, "a.jpg", saveas("image/resize,w_0", ObjectRef("photos", "b.jpg")))
    assert bad.value == Refused(400, "InvalidArgument", "The value: 0 of parameter: w is invalid.", "0040-00000312")
    with pytest.raises(Refused) as nowhere:
        await blocking(witness.process, "a.jpg", saveas("image/rotate,90", ObjectRef("not-there", "b.jpg")))
    assert (nowhere.value.code, nowhere.value.message) == ("NoSuchBucket", "The specified bucket does not exist.")


@pytest.mark.parametrize("name", WITNESSES)
async def test_a_wrong_secret_is_refused(name: str, url: str, store: Store) -> None:
    wrong = replace(KEYS, access_key_secret="another-secret")
    with WITNESSES[name](url, wrong) as witness, pytest.raises(Refused) as caught:
        await blocking(witness.put, "a.jpg", b"x")
    assert (caught.value.http, caught.value.code) == (403, "SignatureDoesNotMatch")
    assert store.stat("photos", "a.jpg") is None
    with WITNESSES[name](url, replace(KEYS, access_key_id="unknown")) as witness, pytest.raises(Refused) as unknown:
        await blocking(witness.put, "a.jpg", b"x")
    assert (unknown.value.http, unknown.value.code) == (403, "InvalidAccessKeyId")


@pytest.mark.parametrize("name", WITNESSES)
async def test_temporary_credentials_work_with_their_token_only(name: str, url: str, jpeg: bytes) -> None:
    with WITNESSES[name](url, TEMPORARY) as witness:
        await blocking(witness.put, "a.jpg", jpeg)
        saved = await blocking(witness.process, "a.jpg", saveas("image/rotate,90", ObjectRef("photos", "b.jpg")))
        assert saved.status == "OK"
        async with (
            aiohttp.ClientSession() as session,
            session.get(URL(witness.presign("GET", "b.jpg"), encoded=True)) as answer,
        ):
            assert opened(await answer.read()) == ("JPEG", (300, 400))
    with WITNESSES[name](url, replace(TEMPORARY, security_token="expired")) as witness, pytest.raises(Refused) as old:
        await blocking(witness.get, "a.jpg")
    assert (old.value.http, old.value.code) == (403, "InvalidSecurityToken")
