"""CopyObject: into other objects, onto itself, if conditions hold, and only where the source may be read."""

from collections.abc import Sequence

import pytest
from defusedxml import ElementTree

from tests.emulator.client import BOTH_STORES, KEYS, NOW, Client
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import Effect, Policy, Statement
from worker.emulator.operations.writing import MAX_METADATA
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, ObjectType, Store, put_described
from worker.oss.answer import Answer

pytestmark = BOTH_STORES

OLD = Description({"content-type": "image/x-test", "x-oss-meta-place": "here"}, tags=(("colour", "red"),))
BODY = bytes(range(256)) * 3000
KEY = "dir/照片 +%3F?.jpg"
ENCODED = "/photos/dir/%E7%85%A7%E7%89%87%20%2B%253F%3F.jpg"


@pytest.fixture(autouse=True)
def stored(store: Store) -> None:
    put_described(store, "photos", KEY, BODY, OLD)
    store.make_bucket("other")


async def copied(client: Client, bucket: str = "photos", key: str = "copy", **headers: str) -> Answer:
    return await client.put(bucket, key, b"", **({"x_oss_copy_source": ENCODED} | headers))


def told(answer: Answer) -> tuple[int, str | None]:
    return answer.status, ElementTree.fromstring(answer.body).findtext("Code") if answer.body else None


def described(store: Store, key: str = "copy", bucket: str = "photos") -> Description:
    stored = store.stat(bucket, key)
    assert stored is not None
    return stored.description


@pytest.mark.parametrize("bucket", ["photos", "other"])
async def test_a_copy_has_the_bytes_the_metadata_and_the_tags(client: Client, store: Store, bucket: str) -> None:
    answer = await copied(client, bucket)
    assert answer.status == 200
    stored, old = store.stat(bucket, "copy"), store.stat("photos", KEY)
    assert stored is not None
    assert old is not None
    result = ElementTree.fromstring(answer.body)
    assert (result.tag, result.findtext("ETag")) == ("CopyObjectResult", f'"{stored.etag}"')
    assert (result.findtext("LastModified") or "").endswith(".000Z")
    assert (stored.digest, stored.description) == (old.digest, OLD)
    assert (await client.get(bucket, "copy")).body == BODY
    assert client.seen[0] == "CopyObject"


@pytest.mark.parametrize("source", ["photos/" + ENCODED.removeprefix("/photos/"), ENCODED.replace("/dir/", "/dir%2F")])
async def test_the_source_may_be_written_otherwise(client: Client, store: Store, source: str) -> None:
    assert (await copied(client, x_oss_copy_source=source)).status == 200
    assert described(store) == OLD


async def test_metadata_and_tags_are_replaced_where_the_directives_say_so(client: Client, store: Store) -> None:
    new = {"content_type": "text/x", "x_oss_meta_a": "b", "x_oss_tagging": "size=1", "x_oss_object_acl": "private"}
    assert (await copied(client, **new)).status == 200
    assert described(store) == Description(OLD.headers, acl=ACL.PRIVATE, tags=OLD.tags)
    assert (await copied(client, **new, x_oss_metadata_directive="REPLACE")).status == 200
    headers = {"content-type": "text/x", "x-oss-meta-a": "b"}
    assert described(store) == Description(headers, acl=ACL.PRIVATE, tags=OLD.tags)
    assert (await copied(client, **new, x_oss_tagging_directive="Replace")).status == 200
    assert described(store) == Description(OLD.headers, acl=ACL.PRIVATE, tags=(("size", "1"),))
    for name in ("x_oss_metadata_directive", "x_oss_tagging_directive"):
        assert told(await copied(client, **{name: "MERGE"})) == (400, "InvalidArgument")
    assert (await copied(client, x_oss_metadata_directive="REPLACE")).status == 200
    assert described(store).headers == {"content-type": "application/octet-stream"}


@pytest.mark.parametrize("directive", ["COPY", "REPLACE"])
async def test_an_object_copied_onto_itself_is_described_anew(client: Client, store: Store, directive: str) -> None:
    old = store.stat("photos", KEY)
    headers = {"x_oss_metadata_directive": directive, "x_oss_meta_new": "1", "x_oss_copy_source": ENCODED}
    answer = await client.put("photos", KEY, b"", **headers)
    assert answer.status == 200
    new = store.stat("photos", KEY)
    assert old is not None
    assert new is not None
    assert new.headers == {"content-type": "image/jpeg", "x-oss-meta-new": "1"}
    assert (new.digest, new.description.tags) == (old.digest, OLD.tags)
    assert new.modified >= old.modified
    assert (await client.get("photos", KEY)).body == BODY
    assert told(await client.put("photos", KEY, b"", **headers, x_oss_forbid_overwrite="true"))[0] == 409


async def test_how_an_object_came_about_stays_if_it_is_copied_onto_itself_alone(client: Client, store: Store) -> None:
    etag = f"{'0A' * 16}-2"
    put_described(store, "photos", "parts", b"bytes", Description({}, ObjectType.MULTIPART, etag))
    source = {"x_oss_copy_source": "/photos/parts"}
    assert (await copied(client, key="parts", **source)).status == 200
    assert (described(store, "parts").type, described(store, "parts").etag) == (ObjectType.MULTIPART, etag)
    assert (await copied(client, **source)).status == 200
    assert (described(store).type, described(store).etag) == (ObjectType.NORMAL, "")


async def test_a_symlink_is_copied_as_one(client: Client, store: Store) -> None:
    await client.call("PUT", "photos", "link", ("symlink", ""), x_oss_symlink_target=ENCODED.removeprefix("/photos/"))
    assert (await copied(client, x_oss_copy_source="/photos/link")).status == 200
    assert (await copied(client, key="link", x_oss_copy_source="/photos/link", x_oss_meta_a="b")).status == 200
    for key in ("copy", "link"):
        assert described(store, key).type is ObjectType.SYMLINK
        assert (await client.get("photos", key)).body == BODY


CONDITIONS: Sequence[tuple[str, str, int]] = [
    ("match", "ETAG", 200),
    ("match", '"other"', 412),
    ("none-match", "ETAG", 304),
    ("none-match", '"other"', 200),
    ("modified-since", "Mon, 01 Jan 2024 00:00:00 GMT", 200),
    ("modified-since", "Mon, 01 Jan 2091 00:00:00 GMT", 304),
    ("unmodified-since", "Mon, 01 Jan 2024 00:00:00 GMT", 412),
    ("unmodified-since", "Mon, 01 Jan 2091 00:00:00 GMT", 200),
]


@pytest.mark.parametrize("key", ["copy", KEY])
@pytest.mark.parametrize(("condition", "value", "status"), CONDITIONS)
async def test_a_copy_is_made_if_its_conditions_hold(
    client: Client, store: Store, key: str, condition: str, value: str, status: int
) -> None:
    stored = store.stat("photos", KEY)
    assert stored is not None
    value = value.replace("ETAG", f'"{stored.etag}"')
    answer = await copied(client, key=key, x_oss_meta_new="1", **{f"x-oss-copy-source-if-{condition}": value})
    assert answer.status == status
    if status != 200:
        assert store.stat("photos", key) == (stored if key == KEY else None)


async def test_an_object_that_is_there_is_kept_if_it_may_not_be_replaced(client: Client) -> None:
    assert (await copied(client, x_oss_forbid_overwrite="true")).status == 200
    assert told(await copied(client, x_oss_forbid_overwrite="true")) == (409, "FileAlreadyExists")


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ("/photos/missing", 404, "NoSuchKey"),
        ("/missing/a", 404, "NoSuchBucket"),
        ("/No-Bucket/a", 400, "InvalidBucketName"),
        ("/photos/", 400, "InvalidObjectName"),
        ("/photos/%FF", 400, "InvalidArgument"),
        ("/photos/a?versionId=1", 501, "NotImplemented"),
    ],
)
async def test_what_cannot_be_copied_is_refused(client: Client, source: str, status: int, code: str) -> None:
    assert told(await copied(client, x_oss_copy_source=source)) == (status, code)
    assert told(await copied(client, "missing")) == (404, "NoSuchBucket")


@pytest.mark.parametrize(("name", "value"), [("x_oss_storage_class", "IA"), ("x_oss_server_side_encryption", "AES256")])
async def test_what_is_not_done_is_refused_by_name(client: Client, name: str, value: str) -> None:
    answer = await copied(client, **{name: value})
    assert told(answer) == (501, "NotImplemented")
    assert f"{name.replace('_', '-')}: {value} of CopyObject".encode() in answer.body


async def test_what_describes_a_copy_has_the_bounds_of_an_upload(client: Client) -> None:
    assert told(await copied(client, x_oss_meta_a="b" * MAX_METADATA)) == (400, "InvalidArgument")


def policy(action: str, resource: str) -> Policy:
    return Policy((Statement(Effect.ALLOW, (action,), (f"acs:oss:*:*:{resource}",)),))


READ, WRITE = policy("oss:GetObject", f"photos/{KEY}"), policy("oss:PutObject", "photos/copy")
TAG = policy("oss:PutObjectTagging", "photos/copy")


@pytest.mark.parametrize(
    ("policies", "tagging", "status"),
    [
        *[((READ, WRITE), "", 200), ((READ,), "", 403), ((WRITE,), "", 403)],
        *[((READ, WRITE, TAG), "a=b", 200), ((READ, WRITE), "a=b", 403)],
    ],
)
async def test_a_copy_needs_both_rights_and_that_of_its_tags(
    store: Store, policies: tuple[Policy, ...], tagging: str, status: int
) -> None:
    access = Access((Account(KEYS, policies),))
    async with LocalOSS(store, access=access, clock=NOW.timestamp) as server:
        answer = await copied(Client(server.url), **({"x_oss_tagging": tagging} if tagging else {}))
    assert answer.status == status


async def test_nothing_is_copied_from_another_region(store: Store) -> None:
    store.make_bucket("far", "cn-beijing")
    put_described(store, "far", "a", b"", Description())
    access = Access(buckets={"far": "cn-beijing"})
    async with LocalOSS(store, [KEYS], access=access, clock=NOW.timestamp) as server:
        answer = await copied(Client(server.url), x_oss_copy_source="/far/a")
    assert told(answer) == (403, "AccessDenied")
    assert b"Target object does not reside in the same data center as source object." in answer.body
