"""ACL and tags of objects: kept, told, and refused where they may not be so."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from defusedxml import ElementTree

from tests.emulator.client import KEYS, NOW, Client
from tests.emulator.stores import STORES
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import Effect, Policy, Statement
from worker.emulator.folder_store import FolderStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Store, put
from worker.oss.answer import Answer, parse_error
from worker.oss.request import Request

KEY = "dir/照片 1.jpg"
TAGGING, ACLS = ("tagging", ""), ("acl", "")
Pairs = list[tuple[str, str]]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = STORES[request.param](tmp_path / "root")
    store.make_bucket("photos")
    put(store, "photos", KEY, b"bytes", {"content-type": "image/x", "x-oss-meta-a": "b"})
    return store


async def acl_of(client: Client, key: str = KEY) -> str | None:
    root = ElementTree.fromstring((await client.get("photos", key, ACLS)).body)
    assert (root.tag, root.findtext("Owner/ID")) == ("AccessControlPolicy", "1000000000000000")
    found: str | None = root.findtext("AccessControlList/Grant")
    return found


def document(tags: Iterable[tuple[str, str]]) -> bytes:
    written = "".join(f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in tags)
    return f"<Tagging><TagSet>{written}</TagSet></Tagging>".encode()


async def tag(client: Client, tags: Iterable[tuple[str, str]] | bytes) -> Answer:
    body = tags if isinstance(tags, bytes) else document(tags)
    return await client.send(Request("PUT", "photos", KEY, (TAGGING,), body=body))


async def tags_of(client: Client) -> Pairs:
    root = ElementTree.fromstring((await client.get("photos", KEY, TAGGING)).body)
    assert [root.tag, *(child.tag for child in root)] == ["Tagging", "TagSet"]
    return [(each.findtext("Key") or "", each.findtext("Value") or "") for each in root.findall("TagSet/Tag")]


async def count_of(client: Client) -> str | None:
    read, looked_at = await client.get("photos", KEY), await client.call("HEAD", "photos", KEY)
    assert read.headers.get("x-oss-tagging-count") == looked_at.headers.get("x-oss-tagging-count")
    return read.headers.get("x-oss-tagging-count")


async def test_an_acl_is_kept_and_told_and_goes_with_the_object(client: Client, store: Store) -> None:
    before = store.stat("photos", KEY)
    assert await acl_of(client) == "default"
    for acl in (*ACL, ACL.PRIVATE):
        assert (await client.call("PUT", "photos", KEY, ACLS, x_oss_object_acl=acl)).status == 200
        assert await acl_of(client) == acl
    after = FolderStore(store.root).stat("photos", KEY) if isinstance(store, FolderStore) else store.stat("photos", KEY)
    assert before is not None
    assert after is not None
    assert (after.modified, after.digest, after.headers) == (before.modified, before.digest, before.headers)
    assert after.description.acl is ACL.PRIVATE
    await client.put("photos", KEY, b"new")  # an object that takes its place has none of it
    assert await acl_of(client) == "default"
    await client.put("photos", KEY, b"new", x_oss_object_acl="public-read")
    assert await acl_of(client) == "public-read"


@pytest.mark.parametrize(("acl", "ec"), [("everybody", ""), ("Private", ""), ("", "0017-00000105")])
async def test_what_is_no_acl_of_an_object_is_refused(client: Client, acl: str, ec: str) -> None:
    headers = {"x_oss_object_acl": acl} if acl else {}
    refused = parse_error(await client.call("PUT", "photos", KEY, ACLS, **headers))
    assert (refused.http, refused.code, refused.ec) == (400, "InvalidArgument", ec)
    assert await acl_of(client) == "default"


async def test_tags_are_kept_told_counted_replaced_and_taken_away(client: Client, store: Store) -> None:
    before = store.stat("photos", KEY)
    assert await tags_of(client) == []
    assert await count_of(client) is None
    many = [("k" * 128, "v" * 256), ("+-=._: /", ""), *((f"雪 {number}", f"{number}") for number in range(8))]
    for tags in (many, [("a", "1"), ("A", "2")]):
        answer = await tag(client, tags)
        assert (answer.status, answer.body) == (200, b"")
        assert await tags_of(client) == tags
        assert await count_of(client) == str(len(tags))
    after = FolderStore(store.root).stat("photos", KEY) if isinstance(store, FolderStore) else store.stat("photos", KEY)
    assert before is not None
    assert after is not None
    assert (after.modified, after.headers) == (before.modified, before.headers)
    assert after.description.tags == (("a", "1"), ("A", "2"))
    assert (await client.call("DELETE", "photos", KEY, TAGGING)).status == 204
    assert await tags_of(client) == []
    assert await count_of(client) is None
    assert (await client.call("DELETE", "photos", KEY, TAGGING)).status == 204  # again: there are none
    assert (await client.get("photos", KEY)).body == b"bytes"


@pytest.mark.parametrize(
    ("tags", "code", "ec"),
    [
        ([("k" * 129, "v")], "InvalidTag", ""),
        ([("k", "v" * 257)], "InvalidTag", ""),
        ([("", "v")], "InvalidTag", ""),
        ([("a?", "v")], "InvalidTag", ""),
        ([("a", "<v>")], "InvalidTag", ""),
        ([("a", "1"), ("a", "2")], "InvalidTag", "0010-00000210"),
        ([(f"{number}", "") for number in range(11)], "InvalidTag", ""),
        (b"<Tagging></Tagging>", "MalformedXML", "0010-00000103"),
        (b"<TagSet/>", "MalformedXML", "0010-00000103"),
        (b"", "MalformedXML", "0010-00000103"),
        (document([("a", "b")]) + b" " * (64 << 10), "MalformedXML", "0010-00000103"),
    ],
)
async def test_what_no_tags_may_be_is_refused_and_changes_nothing(
    client: Client, tags: Pairs | bytes, code: str, ec: str
) -> None:
    await tag(client, [("kept", "as it was")])
    refused = parse_error(await tag(client, tags))
    assert (refused.http, refused.code, refused.ec) == (400, code, ec)
    assert await tags_of(client) == [("kept", "as it was")]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("query", [TAGGING, ACLS])
async def test_the_object_has_to_be_there(client: Client, method: str, query: tuple[str, str]) -> None:
    if (method, query) == ("DELETE", ACLS):
        return
    request = Request(method, "photos", "missing", (query,), (("x-oss-object-acl", "private"),), document([]))
    assert parse_error(await client.send(request)).code == "NoSuchKey"
    request = Request(method, "missing", KEY, (query,), (("x-oss-object-acl", "private"),), document([]))
    assert parse_error(await client.send(request)).code == "NoSuchBucket"


async def test_only_who_may_read_tags_is_told_how_many_there_are(client: Client, store: Store) -> None:
    await tag(client, [("a", "1")])
    for actions, told in ((("oss:GetObject",), None), (("oss:GetObject", "oss:GetObjectTagging"), "1")):
        policy = Policy((Statement(Effect.ALLOW, actions, ("acs:oss:*:*:photos/*",)),))
        accounts = Access((Account(KEYS, (policy,)),))
        async with LocalOSS(store, access=accounts, clock=NOW.timestamp) as server:
            assert await count_of(Client(server.url)) == told
