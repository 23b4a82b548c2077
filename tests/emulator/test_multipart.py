"""Uploads in parts: nothing is seen of them before they are complete, and they outlive the server."""

import asyncio
import base64
from collections.abc import Iterable, Iterator, Sequence
from hashlib import md5
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from fastcrc.crc64 import xz as crc64

from tests.emulator.client import BOTH_STORES, KEYS, NOW, Client
from worker.emulator import multipart
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import Effect, Policy, Statement
from worker.emulator.multipart import MIN_SIZE, MultipartUpload, NoUploadError
from worker.emulator.server import LocalOSS
from worker.emulator.store import ACL, Description, Store, put
from worker.oss.answer import Answer, parse_error

pytestmark = BOTH_STORES

KEY = "dir/照片 1.bin"
LARGE, SMALL = b"a" * MIN_SIZE, b"b" * 10
GONE = "The specified upload does not exist. "
GONE += "The upload ID may be invalid, or the upload may have been aborted or completed."


def parsed(answer: Answer) -> Element:
    root: Element = ElementTree.fromstring(answer.body)
    return root


def told(answer: Answer) -> tuple[int, str | None]:
    return answer.status, parsed(answer).findtext("Code") if answer.body else None


def hex_of(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest().upper()


async def begun(client: Client, key: str = KEY, **headers: str) -> str:
    answer = await client.post("photos", key, b"", ("uploads", ""), **headers)
    assert answer.status == 200, answer.body
    return parsed(answer).findtext("UploadId", "")


async def sent(client: Client, upload: str, number: object, body: bytes, key: str = KEY, **headers: str) -> Answer:
    query = ("partNumber", str(number)), ("uploadId", upload)
    return await client.post("photos", key, body, *query, method="PUT", **headers)


async def completed(client: Client, upload: str, parts: Iterable[tuple[object, str]], **headers: str) -> Answer:
    listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    return await client.post("photos", KEY, body, ("uploadId", upload), **headers)


async def listed_parts(client: Client, upload: str, *query: tuple[str, str]) -> Element:
    return parsed(await client.get("photos", KEY, ("uploadId", upload), *query))


def keys_of(store: Store) -> list[str]:
    return list(store.keys("photos", "", b""))


async def test_parts_become_an_object(client: Client, store: Store) -> None:
    headers = {"content_type": "image/x-test", "x_oss_meta_a": "b", "x_oss_tagging": "a=b"}
    upload = await begun(client, **headers, x_oss_object_acl="private")
    last = await sent(client, upload, 7, SMALL)
    first = await sent(client, upload, 1, b"other")
    first = await sent(client, upload, 1, LARGE)  # in place of the other
    assert first.headers["etag"] == f'"{hex_of(LARGE)}"'
    assert first.headers["x-oss-hash-crc64ecma"] == str(crc64(LARGE))
    assert keys_of(store) == []
    answer = await completed(client, upload, [(1, first.headers["etag"]), (7, last.headers["etag"].lower())])
    assert answer.status == 200
    etag = f'"{hex_of(bytes.fromhex(hex_of(LARGE) + hex_of(SMALL)))}-2"'
    result = parsed(answer)
    assert (result.tag, result.findtext("ETag")) == ("CompleteMultipartUploadResult", etag)
    assert (result.findtext("Bucket"), result.findtext("Key")) == ("photos", KEY)
    assert result.findtext("Location") == f"{client.url}/photos/dir/%E7%85%A7%E7%89%87%201.bin"
    assert answer.headers["x-oss-hash-crc64ecma"] == str(crc64(LARGE + SMALL))
    got = await client.get("photos", KEY)
    assert (got.body, got.headers["etag"], got.headers["x-oss-object-type"]) == (LARGE + SMALL, etag, "Multipart")
    stored = store.stat("photos", KEY)
    assert stored is not None
    assert stored.headers == {"content-type": "image/x-test", "x-oss-meta-a": "b"}
    assert (stored.description.acl, stored.description.tags) == (ACL.PRIVATE, (("a", "b"),))
    assert told(await sent(client, upload, 1, LARGE)) == (404, "NoSuchUpload")
    assert (await listed_uploads(client)).findall("Upload") == []
    assert client.seen[:3] == ["InitiateMultipartUpload", "UploadPart", "UploadPart"]


async def test_all_parts_that_are_there_can_be_asked_for(client: Client) -> None:
    upload = await begun(client)
    nothing = await client.post("photos", KEY, b"", ("uploadId", upload), x_oss_complete_all="yes")
    assert told(nothing) == (400, "InvalidPart")
    await sent(client, upload, 2, SMALL)
    await sent(client, upload, 1, LARGE)
    query = ("uploadId", upload)
    both = await client.post("photos", KEY, b"<CompleteMultipartUpload/>", query, x_oss_complete_all="yes")
    assert (told(both), both.headers["x-oss-ec"]) == ((400, "InvalidArgument"), "0042-00000216")
    assert (await client.post("photos", KEY, b"", query, x_oss_complete_all="yes")).status == 200
    assert (await client.get("photos", KEY)).body == LARGE + SMALL


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([(2, LARGE), (1, LARGE)], "InvalidPartOrder"),
        ([(1, LARGE), (1, LARGE)], "InvalidPartOrder"),
        ([(1, LARGE), (4, LARGE)], "InvalidPart"),
        ([(1, SMALL)], "InvalidPart"),
        ([(1, LARGE), (3, SMALL), (5, LARGE)], "EntityTooSmall"),
        ([], "MalformedXML"),
        ([("one", LARGE)], "MalformedXML"),
        ([("1" * 10, LARGE)], "MalformedXML"),
    ],
)
async def test_parts_that_make_no_object_are_refused_and_stay(
    client: Client, store: Store, parts: list[tuple[object, bytes]], code: str
) -> None:
    upload = await begun(client)
    for number, body in ((1, LARGE), (2, LARGE), (3, SMALL), (5, LARGE)):
        await sent(client, upload, number, body)
    answer = await completed(client, upload, [(number, f'"{hex_of(body)}"') for number, body in parts])
    assert told(answer) == (400, code)
    assert keys_of(store) == []
    assert [part.findtext("PartNumber") for part in (await listed_parts(client, upload)).iter("Part")] == list("1235")


@pytest.mark.parametrize(
    "body", [b"", b"<", b"<Other/>", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"]
)
async def test_what_is_no_list_of_parts_is_refused(client: Client, body: bytes) -> None:
    upload = await begun(client)
    answer = await client.post("photos", KEY, body, ("uploadId", upload))
    assert (told(answer), answer.headers["x-oss-ec"]) == ((400, "MalformedXML"), "0042-00000205")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "one", ""])
async def test_a_part_has_a_number_from_1_to_10000(client: Client, number: str) -> None:
    upload = await begun(client)
    assert told(await sent(client, upload, number, b"")) == (400, "InvalidArgument")
    assert (await sent(client, upload, 10_000, b"")).status == 200


async def test_a_part_without_its_number_is_no_object(client: Client, store: Store) -> None:
    query = ("uploadId", await begun(client))
    assert told(await client.post("photos", KEY, b"x", query, method="PUT")) == (400, "InvalidArgument")
    assert store.stat("photos", KEY) is None


async def test_a_part_that_is_not_what_its_md5_says_is_refused(client: Client) -> None:
    upload = await begun(client)
    right = base64.b64encode(bytes.fromhex(hex_of(SMALL))).decode()
    assert told(await sent(client, upload, 1, LARGE, content_md5=right)) == (400, "InvalidDigest")
    assert (await sent(client, upload, 1, SMALL, content_md5=right)).status == 200
    (part,) = (await listed_parts(client, upload)).iter("Part")
    assert (part.findtext("ETag"), part.findtext("Size")) == (f'"{hex_of(SMALL)}"', "10")


async def test_an_upload_that_is_given_up_leaves_nothing(client: Client, store: Store) -> None:
    upload = await begun(client)
    await sent(client, upload, 1, LARGE)
    query = ("uploadId", upload)
    assert (await client.call("DELETE", "photos", KEY, query)).status == 204
    assert keys_of(store) == []
    assert (await listed_uploads(client)).findall("Upload") == []
    calls = {
        "0042-00000104": sent(client, upload, 1, LARGE),
        "0042-00000311": sent(client, upload, 1, b"", x_oss_copy_source="/photos/a"),
        "0042-00000002": client.call("DELETE", "photos", KEY, query),
        "complete": completed(client, upload, [(1, "a")]),
        "list": client.get("photos", KEY, query),
    }
    for ec, call in calls.items():
        answer = await call
        assert told(answer) == (404, "NoSuchUpload")
        assert parsed(answer).findtext("Message") == GONE
        assert answer.headers.get("x-oss-ec", "") == (ec if ec.startswith("0") else "")


@pytest.mark.parametrize("wrong", ["", "A" * 32, "../../photos", "\u0661" * 32, "uploads"])
async def test_what_is_no_id_is_no_upload(client: Client, wrong: str) -> None:
    upload = await begun(client)
    assert told(await sent(client, wrong, 1, b"")) == (404, "NoSuchUpload")
    assert told(await sent(client, upload.lower(), 1, b"")) == (404, "NoSuchUpload")
    assert told(await sent(client, upload, 1, b"", key="another")) == (404, "NoSuchUpload")


async def test_an_object_that_is_there_is_kept_if_it_may_not_be_replaced(client: Client, store: Store) -> None:
    upload = await begun(client, x_oss_forbid_overwrite="true")
    etag = (await sent(client, upload, 1, LARGE)).headers["etag"]
    put(store, "photos", KEY, b"old")
    again = await client.post("photos", KEY, b"", ("uploads", ""), x_oss_forbid_overwrite="true")
    assert told(again) == (409, "FileAlreadyExists")
    answer = await completed(client, upload, [(1, etag)], x_oss_forbid_overwrite="true")
    assert told(answer) == (409, "FileAlreadyExists")
    assert (await client.get("photos", KEY)).body == b"old"
    assert (await completed(client, upload, [(1, etag)])).status == 200
    assert (await client.get("photos", KEY)).body == LARGE


async def test_parts_are_copied_from_objects(client: Client, store: Store) -> None:
    put(store, "photos", "source %", LARGE + SMALL)
    upload = await begun(client)
    source = {"x_oss_copy_source": "/photos/source%20%25"}
    whole = await sent(client, upload, 1, b"", **source)
    span = f"{MIN_SIZE - 5}-{MIN_SIZE + 4}"
    ranged = await sent(client, upload, 2, b"", **source, x_oss_copy_source_range=f"bytes={span}")
    assert "content-range" not in whole.headers
    assert ranged.headers["content-range"] == f"bytes {span}/{MIN_SIZE + 10}"
    results = [parsed(answer) for answer in (whole, ranged)]
    assert [result.tag for result in results] == ["CopyPartResult"] * 2
    assert results[1].findtext("ETag") == f'"{hex_of(b"aaaaabbbbb")}"'
    odd = await sent(client, upload, 3, b"", **source, x_oss_copy_source_range="bytes=5-1")
    assert "content-range" not in odd.headers, "a range that is none is passed over (documented)"
    etags = [(number + 1, result.findtext("ETag", "")) for number, result in enumerate(results)]
    assert (await completed(client, upload, etags)).status == 200
    assert (await client.get("photos", KEY)).body == LARGE + SMALL + b"aaaaabbbbb"
    assert "UploadPartCopy" in client.seen


async def test_a_part_is_copied_if_its_conditions_hold(client: Client, store: Store) -> None:
    put(store, "photos", "source", SMALL)
    upload = await begun(client)
    source, other = {"x_oss_copy_source": "/photos/source"}, '"other"'
    assert told(await sent(client, upload, 1, b"", **source, x_oss_copy_source_if_match=other))[0] == 412
    etag = f'"{hex_of(SMALL)}"'
    assert (await sent(client, upload, 1, b"", **source, x_oss_copy_source_if_none_match=etag)).status == 304
    assert list((await listed_parts(client, upload)).iter("Part")) == []
    missing = await sent(client, upload, 1, b"", x_oss_copy_source="/photos/missing")
    assert told(missing) == (404, "NoSuchKey")


async def test_no_part_is_copied_from_a_symlink(client: Client, store: Store) -> None:
    put(store, "photos", "source", SMALL)
    await client.call("PUT", "photos", "link", ("symlink", ""), x_oss_symlink_target="source")
    upload = await begun(client)
    refused = parse_error(await sent(client, upload, 1, b"", x_oss_copy_source="/photos/link"))
    assert (refused.http, refused.code, refused.ec) == (400, "InvalidArgument", "0042-00000308")
    assert list((await listed_parts(client, upload)).iter("Part")) == []


async def test_parts_are_listed_page_by_page(client: Client) -> None:
    upload = await begun(client)
    for number in (10, 9, 2, 10_000):
        await sent(client, upload, number, SMALL)
    first = await listed_parts(client, upload, ("max-parts", "2"), ("encoding-type", "url"))
    assert [part.findtext("PartNumber") for part in first.iter("Part")] == ["2", "9"]
    assert {name: first.findtext(name) for name in ("Bucket", "Key", "UploadId", "EncodingType", "MaxParts")} == {
        "Bucket": "photos",
        "Key": "dir/%E7%85%A7%E7%89%87%201.bin".replace("/", "%2F"),
        "UploadId": upload,
        "EncodingType": "url",
        "MaxParts": "2",
    }
    assert (first.findtext("IsTruncated"), first.findtext("NextPartNumberMarker")) == ("true", "9")
    rest = await listed_parts(client, upload, ("part-number-marker", "9"))
    assert [part.findtext("PartNumber") for part in rest.iter("Part")] == ["10", "10000"]
    assert (rest.findtext("IsTruncated"), rest.findtext("Key")) == ("false", KEY)
    last = await listed_parts(client, upload, ("part-number-marker", "10000"))
    assert (list(last.iter("Part")), last.findtext("NextPartNumberMarker")) == ([], "10000")


async def listed_uploads(client: Client, *query: tuple[str, str]) -> Element:
    return parsed(await client.get("photos", "", ("uploads", ""), *query))


def found(page: Element) -> Iterator[str]:
    yield from (upload.findtext("Key", "") for upload in page.iter("Upload"))
    yield from (f"|{prefix.findtext('Prefix')}" for prefix in page.iter("CommonPrefixes"))


UPLOADS = ["a", "a", "b/1", "b/2", "c", "照/1"]


@pytest.mark.parametrize("limit", ["1", "2", "3", "1000"])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ([], UPLOADS),
        ([("delimiter", "/")], ["a", "a", "c", "|b/", "|照/"]),
        ([("prefix", "b/")], ["b/1", "b/2"]),
        ([("prefix", "b/"), ("delimiter", "/")], ["b/1", "b/2"]),
        ([("key-marker", "a")], ["b/1", "b/2", "c", "照/1"]),
        ([("key-marker", "b/1"), ("delimiter", "/")], ["c", "|照/"]),
    ],
)
async def test_uploads_are_listed_page_by_page(
    client: Client, query: Sequence[tuple[str, str]], wanted: list[str], limit: str
) -> None:
    for key in reversed(UPLOADS):
        await begun(client, key)
    pages = []
    marker: list[tuple[str, str]] = []
    while True:
        kept = [pair for pair in query if not marker or pair[0] != "key-marker"]
        page = await listed_uploads(client, ("max-uploads", limit), *kept, *marker)
        pages += list(found(page))
        if page.findtext("IsTruncated") == "false":
            break
        names = {"key-marker": "NextKeyMarker", "upload-id-marker": "NextUploadIdMarker"}
        marker = [(name, page.findtext(tag, "")) for name, tag in names.items()]
    assert sorted(pages) == sorted(wanted)


async def test_a_listing_of_uploads_tells_what_it_was_asked(client: Client) -> None:
    first, second = await begun(client), await begun(client)
    page = await listed_uploads(client, ("encoding-type", "url"), ("prefix", "dir/照"), ("delimiter", "照片 2"))
    assert (page.findtext("Prefix"), page.findtext("Delimiter")) == ("dir%2F%E7%85%A7", "%E7%85%A7%E7%89%87%202")
    assert [upload.findtext("UploadId") for upload in page.iter("Upload")] == sorted([first, second])
    assert {upload.findtext("Key") for upload in page.iter("Upload")} == {"dir%2F%E7%85%A7%E7%89%87%201.bin"}
    assert (page.findtext("NextUploadIdMarker"), page.findtext("MaxUploads")) == (max(first, second), "1000")
    wrong = await client.get("photos", "", ("uploads", ""), ("encoding-type", "xml"))
    assert told(wrong) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (("sequential", ""), {}),
        (("a", ""), {"x_oss_storage_class": "IA"}),
        (("a", ""), {"x_oss_server_side_encryption": "AES256"}),
    ],
)
async def test_what_is_not_done_is_refused_by_name(
    client: Client, query: tuple[str, str], headers: dict[str, str]
) -> None:
    answer = await client.post("photos", KEY, b"", ("uploads", ""), query, **headers)
    assert told(answer) == (501, "NotImplemented")
    assert b"of InitiateMultipartUpload" in answer.body


async def test_each_operation_needs_its_right(store: Store) -> None:
    statement = Statement(Effect.ALLOW, ("oss:PutObject",), ("*",))
    access = Access((Account(KEYS, (Policy((statement,)),)),))
    async with LocalOSS(store, access=access, clock=NOW.timestamp) as server:
        client = Client(server.url)
        upload = await begun(client)
        etag = (await sent(client, upload, 1, b"")).headers["etag"]
        query = ("uploadId", upload)
        for refused in (
            await client.get("photos", "", ("uploads", "")),
            await client.get("photos", KEY, query),
            await client.call("DELETE", "photos", KEY, query),
            await sent(client, upload, 1, b"", x_oss_copy_source="/photos/a"),
        ):
            assert refused.status == 403
        assert (await completed(client, upload, [(1, etag)])).status == 200


def started(store: Store, parts: dict[int, bytes], upload_id: str = "0A" * 16) -> MultipartUpload:
    upload = MultipartUpload("photos", KEY, upload_id, 0, Description({"a": "b"}))
    multipart.initiate(store, upload)
    for number, body in parts.items():
        part = multipart.begin_part(store, upload, number)
        part.write(body)
        multipart.commit_part(part)
        part.discard()
    return upload


def test_an_upload_that_goes_while_it_is_used_has_gone(store: Store) -> None:
    upload = started(store, {1: LARGE})
    part = multipart.begin_part(store, upload, 2)
    part.write(SMALL)
    multipart.abort(store, upload)
    for attempt in (
        lambda: multipart.commit_part(part),
        lambda: multipart.parts_of(store, upload),
        lambda: multipart.complete(store, upload, None, None, 1 << 30),
    ):
        with pytest.raises(NoUploadError):
            attempt()
    part.discard()
    multipart.abort(store, upload)
    assert multipart.uploads_of(store, "photos") == []


def test_all_parts_together_are_bounded_as_an_object_is(store: Store) -> None:
    upload = started(store, {1: LARGE, 2: SMALL})
    with pytest.raises(multipart.LargeObjectError):
        multipart.complete(store, upload, None, None, MIN_SIZE + 9)
    assert multipart.complete(store, upload, None, None, MIN_SIZE + 10).size == MIN_SIZE + 10


async def test_of_two_that_complete_an_upload_both_may_win_and_the_object_is_whole(
    client: Client, store: Store
) -> None:
    upload = await begun(client)
    etags = [(number, (await sent(client, upload, number, LARGE)).headers["etag"]) for number in (1, 2, 3)]
    answers = await asyncio.gather(*(completed(client, upload, etags) for _ in range(4)))
    assert {told(answer)[1] for answer in answers} <= {None, "NoSuchUpload", "InvalidPart"}
    assert 200 in {answer.status for answer in answers}
    assert (await client.get("photos", KEY)).body == LARGE * 3
    assert multipart.uploads_of(store, "photos") == []
