"""Styles: put, got, listed, deleted, used; judged by the official SDKs too."""

import asyncio
from pathlib import Path

import alibabacloud_oss_v2 as oss
import oss2
import pytest
from defusedxml import ElementTree

from tests.emulator.client import KEYS, Client
from tests.emulator.pictures import jpeg, opened
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import Store, put
from worker.oss.answer import Answer
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request

SMALL = "image/resize,w_50/format,png"


def refused(answer: Answer) -> tuple[int, str | None, str | None]:
    root = ElementTree.fromstring(answer.body)
    return answer.status, root.findtext("Code"), root.findtext("EC")


async def put_style(client: Client, name: str, content: str | bytes, bucket: str = "photos") -> Answer:
    body = content if isinstance(content, bytes) else f"<Style><Content>{content}</Content></Style>".encode()
    return await client.send(Request("PUT", bucket, "", (("style", ""), ("styleName", name)), (), body))


async def get_style(client: Client, name: str) -> Answer:
    return await client.get("photos", "", ("style", ""), ("styleName", name))


@pytest.mark.parametrize("kind", ["memory", "folder"])
async def test_both_official_sdks_put_get_list_and_delete_styles(kind: str, tmp_path: Path) -> None:
    store: Store = MemoryStore() if kind == "memory" else FolderStore(tmp_path)
    store.make_bucket("photos")
    async with LocalOSS(store, [KEYS]) as server:
        old, new = await asyncio.to_thread(_by_both_sdks, server.url)
    assert old == [("b", "image/rotate,90"), ("small.1", SMALL)]
    assert new == [("b", "image/rotate,90", "image")]
    assert store.styles("photos") == []


def _by_both_sdks(url: str) -> tuple[list[tuple[str, str]], list[tuple[str, str, str]]]:
    bucket = oss2.Bucket(oss2.Auth(KEYS.access_key_id, KEYS.access_key_secret), url, "photos")
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(KEYS.access_key_id, KEYS.access_key_secret)
    config.region, config.endpoint = "cn-hangzhou", url
    client = oss.Client(config)
    bucket.put_bucket_style("small.1", SMALL)
    client.put_style(
        oss.PutStyleRequest(bucket="photos", style_name="b", style=oss.StyleContent(content="image/rotate,90"))
    )
    assert client.get_style(oss.GetStyleRequest(bucket="photos", style_name="small.1")).style.content == SMALL
    got = bucket.get_bucket_style("b")
    assert (got.name, got.content) == ("b", "image/rotate,90")
    assert oss2.http_to_unixtime(got.last_modify_time) > 0
    old = [(style.name, style.content) for style in bucket.list_bucket_style().styles]
    client.delete_style(oss.DeleteStyleRequest(bucket="photos", style_name="small.1"))
    listed = client.list_style(oss.ListStyleRequest(bucket="photos")).style_list.styles
    new = [(style.name, style.content, style.category) for style in listed]
    bucket.delete_bucket_style("b")
    bucket.delete_bucket_style("b")  # again: there is none
    return old, new


async def test_a_style_is_used_by_get_post_and_saveas(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a.jpg", jpeg())
    assert (await put_style(client, "small", SMALL)).status == 200
    bodies = [
        (await client.get("photos", "a.jpg", ("x-oss-process", "style/small"))).body,
        (await client.process("photos", "a.jpg", "style/small")).body,
    ]
    answer = await client.process("photos", "a.jpg", saveas("style/small", ObjectRef("photos", "out")))
    assert answer.status == 200
    content = store.open("photos", "out")
    assert content is not None
    for body in [*bodies, content.file.read()]:
        image = opened(body)
        assert (image.format, image.size) == ("PNG", (50, 38))


async def test_pipes_are_counted_over_all_that_styles_chain(client: Client, store: MemoryStore) -> None:
    put(store, "photos", "a.jpg", jpeg())
    assert (await put_style(client, "three", "image/bright,1|image/bright,1|image/bright,1")).status == 200
    for process, status in (
        ("style/three|style/three", 200),
        ("image/bright,1|style/three|style/three", 400),
        ("style/three|style/three|style/three", 400),
    ):
        answers = [
            await client.get("photos", "a.jpg", ("x-oss-process", process)),
            await client.process("photos", "a.jpg", saveas(process, ObjectRef("photos", "out"))),
        ]
        assert [answer.status for answer in answers] == [status, status], process
        if status == 400:
            assert {refused(answer) for answer in answers} == {(400, "TooManyPipes", "0040-00000211")}


async def test_a_style_that_is_not_there_is_not_found(client: Client) -> None:
    assert refused(await get_style(client, "gone")) == (404, "NoSuchStyle", None)
    assert b"The style you get is not found." in (await get_style(client, "gone")).body
    missing = await put_style(client, "small", SMALL, bucket="missing")
    assert refused(missing) == (404, "NoSuchBucket", "0015-00000101")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../../x", ".", "..", "照片", "n" * 64])
async def test_names_are_letters_digits_and_a_few_signs(client: Client, store: MemoryStore, name: str) -> None:
    answer = await put_style(client, name, SMALL)
    assert refused(answer) == (400, "InvalidArgument", "0017-00000251")
    assert f"The value: {name} of parameter: stylename is invalid." in answer.body.decode()
    assert store.styles("photos") == []


@pytest.mark.parametrize(
    "content",
    ["", "resize,w_100", "style/other", saveas(SMALL, ObjectRef("photos", "x")), f"{SMALL};", f"{SMALL}?x", "image/"],
)
async def test_a_style_holds_actions_on_pictures_and_nothing_else(client: Client, content: str) -> None:
    assert refused(await put_style(client, "small", content)) == (400, "BadRequest", "0017-00000253")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Style>",
        b"<Other><Content>image/rotate,90</Content></Other>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="nobody-knows"?><Style/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Style><Content>&x;</Content></Style>',
        b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;">]><Style><Content>&y;</Content></Style>',
    ],
)
async def test_what_is_no_style_document_is_malformed(client: Client, store: MemoryStore, body: bytes) -> None:
    assert refused(await put_style(client, "small", body)) == (400, "MalformedXML", "0015-00000231")
    assert store.styles("photos") == []


async def test_a_document_with_the_namespace_of_the_sdks_is_read(client: Client, store: MemoryStore) -> None:
    body = b'<Style xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"><Content>image/rotate,90</Content></Style>'
    assert (await put_style(client, "turned", body)).status == 200
    assert [style.content for style in store.styles("photos")] == ["image/rotate,90"]


async def test_a_bucket_has_at_most_fifty_styles_and_any_of_them_can_be_changed(client: Client) -> None:
    for index in range(50):
        assert (await put_style(client, f"s{index}", SMALL)).status == 200
    assert (await put_style(client, "s51", SMALL)).status == 400
    assert (await put_style(client, "s0", "image/rotate,90")).status == 200
    assert b"image/rotate,90" in (await get_style(client, "s0")).body


def test_styles_made_by_hand_are_seen_and_what_cannot_be_one_is_not(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.make_bucket("bucket")
    store.put_style("bucket", "small", SMALL)
    folder = tmp_path / "bucket/.oss/styles"
    assert (folder / "small").read_text() == SMALL
    (folder / "by-hand").write_text("image/rotate,90\n")
    (folder / "no style").write_text("image/rotate,90\n")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(folder / "small")
    (folder / "not-utf-8").write_bytes(b"\xff")
    assert [(style.name, style.content) for style in store.styles("bucket")] == [
        ("by-hand", "image/rotate,90"),
        ("small", SMALL),
    ]
    assert store.style("bucket", "folder") is None
    store.delete_style("bucket", "small")
    assert store.style("bucket", "small") is None
