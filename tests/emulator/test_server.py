"""What every answer of the server has in common, and how requests reach their bucket."""

import base64
import logging
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from defusedxml import ElementTree

from tests.emulator.client import KEYS, NOW, Client, unsigned
from worker.emulator.memory_store import MemoryStore
from worker.emulator.receiving import receive
from worker.emulator.routing import operation_of
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.oss.refusal import RefusedError
from worker.oss.request import Request


async def test_an_error_is_the_documented_document(client: Client) -> None:
    answer = await client.get("photos", "missing & <gone>\x01")
    root = ElementTree.fromstring(answer.body)
    assert [child.tag for child in root] == ["Code", "Message", "RequestId", "HostId", "Key", "EC", "RecommendDoc"]
    assert root.tag == "Error"
    assert root.findtext("Code") == "NoSuchKey"
    assert root.findtext("Message") == "The specified key does not exist."
    assert root.findtext("HostId") == client.url.removeprefix("http://")
    assert root.findtext("Key") == "missing & <gone>\ufffd"
    assert root.findtext("EC") == "0026-00000001"
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["x-oss-ec"] == "0026-00000001"
    assert root.findtext("RequestId") == answer.headers["x-oss-request-id"]


async def test_every_answer_has_an_id_and_the_time_of_the_server(client: Client) -> None:
    answers = [await client.get(""), await client.get("photos", "missing"), await client.call("PUT", "photos")]
    for answer in answers:
        assert re.fullmatch(r"[0-9A-F]{24}", answer.headers["x-oss-request-id"])
        assert answer.headers["x-oss-server-time"].isdigit()
        assert answer.headers["date"] == "Mon, 23 Nov 2026 08:30:00 GMT"
        assert answer.headers["server"] == "AliyunOSS"
    assert len({answer.headers["x-oss-request-id"] for answer in answers}) == 3


async def test_a_head_tells_its_error_in_a_header(client: Client) -> None:
    answer = await client.call("HEAD", "photos", "missing")
    assert answer.status == 404
    root = ElementTree.fromstring(base64.b64decode(answer.headers["x-oss-err"]))
    assert root.findtext("Code") == "NoSuchKey"
    assert root.findtext("RequestId") == answer.headers["x-oss-request-id"]


@pytest.mark.parametrize(
    ("method", "bucket", "key", "query", "operation"),
    [
        ("PUT", "photos", "", "policy", "PutBucketPolicy"),
        ("GET", "photos", "", "lifecycle", "GetBucketLifecycle"),
        ("GET", "photos", "", "versions", "ListObjectVersions"),
        ("DELETE", "photos", "", "website", "DeleteBucketWebsite"),
        ("POST", "photos", "", "", "PostObject"),
        ("PUT", "photos", "", "cors", "PutBucketCors"),
        ("DELETE", "photos", "a", "acl", "DeleteObjectAcl"),
        ("GET", "photos", "a", "versionId", "GetObject with versionId"),
        ("POST", "photos", "a", "restore", "RestoreObject"),
        ("POST", "photos", "a", "", "PostObject"),
        ("OPTIONS", "photos", "a", "", "OptionsObject"),
        ("PUT", "", "", "", "PutService"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    client: Client, method: str, bucket: str, key: str, query: str, operation: str
) -> None:
    answer = await client.call(method, bucket, key, *([(query, "")] if query else []))
    root = ElementTree.fromstring(answer.body)
    assert (answer.status, root.findtext("Code")) == (501, "NotImplemented")
    assert f" {operation}." in (root.findtext("Message") or "")
    assert client.seen == [operation]


def test_a_copy_is_told_from_a_put() -> None:
    request = Request("PUT", "photos", "a", headers=(("x-oss-copy-source", "/photos/b"),))
    assert operation_of(request) == "CopyObject"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_every_operation_needs_its_bucket(client: Client, method: str) -> None:
    answer = await client.call(method, "missing", "a")
    assert answer.status == 404
    body = answer.body or base64.b64decode(answer.headers["x-oss-err"])
    assert ElementTree.fromstring(body).findtext("Code") == "NoSuchBucket"
    assert ElementTree.fromstring(body).findtext("EC") == "0015-00000101"


@pytest.mark.parametrize("key", ["/a", "\\a", "k" * 1024])
async def test_bad_keys_are_refused(client: Client, key: str) -> None:
    answer = await client.get("photos", key)
    assert (answer.status, ElementTree.fromstring(answer.body).findtext("Code")) == (400, "InvalidObjectName")


def received(host: str, target: str) -> Request:
    return receive("GET", target, [(b"Host", host.encode())], {"pictures.example.com": "photos"})


@pytest.mark.parametrize(
    ("host", "target", "bucket", "key"),
    [
        ("127.0.0.1:8080", "/photos/a/b.jpg", "photos", "a/b.jpg"),
        ("127.0.0.1", "/photos", "photos", ""),
        ("127.0.0.1", "/photos/", "photos", ""),
        ("127.0.0.1", "/", "", ""),
        ("[::1]:8080", "/photos/a", "photos", "a"),
        ("localhost:8080", "/photos/a%2Fb%20c", "photos", "a/b c"),
        ("oss", "/photos/a", "photos", "a"),
        ("", "/photos/a", "photos", "a"),
        ("photos.localhost:8080", "/a", "photos", "a"),
        ("photos.oss-cn-hangzhou.aliyuncs.com", "/photos/a", "photos", "photos/a"),
        ("PHOTOS.oss-cn-hangzhou.aliyuncs.com.", "/", "photos", ""),
        ("oss-cn-hangzhou.aliyuncs.com", "/", "", ""),
        ("oss-cn-hangzhou-internal.aliyuncs.com", "/", "", ""),
        ("pictures.example.com", "/a/../b", "photos", "a/../b"),
        ("127.0.0.1", "/photos/a/../b//c/./d", "photos", "a/../b//c/./d"),
        ("127.0.0.1", "/photos/%E7%85%A7+%2B.jpg", "photos", "照++.jpg"),
        ("127.0.0.1", "http://127.0.0.1/photos/a", "photos", "a"),
        ("127.0.0.1", "http://127.0.0.1", "", ""),
    ],
)
def test_the_bucket_is_found_in_the_host_or_the_path(host: str, target: str, bucket: str, key: str) -> None:
    request = received(host, target)
    assert (request.bucket, request.key) == (bucket, key)


def test_the_query_is_decoded_once() -> None:
    request = received("localhost", "/photos/a?x-oss-process&prefix=a%2Bb+c%25&=&b+b=c=d&")
    assert request.query == (("x-oss-process", ""), ("prefix", "a+b c%"), ("", ""), ("b b", "c=d"))


@pytest.mark.parametrize("target", ["/photos/%ff", "/photos/a?b=%ff", "/photos/a?%ff", "*", "photos"])
def test_what_is_no_request_is_refused(target: str) -> None:
    with pytest.raises(RefusedError) as caught:
        received("127.0.0.1", target)
    assert caught.value.refusal.http == 400


def test_the_services_own_domain_takes_no_path_style() -> None:
    with pytest.raises(RefusedError) as caught:
        received("oss-cn-hangzhou.aliyuncs.com", "/photos/a")
    assert caught.value.refusal.code == "SecondLevelDomainForbidden"


@pytest.mark.parametrize("host", ["photos.localhost", "photos.oss-cn-hangzhou.aliyuncs.com", "pictures.example.com"])
async def test_hosts_that_carry_the_bucket_are_verified_alike(client: Client, store: MemoryStore, host: str) -> None:
    put(store, "photos", "a b", b"bytes")
    request = client.sign(Request("GET", "photos", "a b"))
    answer = await client.send_raw("GET", "/a%20b", (*request.headers, ("host", host)))
    assert (answer.status, answer.body) == (200, b"bytes")


class FailingStore(MemoryStore):
    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        raise RuntimeError("a secret of the inside", bucket, prefix, start)


async def test_a_bug_is_a_500_without_a_traceback_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore()
    store.make_bucket("photos")
    async with LocalOSS(store, auth=False) as server:
        with caplog.at_level(logging.ERROR):
            answer = await Client(server.url, sign=unsigned).get("photos", "", ("list-type", "2"))
    assert (answer.status, ElementTree.fromstring(answer.body).findtext("Code")) == (500, "InternalError")
    assert b"Traceback" not in answer.body
    assert b"secret of the inside" not in answer.body
    assert answer.headers["x-oss-request-id"] in caplog.text


async def test_no_log_line_holds_a_presigned_query(caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore()
    store.make_bucket("photos")
    async with LocalOSS(store, auth=False) as server:
        with caplog.at_level(logging.DEBUG):
            await Client(server.url, sign=unsigned).get(
                "photos", "", ("list-type", "2"), ("Signature", "made-up-secret")
            )
    assert "made-up-secret" not in caplog.text


async def test_rubbish_is_answered_and_the_server_goes_on(client: Client, store: MemoryStore) -> None:
    for sent in (b"GET / HTTP/9.9\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n"):
        assert (await client.exchange(sent)).status == 400
    assert (await client.get("photos", "", ("list-type", "2"))).status == 200


async def test_a_server_can_be_used_by_its_address_until_it_stops(store: MemoryStore) -> None:
    server = LocalOSS(store, [KEYS], clock=NOW.timestamp)
    url = await server.start()
    client = Client(url)
    assert (await client.get("")).status == 200
    await server.stop()
    with pytest.raises(OSError, match=r".*"):
        await replace(client).get("")
