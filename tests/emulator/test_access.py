"""Who may do what, over HTTP: each permission removed in turn refuses exactly what it should, whoever asks."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import oss2
import pytest
from defusedxml import ElementTree

from tests.emulator.client import Client
from tests.emulator.pictures import jpeg
from tests.emulator.worker_run import MANIFEST, run_worker
from worker.emulator import multipart
from worker.emulator.access.accounts import Access, Account
from worker.emulator.access.policy import FULL_ACCESS, Effect, Policy, Statement
from worker.emulator.app import ServeOptions, serve
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.operations import OPERATIONS
from worker.emulator.server import LocalOSS
from worker.emulator.store import Description, ObjectType, put, put_described
from worker.errors import AccessError, UsageError
from worker.oss.answer import Answer
from worker.oss.encoding import to_base64
from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import Request
from worker.oss.signing import Credentials, sign_v1, sign_v4

KEYS = Credentials("limited-id", "limited-secret")


def content_md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


PICTURE = jpeg(60, 40)
SAVE = saveas("image/resize,w_20", ObjectRef("renditions", "out/a.jpg"))
PHOTOS, PHOTO, TARGET = "acs:oss:*:*:photos", "acs:oss:*:*:photos/*", "acs:oss:*:*:renditions/*"
# All that any of the requests below needs: action and resource.
RIGHTS = {
    "list buckets": ("oss:ListBuckets", "*"),
    "make": ("oss:PutBucket", "acs:oss:*:*:new-bucket"),
    "info": ("oss:GetBucketInfo", "acs:oss:*:*:*"),
    "remove": ("oss:DeleteBucket", "acs:oss:*:*:empty-bucket"),
    "put acl": ("oss:PutBucketAcl", PHOTOS),
    "get acl": ("oss:GetBucketAcl", PHOTOS),
    "location": ("oss:GetBucketLocation", PHOTOS),
    "list": ("oss:ListObjects", PHOTOS),
    "put style": ("oss:PutStyle", PHOTOS),
    "get style": ("oss:GetStyle", PHOTOS),
    "list styles": ("oss:ListStyle", PHOTOS),
    "delete style": ("oss:DeleteStyle", PHOTOS),
    "read": ("oss:GetObject", PHOTO),
    "write": ("oss:PutObject", PHOTO),
    "delete": ("oss:DeleteObject", PHOTO),
    "put object acl": ("oss:PutObjectAcl", PHOTO),
    "get object acl": ("oss:GetObjectAcl", PHOTO),
    "put tags": ("oss:PutObjectTagging", PHOTO),
    "get tags": ("oss:GetObjectTagging", PHOTO),
    "delete tags": ("oss:DeleteObjectTagging", PHOTO),
    "abort": ("oss:AbortMultipartUpload", PHOTO),
    "list parts": ("oss:ListParts", PHOTO),
    "list uploads": ("oss:ListMultipartUploads", PHOTOS),
    "process": ("oss:PostProcessTask", PHOTO),
    "save": ("oss:PutObject", TARGET),
}
STYLE = (("style", ""), ("styleName", "small"))
CONTENT = b"<Style><Content>image/resize,w_20</Content></Style>"
ACL = (("acl", ""),)
TAGGING, TAGS = (("tagging", ""),), b"<Tagging><TagSet/></Tagging>"
PROCESS = (("x-oss-process", ""),)
BOTH = b"<Delete><Object><Key>b.jpg</Key></Object><Object><Key>a.jpg</Key></Object></Delete>"
DELETE_BOTH = Request("POST", "photos", "", (("delete", ""),), (("content-md5", content_md5(BOTH)),), BOTH)
TAGGED = ("x-oss-tagging", "a=b")
UPLOAD = "0" * 32
UPLOAD_ID, PART = ("uploadId", UPLOAD), ("partNumber", "2")
FROM_A, TO_A = ("x-oss-copy-source", "/photos/a.jpg"), ("x-oss-symlink-target", "a.jpg")
COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>"
    % (hashlib.md5(b"part", usedforsecurity=False).hexdigest().upper().encode())
)
# Each operation, the request for it, and which of the rights it needs.
REQUESTS = {
    "ListBuckets": (Request("GET"), {"list buckets"}),
    "PutBucket": (Request("PUT", "new-bucket"), {"make"}),
    "DeleteBucket": (Request("DELETE", "empty-bucket"), {"remove"}),
    "PutBucketAcl": (Request("PUT", "photos", query=ACL, headers=(("x-oss-acl", "private"),)), {"put acl"}),
    "GetBucketAcl": (Request("GET", "photos", query=ACL), {"get acl"}),
    "GetBucketLocation": (Request("GET", "photos", query=(("location", ""),)), {"location"}),
    "GetBucketInfo": (Request("GET", "photos", query=(("bucketInfo", ""),)), {"info"}),
    "ListObjects": (Request("GET", "photos"), {"list"}),
    "ListObjectsV2": (Request("GET", "photos", query=(("list-type", "2"),)), {"list"}),
    "PutStyle": (Request("PUT", "photos", query=STYLE, body=CONTENT), {"put style"}),
    "GetStyle": (Request("GET", "photos", query=STYLE), {"get style"}),
    "ListStyle": (Request("GET", "photos", query=STYLE[:1]), {"list styles"}),
    "DeleteStyle": (Request("DELETE", "photos", query=STYLE), {"delete style"}),
    "PutObject": (Request("PUT", "photos", "new", body=b"new"), {"write"}),
    "GetObject": (Request("GET", "photos", "a.jpg"), {"read"}),
    "GetObject, processed": (Request("GET", "photos", "a.jpg", (("x-oss-process", "image/info"),)), {"read"}),
    "HeadObject": (Request("HEAD", "photos", "a.jpg"), {"read"}),
    "GetObjectMeta": (Request("HEAD", "photos", "a.jpg", (("objectMeta", ""),)), {"read"}),
    "DeleteObject": (Request("DELETE", "photos", "a.jpg"), {"delete"}),
    "CopyObject": (Request("PUT", "photos", "new", headers=(FROM_A,)), {"write", "read"}),
    "AppendObject": (Request("POST", "photos", "new", (("append", ""), ("position", "0")), body=b"x"), {"write"}),
    "PutSymlink": (Request("PUT", "photos", "new", (("symlink", ""),), (TO_A,)), {"write"}),
    "GetSymlink": (Request("GET", "photos", "link", (("symlink", ""),)), {"read"}),
    "GetObject, of a symlink": (Request("GET", "photos", "link"), {"read"}),
    "PutObject, with tags": (
        Request("PUT", "photos", "new", headers=(("x-oss-tagging", "a=b"),)),
        {"write", "put tags"},
    ),
    "InitiateMultipartUpload": (Request("POST", "photos", "new", (("uploads", ""),)), {"write"}),
    "UploadPart": (Request("PUT", "photos", "parts", (PART, UPLOAD_ID), body=b"x"), {"write"}),
    "UploadPartCopy": (Request("PUT", "photos", "parts", (PART, UPLOAD_ID), (FROM_A,)), {"write", "read"}),
    "CompleteMultipartUpload": (Request("POST", "photos", "parts", (UPLOAD_ID,), body=COMPLETE), {"write"}),
    "AbortMultipartUpload": (Request("DELETE", "photos", "parts", (UPLOAD_ID,)), {"abort"}),
    "ListParts": (Request("GET", "photos", "parts", (UPLOAD_ID,)), {"list parts"}),
    "ListMultipartUploads": (Request("GET", "photos", query=(("uploads", ""),)), {"list uploads"}),
    "PutObjectAcl": (
        Request("PUT", "photos", "a.jpg", ACL, (("x-oss-object-acl", "private"),)),
        {"put object acl"},
    ),
    "GetObjectAcl": (Request("GET", "photos", "a.jpg", ACL), {"get object acl"}),
    "PutObjectTagging": (Request("PUT", "photos", "a.jpg", TAGGING, body=TAGS), {"put tags"}),
    "GetObjectTagging": (Request("GET", "photos", "a.jpg", TAGGING), {"get tags"}),
    "DeleteObjectTagging": (Request("DELETE", "photos", "a.jpg", TAGGING), {"delete tags"}),
    "DeleteMultipleObjects": (DELETE_BOTH, {"delete"}),
    "ProcessObject": (
        Request("POST", "photos", "a.jpg", PROCESS, body=b"x-oss-process=image/info"),
        {"read", "process"},
    ),
    "ProcessObject, saved": (
        Request("POST", "photos", "a.jpg", PROCESS, body=f"x-oss-process={SAVE}".encode()),
        {"read", "process", "save"},
    ),
}


def policy(rights: Iterable[tuple[str, str]], effect: Effect = Effect.ALLOW) -> Policy:
    return Policy(tuple(Statement(effect, (action,), (where,)) for action, where in rights))


def without(*names: str) -> Account:
    return Account(KEYS, (policy(right for name, right in RIGHTS.items() if name not in names),))


def fill(store: MemoryStore) -> None:
    """Make the store what every request begins with."""
    for found in store.buckets():
        store.remove_bucket(found.name)
    for bucket in ("photos", "renditions", "empty-bucket"):
        store.make_bucket(bucket)
    put(store, "photos", "a.jpg", PICTURE)
    put_described(store, "photos", "link", b"", Description({"x-oss-symlink-target": "a.jpg"}, ObjectType.SYMLINK))
    store.put_style("photos", "small", "image/resize,w_20")
    upload = multipart.MultipartUpload("photos", "parts", UPLOAD, 0, Description())
    multipart.initiate(store, upload)
    part = multipart.begin_part(store, upload, 1)
    part.write(b"part")
    multipart.commit_part(part)


def signer(keys: Credentials, region: str = "cn-hangzhou") -> Callable[[Request], Request]:
    return lambda request: sign_v4(request, keys, region=region, at=datetime.now(UTC))


@asynccontextmanager
async def served(
    *accounts: Account, buckets: dict[str, str] | None = None
) -> AsyncIterator[tuple[Client, MemoryStore]]:
    store = MemoryStore()
    fill(store)
    async with LocalOSS(store, access=Access(accounts, buckets or {})) as server:
        yield Client(server.url, sign=signer(KEYS)), store


def error_of(answer: Answer) -> dict[str, str]:
    root = ElementTree.fromstring(answer.body)
    return {element.tag: element.text or "" for element in root.iter()}


def test_no_operation_is_left_out() -> None:
    # What is never done is refused whoever asks.
    assert {name.partition(",")[0] for name in REQUESTS} == set(OPERATIONS) - {"AsyncProcessObject"}


@pytest.mark.parametrize("taken", ["", *RIGHTS])
async def test_each_permission_removed_refuses_exactly_what_needs_it(taken: str) -> None:
    async with served(without(taken)) as (client, store):
        for name, (request, needs) in REQUESTS.items():
            fill(store)
            answer = await client.send(request)
            if taken in needs:
                assert answer.status == 403, name
                if request.method != "HEAD":
                    found = error_of(answer)
                    assert (found["Code"], found["AuthAction"]) == ("AccessDenied", RIGHTS[taken][0]), name
                    assert found["NoPermissionType"] == "ImplicitDeny"
                assert store.stat("photos", "new") is None
                assert store.stat("photos", "parts") is None
                assert list(multipart.parts_of(store, multipart.find(store, "photos", "parts", UPLOAD))) == [1]
                assert store.stat("photos", "a.jpg") is not None
                assert store.stat("renditions", "out/a.jpg") is None
                assert store.bucket("new-bucket") is None
            else:
                assert answer.status in {200, 204}, name


@pytest.mark.parametrize("denied", [name for name in RIGHTS if name not in ("list buckets", "make")])
async def test_a_deny_wins_over_full_access(denied: str) -> None:
    account = Account(KEYS, (FULL_ACCESS, policy([RIGHTS[denied]], Effect.DENY)))
    async with served(account) as (client, store):
        for name, (request, needs) in REQUESTS.items():
            fill(store)
            answer = await client.send(request)
            assert (answer.status == 403) is (denied in needs), name
            if answer.status == 403 and request.method != "HEAD":
                found = error_of(answer)
                assert (found["EC"], found["NoPermissionType"]) == ("0003-00000201", "ExplicitDeny")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_watermark_image_needs_the_right_to_read_it(method: str) -> None:
    process = f"image/watermark,image_{to_base64('secret/logo.jpg')}"
    query, body = (PROCESS, f"x-oss-process={process}") if method == "POST" else ((("x-oss-process", process),), "")
    request = Request(method, "photos", "a.jpg", query, body=body.encode())
    rights = [RIGHTS["process"], ("oss:GetObject", f"{PHOTOS}/a.jpg")]
    for allowed in (False, True):
        more = [("oss:GetObject", f"{PHOTOS}/secret/*")] if allowed else []
        async with served(Account(KEYS, (policy([*rights, *more]),))) as (client, store):
            put(store, "photos", "secret/logo.jpg", jpeg(10, 10))
            answer = await client.send(request)
            assert answer.status == (200 if allowed else 403)
            if not allowed:
                assert error_of(answer)["AuthAction"] == "oss:GetObject"


async def test_what_is_refused_for_lack_of_an_allow_says_so_as_documented() -> None:
    async with served(Account(KEYS, ())) as (client, _):
        found = error_of(await client.send(REQUESTS["GetObject"][0]))
        assert found["Message"] == "You have no right to access this object because of bucket acl."
        assert found["EC"] == "0003-00000001"
        found = error_of(await client.send(REQUESTS["GetBucketInfo"][0]))
        assert found["Message"] == "The bucket you access does not belong to you."
        assert error_of(await client.send(REQUESTS["PutBucket"][0]))["EC"] == "0003-00000202"


async def test_who_may_not_write_there_does_not_learn_whether_the_target_bucket_exists() -> None:
    elsewhere = saveas("image/resize,w_20", ObjectRef("missing", "a.jpg"))
    body = f"x-oss-process={elsewhere}".encode()
    request = Request("POST", "photos", "a.jpg", PROCESS, body=body)
    async with served(without()) as (client, _):
        assert error_of(await client.send(request))["Code"] == "AccessDenied"
    async with served(Account(KEYS)) as (client, _):
        assert error_of(await client.send(request))["Code"] == "NoSuchBucket"


@pytest.mark.parametrize("taken", ["", "list", "info", "read", "process", "save"])
async def test_our_worker_meets_each_missing_permission(taken: str, tmp_path: Path) -> None:
    async with served(without(taken)) as (client, store):
        if taken == "list":
            summary = (await run_worker(client.url, tmp_path, KEYS, sources="prefix: ''")).summary
            assert (summary.exit, summary.planned, summary.enumeration) == (77, 0, "partial")
            assert "AccessDenied" in " ".join(summary.notes)
            return
        ran = await run_worker(client.url, tmp_path, KEYS, sources="objects: [a.jpg]")
    if taken in ("", "info"):
        assert (ran.summary.exit, ran.codes()) == (0, {"a.jpg": "saved"})
        assert ("GetBucketInfo" in " ".join(ran.summary.notes)) is (taken == "info")
    else:
        assert (ran.summary.exit, ran.summary.saved) == (77, 0)
        assert set(ran.codes().values()) == {"AccessDenied"}
        assert store.stat("renditions", "out/a.jpg") is None


Sdk = Callable[[str], dict[str, tuple[Callable[[], Any], set[str]]]]


def by_oss2(url: str) -> dict[str, tuple[Callable[[], Any], set[str]]]:
    auth = oss2.AuthV4(KEYS.access_key_id, KEYS.access_key_secret)
    bucket = oss2.Bucket(auth, url, "photos", region="cn-hangzhou")
    new = oss2.Bucket(auth, url, "new-bucket", region="cn-hangzhou")
    empty = oss2.Bucket(auth, url, "empty-bucket", region="cn-hangzhou")
    service = oss2.Service(auth, url, region="cn-hangzhou")
    return {
        "list buckets": (service.list_buckets, {"list buckets"}),
        "make": (new.create_bucket, {"make"}),
        "remove": (empty.delete_bucket, {"remove"}),
        "put acl": (lambda: bucket.put_bucket_acl("private"), {"put acl"}),
        "get acl": (bucket.get_bucket_acl, {"get acl"}),
        "location": (bucket.get_bucket_location, {"location"}),
        "info": (bucket.get_bucket_info, {"info"}),
        "list": (bucket.list_objects_v2, {"list"}),
        "put style": (lambda: bucket.put_bucket_style("b", "image/resize,w_20"), {"put style"}),
        "get style": (lambda: bucket.get_bucket_style("small"), {"get style"}),
        "list styles": (bucket.list_bucket_style, {"list styles"}),
        "delete style": (lambda: bucket.delete_bucket_style("gone"), {"delete style"}),
        "get": (lambda: bucket.get_object("a.jpg").read(), {"read"}),
        "get processed": (lambda: bucket.get_object("a.jpg", process="image/info").read(), {"read"}),
        "head": (lambda: bucket.head_object("a.jpg"), {"read"}),
        "meta": (lambda: bucket.get_object_meta("a.jpg"), {"read"}),
        "write": (lambda: bucket.put_object("other", b"x"), {"write"}),
        "delete": (lambda: bucket.delete_object("gone"), {"delete"}),
        "put object acl": (lambda: bucket.put_object_acl("a.jpg", "private"), {"put object acl"}),
        "get object acl": (lambda: bucket.get_object_acl("a.jpg"), {"get object acl"}),
        "put tags": (lambda: bucket.put_object_tagging("a.jpg", oss2.models.Tagging()), {"put tags"}),
        "get tags": (lambda: bucket.get_object_tagging("a.jpg"), {"get tags"}),
        "delete tags": (lambda: bucket.delete_object_tagging("a.jpg"), {"delete tags"}),
        "list parts": (lambda: bucket.list_parts("parts", UPLOAD), {"list parts"}),
        "list uploads": (bucket.list_multipart_uploads, {"list uploads"}),
        "abort": (lambda: bucket.abort_multipart_upload("parts", UPLOAD), {"abort"}),
        "process": (lambda: bucket.process_object("a.jpg", SAVE), {"read", "process", "save"}),
    }


def by_oss_v2(url: str) -> dict[str, tuple[Callable[[], Any], set[str]]]:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(KEYS.access_key_id, KEYS.access_key_secret)
    config.region, config.endpoint, config.retry_max_attempts = "cn-hangzhou", url, 1
    client = oss.Client(config)
    a, small = {"bucket": "photos", "key": "a.jpg"}, {"bucket": "photos", "style_name": "small"}
    parts = {"bucket": "photos", "key": "parts", "upload_id": UPLOAD}
    style = oss.StyleContent(content="image/resize,w_20")
    return {
        "list buckets": (lambda: client.list_buckets(oss.ListBucketsRequest()), {"list buckets"}),
        "make": (lambda: client.put_bucket(oss.PutBucketRequest(bucket="new-bucket")), {"make"}),
        "remove": (lambda: client.delete_bucket(oss.DeleteBucketRequest(bucket="empty-bucket")), {"remove"}),
        "put acl": (
            lambda: client.put_bucket_acl(oss.PutBucketAclRequest(bucket="photos", acl="private")),
            {"put acl"},
        ),
        "get acl": (lambda: client.get_bucket_acl(oss.GetBucketAclRequest(bucket="photos")), {"get acl"}),
        "location": (
            lambda: client.get_bucket_location(oss.GetBucketLocationRequest(bucket="photos")),
            {"location"},
        ),
        "info": (lambda: client.get_bucket_info(oss.GetBucketInfoRequest(bucket="photos")), {"info"}),
        "list": (lambda: client.list_objects_v2(oss.ListObjectsV2Request(bucket="photos")), {"list"}),
        "put style": (lambda: client.put_style(oss.PutStyleRequest(**small, style=style)), {"put style"}),
        "get style": (lambda: client.get_style(oss.GetStyleRequest(**small)), {"get style"}),
        "list styles": (lambda: client.list_style(oss.ListStyleRequest(bucket="photos")), {"list styles"}),
        "delete style": (
            lambda: client.delete_style(oss.DeleteStyleRequest(bucket="photos", style_name="gone")),
            {"delete style"},
        ),
        "get": (lambda: client.get_object(oss.GetObjectRequest(**a)), {"read"}),
        "get processed": (lambda: client.get_object(oss.GetObjectRequest(**a, process="image/info")), {"read"}),
        "head": (lambda: client.head_object(oss.HeadObjectRequest(**a)), {"read"}),
        "meta": (lambda: client.get_object_meta(oss.GetObjectMetaRequest(**a)), {"read"}),
        "write": (
            lambda: client.put_object(oss.PutObjectRequest(bucket="photos", key="other", body=b"x")),
            {"write"},
        ),
        "delete": (lambda: client.delete_object(oss.DeleteObjectRequest(bucket="photos", key="gone")), {"delete"}),
        "put object acl": (
            lambda: client.put_object_acl(oss.PutObjectAclRequest(**a, acl="private")),
            {"put object acl"},
        ),
        "get object acl": (lambda: client.get_object_acl(oss.GetObjectAclRequest(**a)), {"get object acl"}),
        "put tags": (
            lambda: client.put_object_tagging(
                oss.PutObjectTaggingRequest(**a, tagging=oss.Tagging(tag_set=oss.TagSet(tags=[])))
            ),
            {"put tags"},
        ),
        "get tags": (lambda: client.get_object_tagging(oss.GetObjectTaggingRequest(**a)), {"get tags"}),
        "delete tags": (lambda: client.delete_object_tagging(oss.DeleteObjectTaggingRequest(**a)), {"delete tags"}),
        "list parts": (lambda: client.list_parts(oss.ListPartsRequest(**parts)), {"list parts"}),
        "list uploads": (
            lambda: client.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket="photos")),
            {"list uploads"},
        ),
        "abort": (lambda: client.abort_multipart_upload(oss.AbortMultipartUploadRequest(**parts)), {"abort"}),
        "process": (
            lambda: client.process_object(oss.ProcessObjectRequest(**a, process=SAVE)),
            {"read", "process", "save"},
        ),
    }


@pytest.mark.parametrize("taken", ["", *RIGHTS])
@pytest.mark.parametrize("sdk", [by_oss2, by_oss_v2])
async def test_the_official_sdks_meet_each_missing_permission(sdk: Sdk, taken: str) -> None:
    async with served(without(taken)) as (client, _):
        calls = sdk(client.url)
        assert set().union(*(needs for _, needs in calls.values())) == set(RIGHTS)
        for name, (call, needs) in calls.items():
            refused = await asyncio.to_thread(_code_of, call)
            assert refused == ("AccessDenied" if taken in needs else ""), name


def _code_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except oss2.exceptions.OssError as error:
        return str(error.code)
    except oss.exceptions.OperationError as error:
        return str(error.unwrap().code)
    return ""


TOKEN = Credentials("temporary-id", "temporary-secret", "made-up-token")


async def test_a_temporary_key_is_good_until_it_expires_and_only_with_its_token(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for expires, code in ((now + timedelta(hours=1), ""), (now - timedelta(seconds=1), "SecurityTokenExpired")):
        async with served(Account(TOKEN, expires=expires)) as (client, _):
            for sign in (signer(TOKEN), lambda request: sign_v1(request, TOKEN, at=datetime.now(UTC))):
                answer = await replace(client, sign=sign).send(REQUESTS["GetObject"][0])
                assert (answer.status, error_of(answer)["Code"] if code else "") == (403 if code else 200, code)
            for wrong in ("", "another"):
                keys = replace(TOKEN, security_token=wrong)
                answer = await replace(client, sign=signer(keys)).send(REQUESTS["GetObject"][0])
                assert error_of(answer)["Code"] == "InvalidSecurityToken"
                assert b"made-up-token" not in answer.body
            if code:
                with pytest.raises(AccessError, match=code):
                    await run_worker(client.url, tmp_path, TOKEN)
            else:
                assert (await run_worker(client.url, tmp_path, TOKEN)).codes() == {"a.jpg": "saved"}


async def test_a_disabled_key_is_told_so(tmp_path: Path) -> None:
    async with served(Account(KEYS, disabled=True)) as (client, _):
        found = error_of(await client.send(REQUESTS["GetObject"][0]))
        assert (found["Code"], found["Message"]) == (
            "InvalidAccessKeyId",
            "The OSS Access Key Id you provided is disabled.",
        )
        with pytest.raises(AccessError, match="disabled"):
            await run_worker(client.url, tmp_path, KEYS)


FAR = {"far": "cn-beijing", "photos": "cn-hangzhou"}


async def test_a_bucket_is_asked_for_at_the_endpoint_of_its_region(tmp_path: Path) -> None:
    async with served(Account(KEYS), buckets=FAR) as (near, store):
        far = replace(near, sign=signer(KEYS, "cn-beijing"))
        for client, bucket, region in ((near, "far", "cn-beijing"), (far, "photos", "cn-hangzhou")):
            found = error_of(await client.get(bucket, "", ("list-type", "2")))
            assert (found["Code"], found["Endpoint"]) == ("AccessDenied", f"oss-{region}.aliyuncs.com")
            assert "must be addressed using the specified endpoint" in found["Message"]
        assert (await near.get("photos", "", ("list-type", "2"))).status == 200
        assert (await far.get("far", "", ("list-type", "2"))).status == 200
        info = ElementTree.fromstring((await far.get("far", "", ("bucketInfo", ""))).body)
        assert (info.findtext("Bucket/Location"), info.findtext("Bucket/Region")) == ("oss-cn-beijing", "cn-beijing")
        found = error_of(await replace(near, sign=signer(KEYS, "us-east-1")).get("photos"))
        assert (found["Code"], found["EC"]) == ("InvalidArgument", "0002-00000228")
        with pytest.raises(UsageError, match="must be addressed"):
            await run_worker(near.url, tmp_path, KEYS, manifest=MANIFEST.replace("bucket: photos", "bucket: far"))
        assert store.bucket("far") is not None


async def test_the_host_tells_the_region_where_the_signature_does_not() -> None:
    async with served(Account(KEYS), buckets=FAR) as (client, _):
        for host, status in (
            ("far.oss-cn-beijing", 200),
            ("far.oss-cn-hangzhou-internal", 403),
            ("far.localhost", 200),
        ):
            request = sign_v1(Request("GET", "far", query=(("list-type", "2"),)), KEYS, at=datetime.now(UTC))
            name = host if host.endswith("localhost") else f"{host}.aliyuncs.com"
            answer = await client.send_raw("GET", "/?list-type=2", (*request.headers, ("host", name)))
            assert answer.status == status, host


async def test_saveas_stays_in_its_region() -> None:
    async with served(Account(KEYS), buckets=FAR) as (client, store):
        answer = await client.process("photos", "a.jpg", saveas("image/resize,w_20", ObjectRef("far", "a.jpg")))
        found = error_of(answer)
        assert (answer.status, found["Code"]) == (403, "AccessDenied")
        assert found["Message"] == "Target object does not reside in the same data center as source object."
        assert store.stat("far", "a.jpg") is None


async def test_put_bucket_makes_it_where_it_is_asked_for() -> None:
    async with served(Account(KEYS), buckets=FAR) as (near, store):
        far = replace(near, sign=signer(KEYS, "cn-beijing"))
        body = b"<CreateBucketConfiguration><LocationConstraint>%b</LocationConstraint></CreateBucketConfiguration>"
        assert (await far.call("PUT", "by-endpoint")).status == 200
        assert (await near.send(Request("PUT", "by-body", body=body % b"oss-cn-beijing"))).status == 200
        assert (await near.call("PUT", "near-by")).status == 200
        found = {bucket.name: bucket.region for bucket in store.buckets()}
        assert (found["by-endpoint"], found["by-body"], found["near-by"]) == ("cn-beijing", "cn-beijing", "")
        answer = await near.send(Request("PUT", "other", body=body % b"oss-us-east-1"))
        assert (answer.status, error_of(answer)["Code"]) == (400, "InvalidLocationConstraint")
        answer = await near.send(Request("PUT", "near-by", body=body % b"oss-cn-beijing"))
        assert (answer.status, error_of(answer)["Code"]) == (409, "BucketAlreadyExists")
        answer = await near.send(Request("PUT", "other", body=b"<Other/>"))
        assert (answer.status, error_of(answer)["Code"]) == (400, "MalformedXML")
        assert store.bucket("other") is None


def test_a_folder_remembers_the_region_of_a_bucket(tmp_path: Path) -> None:
    FolderStore(tmp_path).make_bucket("far", "cn-beijing")
    FolderStore(tmp_path).make_bucket("far", "cn-shanghai")
    FolderStore(tmp_path).make_bucket("near")
    assert [(bucket.name, bucket.region) for bucket in FolderStore(tmp_path).buckets()] == [
        ("far", "cn-beijing"),
        ("near", ""),
    ]


async def test_the_serve_command_reads_policies(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(
        "version: 1\nbuckets: {photos: cn-hangzhou}\n"
        f"keys: [{{id: {KEYS.access_key_id}, secret: {KEYS.access_key_secret}, policies: [full-access]}}]\n"
    )
    until, urls = asyncio.Event(), asyncio.Queue[str]()
    options = ServeOptions(tmp_path / "root", policies=policies)
    task = asyncio.create_task(serve(options, ready=urls.put_nowait, until=until.wait()))
    async with asyncio.timeout(60):
        client = Client(await urls.get(), sign=signer(KEYS))
        assert (await client.get("photos", "", ("list-type", "2"))).status == 200
        until.set()
        await task
    FolderStore(tmp_path / "root").make_bucket("elsewhere", "cn-shanghai")
    policies.write_text("version: 1\nbuckets: {elsewhere: cn-beijing}\nkeys: [{id: a, secret: s}]\n")
    for wrong, told in (
        (replace(options, auth=False), "not both"),
        (replace(options, access_key_id="a", access_key_secret="s"), "also the access key"),
        (options, "is in cn-shanghai already"),
    ):
        with pytest.raises(UsageError, match=told):
            await serve(wrong, ready=lambda _: None, until=asyncio.sleep(0))
