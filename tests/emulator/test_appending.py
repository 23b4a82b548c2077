"""AppendObject: bytes go where the object ends, in one step, and nobody's are lost."""

import asyncio
import base64
from hashlib import md5

import pytest
from defusedxml import ElementTree
from fastcrc.crc64 import xz as crc64

from tests.emulator.client import BOTH_STORES, Client
from worker.emulator.operations.appending import check_position, commit_appended
from worker.emulator.operations.writing import MAX_OBJECT
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, ObjectType, Store, put
from worker.oss.answer import Answer
from worker.oss.refusal import RefusedError

pytestmark = BOTH_STORES


async def appended(client: Client, position: object, body: bytes, key: str = "log", **headers: str) -> Answer:
    return await client.post("photos", key, body, ("append", ""), ("position", str(position)), **headers)


def told(answer: Answer) -> tuple[int, str | None, str | None]:
    code = ElementTree.fromstring(answer.body).findtext("Code") if answer.body else None
    return answer.status, code, answer.headers.get("x-oss-next-append-position")


def content_md5(body: bytes) -> str:
    return base64.b64encode(md5(body, usedforsecurity=False).digest()).decode()


def bytes_of(store: Store, key: str = "log") -> bytes:
    content = store.open("photos", key)
    assert content is not None
    with content:
        return content.file.read()


async def test_an_object_grows_from_its_end(client: Client, store: Store) -> None:
    first = await appended(client, 0, b"one ", content_type="text/x", x_oss_meta_a="b", x_oss_object_acl="private")
    assert (first.status, first.headers["x-oss-next-append-position"]) == (200, "4")
    second = await appended(client, 4, b"two", content_type="text/y", x_oss_meta_a="c", x_oss_object_acl="default")
    assert (second.status, second.headers["x-oss-next-append-position"]) == (200, "7")
    assert second.headers["x-oss-hash-crc64ecma"] == str(crc64(b"one two"))
    stored = store.stat("photos", "log")
    assert stored is not None
    assert stored.headers == {"content-type": "text/x", "x-oss-meta-a": "b"}, "those of the first append"
    assert (stored.description.type, stored.description.acl) == (ObjectType.APPENDABLE, ACL.PRIVATE)
    answer = await client.get("photos", "log")
    assert answer.body == b"one two"
    assert answer.headers["etag"] == second.headers["etag"] != first.headers["etag"]
    assert answer.headers["etag"] != f'"{md5(b"one two", usedforsecurity=False).hexdigest().upper()}"'
    assert (answer.headers["x-oss-object-type"], answer.headers["x-oss-next-append-position"]) == ("Appendable", "7")
    assert client.seen[0] == "AppendObject"


@pytest.mark.parametrize("position", [0, 2, 4])
async def test_a_position_that_is_not_the_end_is_refused_with_the_one_that_is(
    client: Client, store: Store, position: int
) -> None:
    assert told(await appended(client, 1, b"x")) == (409, "PositionNotEqualToLength", "0")
    await appended(client, 0, b"one")
    assert told(await appended(client, position, b"x")) == (409, "PositionNotEqualToLength", "3")
    assert bytes_of(store) == b"one"


@pytest.mark.parametrize("position", ["", "-1", "a", "1.5", "9" * 30])
async def test_a_position_that_is_no_number_is_refused(client: Client, position: str) -> None:
    answer = await appended(client, position, b"x")
    assert told(answer)[:2] == ((200, None) if position == "" else (400, "InvalidArgument"))
    assert told(await client.post("photos", "log", b"x", ("append", "")))[:2] == (400, "InvalidArgument")


async def test_only_an_appendable_object_is_appended_to(client: Client, store: Store) -> None:
    put(store, "photos", "log", b"one")
    for position in (0, 3):
        assert told(await appended(client, position, b"x")) == (409, "ObjectNotAppendable", None)
    assert bytes_of(store) == b"one"


async def test_put_makes_an_appendable_object_a_normal_one(client: Client) -> None:
    await appended(client, 0, b"one")
    await client.put("photos", "log", b"two")
    answer = await client.get("photos", "log")
    assert answer.headers["x-oss-object-type"] == "Normal"
    assert "x-oss-next-append-position" not in answer.headers
    assert told(await appended(client, 3, b"x"))[1] == "ObjectNotAppendable"
    await client.call("DELETE", "photos", "log")
    assert (await appended(client, 0, b"new")).status == 200


async def test_nothing_appended_changes_nothing(client: Client, store: Store) -> None:
    answer = await appended(client, 0, b"")
    assert (answer.status, answer.headers["x-oss-next-append-position"]) == (200, "0")
    await appended(client, 0, b"one")
    before = store.stat("photos", "log")
    answer = await appended(client, 3, b"")
    assert (answer.status, answer.headers["x-oss-next-append-position"]) == (200, "3")
    assert store.stat("photos", "log") == before


async def test_the_md5_of_an_append_is_that_of_what_it_adds(client: Client, store: Store) -> None:
    await appended(client, 0, b"one")
    right = content_md5(b"two")
    wrong = content_md5(b"onetwo")
    assert told(await appended(client, 3, b"two", content_md5=wrong))[:2] == (400, "InvalidDigest")
    assert bytes_of(store) == b"one"
    assert (await appended(client, 3, b"two", content_md5=right)).status == 200


async def test_of_many_appends_at_one_position_one_wins_each_time(client: Client, store: Store) -> None:
    length = 0
    for _ in range(4):
        answers = await asyncio.gather(*(appended(client, length, bytes([letter]) * 300_000) for letter in b"abcdef"))
        assert sorted(answer.status for answer in answers) == [200, *[409] * 5]
        length += 300_000
        assert {told(answer)[2] for answer in answers} <= {str(length), str(length - 300_000)}
    body = bytes_of(store)
    assert len(body) == length
    assert all(
        body[start : start + 300_000] == body[start : start + 1] * 300_000 for start in range(0, length, 300_000)
    )


def begun(store: Store, body: bytes) -> None:
    upload = store.upload("photos", "log")
    upload.write(body)
    commit_appended(upload, Description({}, ObjectType.APPENDABLE), None)


def test_what_has_changed_since_it_was_seen_is_left(store: Store) -> None:
    begun(store, b"one")
    seen = store.stat("photos", "log")
    upload = store.upload("photos", "log")
    upload.write(b"one and two")
    store.describe("photos", "log", lambda described: Description({"a": "b"}, described.type, described.etag))
    with pytest.raises(RefusedError) as refused:
        commit_appended(upload, Description(), seen)
    upload.discard()
    assert refused.value.refusal.code == "PositionNotEqualToLength"
    assert bytes_of(store) == b"one"
    store.delete("photos", "log")
    put(store, "photos", "log", b"normal")
    with pytest.raises(RefusedError) as refused:
        check_position(store.stat("photos", "log"), -1)
    assert refused.value.refusal.code == "ObjectNotAppendable"


async def test_an_appendable_object_is_bounded_as_any_other(store: Store) -> None:
    begun(store, b"one")
    async with LocalOSS(store, auth=False) as server:
        head = f"POST /photos/log?append&position=3 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {MAX_OBJECT - 2}\r\n"
        answer = await Client(server.url).exchange(f"{head}connection: close\r\n\r\n".encode(), "POST", hurries=True)
    assert told(answer)[:2] == (400, "EntityTooLarge")
    assert bytes_of(store) == b"one"


@pytest.mark.parametrize("name", ["x_oss_storage_class", "x_oss_server_side_encryption"])
async def test_what_is_not_done_is_refused_by_name(client: Client, name: str) -> None:
    answer = await appended(client, 0, b"x", **{name: "IA"})
    assert told(answer)[:2] == (501, "NotImplemented")
    assert b"of AppendObject" in answer.body
