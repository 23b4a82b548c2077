"""The official SDKs behind one interface again, for a tour of everything that the local OSS does."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote

import alibabacloud_oss_v2 as v2
import oss2
import oss2.credentials

from tests.witness.sdks import (
    BUCKET,
    REGION,
    V2,
    AliOss,
    Oss2,
    SavedAs,
    Witness,
    ali_oss_witness,
    oss2_witness,
    refusals,
    v2_async_witness,
    v2_witness,
)
from worker.oss.signing import Credentials


@dataclass(frozen=True)
class Page:
    """A page of a listing; `following` is where the next one begins, empty on the last."""

    keys: list[str]
    prefixes: list[str]
    following: str


@dataclass(frozen=True)
class Head:
    """What HeadObject says."""

    size: int
    etag: str
    type: str
    meta: dict[str, str]
    tags: int


class Guide(Protocol):
    """An SDK, an operation of the service a method. Everything blocks."""

    def list_buckets(self) -> list[str]: ...
    def put_bucket(self, bucket: str, acl: str) -> None: ...
    def delete_bucket(self, bucket: str) -> None: ...
    def put_bucket_acl(self, bucket: str, acl: str) -> None: ...
    def get_bucket_acl(self, bucket: str) -> str: ...
    def get_bucket_location(self, bucket: str) -> str: ...
    def get_bucket_info(self, bucket: str) -> tuple[str, str]: ...
    def list_objects(self, prefix: str, delimiter: str, marker: str, limit: int) -> Page: ...
    def list_objects_v2(self, prefix: str, delimiter: str, token: str, limit: int) -> Page: ...
    def put_style(self, name: str, content: str) -> None: ...
    def get_style(self, name: str) -> str: ...
    def list_style(self) -> list[str]: ...
    def delete_style(self, name: str) -> None: ...
    def put_object(self, key: str, body: bytes, meta: Mapping[str, str]) -> None: ...
    def get_object(self, key: str) -> bytes: ...
    def head_object(self, key: str) -> Head: ...
    def get_object_meta(self, key: str) -> tuple[int, str]: ...
    def copy_object(self, source: str, target: str) -> None: ...
    def append_object(self, key: str, position: int, body: bytes) -> int: ...
    def put_symlink(self, key: str, target: str) -> None: ...
    def get_symlink(self, key: str) -> str: ...
    def put_object_acl(self, key: str, acl: str) -> None: ...
    def get_object_acl(self, key: str) -> str: ...
    def put_object_tagging(self, key: str, tags: Mapping[str, str]) -> None: ...
    def get_object_tagging(self, key: str) -> dict[str, str]: ...
    def delete_object_tagging(self, key: str) -> None: ...
    def delete_object(self, key: str) -> None: ...
    def delete_multiple_objects(self, keys: Sequence[str], *, quiet: bool) -> list[str]: ...
    def initiate(self, key: str) -> str: ...
    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str: ...
    def upload_part_copy(self, key: str, upload: str, number: int, source: str, first: int, last: int) -> str: ...
    def complete(self, key: str, upload: str, etags: Sequence[str]) -> str: ...
    def abort(self, key: str, upload: str) -> None: ...
    def list_parts(self, key: str, upload: str) -> list[tuple[int, int]]: ...
    def list_uploads(self, prefix: str) -> list[tuple[str, str]]: ...
    def process_object(self, key: str, process: str) -> SavedAs: ...
    def async_process_object(self, key: str, process: str) -> None: ...


class Oss2Guide:
    """oss2."""

    def __init__(self, witness: Oss2) -> None:
        self._bucket = witness.bucket

    def _of(self, bucket: str) -> Any:
        here = self._bucket
        return oss2.Bucket(here.auth, here.endpoint, bucket, session=here.session, region=REGION)

    def list_buckets(self) -> list[str]:
        service = oss2.Service(self._bucket.auth, self._bucket.endpoint, session=self._bucket.session, region=REGION)
        with refusals():
            return [bucket.name for bucket in service.list_buckets().buckets]

    def put_bucket(self, bucket: str, acl: str) -> None:
        with refusals():
            self._of(bucket).create_bucket(acl)

    def delete_bucket(self, bucket: str) -> None:
        with refusals():
            self._of(bucket).delete_bucket()

    def put_bucket_acl(self, bucket: str, acl: str) -> None:
        with refusals():
            self._of(bucket).put_bucket_acl(acl)

    def get_bucket_acl(self, bucket: str) -> str:
        with refusals():
            return str(self._of(bucket).get_bucket_acl().acl)

    def get_bucket_location(self, bucket: str) -> str:
        with refusals():
            return str(self._of(bucket).get_bucket_location().location)

    def get_bucket_info(self, bucket: str) -> tuple[str, str]:
        with refusals():
            found = self._of(bucket).get_bucket_info()
        return found.location, found.acl.grant

    def list_objects(self, prefix: str, delimiter: str, marker: str, limit: int) -> Page:
        with refusals():
            found = self._bucket.list_objects(prefix, delimiter, marker, limit)
        return Page([each.key for each in found.object_list], found.prefix_list, found.next_marker)

    def list_objects_v2(self, prefix: str, delimiter: str, token: str, limit: int) -> Page:
        with refusals():
            found = self._bucket.list_objects_v2(prefix, delimiter, token, max_keys=limit)
        return Page([each.key for each in found.object_list], found.prefix_list, found.next_continuation_token)

    def put_style(self, name: str, content: str) -> None:
        with refusals():
            self._bucket.put_bucket_style(name, content)

    def get_style(self, name: str) -> str:
        with refusals():
            return str(self._bucket.get_bucket_style(name).content)

    def list_style(self) -> list[str]:
        with refusals():
            return [style.name for style in self._bucket.list_bucket_style().styles]

    def delete_style(self, name: str) -> None:
        with refusals():
            self._bucket.delete_bucket_style(name)

    def put_object(self, key: str, body: bytes, meta: Mapping[str, str]) -> None:
        with refusals():
            headers = {f"x-oss-meta-{name}": value for name, value in meta.items()}
            self._bucket.put_object(key, body, headers=headers)

    def get_object(self, key: str) -> bytes:
        with refusals():
            return bytes(self._bucket.get_object(key).read())

    def head_object(self, key: str) -> Head:
        with refusals():
            found = self._bucket.head_object(key)
        tags = int(found.headers.get("x-oss-tagging-count", "0"))
        return Head(found.content_length, found.etag, found.object_type, _meta(found.headers), tags)

    def get_object_meta(self, key: str) -> tuple[int, str]:
        with refusals():
            found = self._bucket.get_object_meta(key)
        return found.content_length, found.etag

    def copy_object(self, source: str, target: str) -> None:
        with refusals():
            self._bucket.copy_object(BUCKET, source, target)

    def append_object(self, key: str, position: int, body: bytes) -> int:
        with refusals():
            return int(self._bucket.append_object(key, position, body).next_position)

    def put_symlink(self, key: str, target: str) -> None:
        with refusals():
            self._bucket.put_symlink(target, key)

    def get_symlink(self, key: str) -> str:
        with refusals():
            return str(self._bucket.get_symlink(key).target_key)

    def put_object_acl(self, key: str, acl: str) -> None:
        with refusals():
            self._bucket.put_object_acl(key, acl)

    def get_object_acl(self, key: str) -> str:
        with refusals():
            return str(self._bucket.get_object_acl(key).acl)

    def put_object_tagging(self, key: str, tags: Mapping[str, str]) -> None:
        rule = oss2.models.TaggingRule()
        for name, value in tags.items():
            rule.add(name, value)
        with refusals():
            self._bucket.put_object_tagging(key, oss2.models.Tagging(rule))

    def get_object_tagging(self, key: str) -> dict[str, str]:
        with refusals():
            return dict(self._bucket.get_object_tagging(key).tag_set.tagging_rule)

    def delete_object_tagging(self, key: str) -> None:
        with refusals():
            self._bucket.delete_object_tagging(key)

    def delete_object(self, key: str) -> None:
        with refusals():
            self._bucket.delete_object(key)

    def delete_multiple_objects(self, keys: Sequence[str], *, quiet: bool) -> list[str]:
        assert not quiet  # it has no such argument
        with refusals():
            return list(self._bucket.batch_delete_objects(list(keys)).deleted_keys)

    def initiate(self, key: str) -> str:
        with refusals():
            return str(self._bucket.init_multipart_upload(key).upload_id)

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        with refusals():
            return str(self._bucket.upload_part(key, upload, number, body).etag)

    def upload_part_copy(self, key: str, upload: str, number: int, source: str, first: int, last: int) -> str:
        with refusals():
            return str(self._bucket.upload_part_copy(BUCKET, source, (first, last), key, upload, number).etag)

    def complete(self, key: str, upload: str, etags: Sequence[str]) -> str:
        parts = [oss2.models.PartInfo(number, etag) for number, etag in enumerate(etags, 1)]
        with refusals():
            return str(self._bucket.complete_multipart_upload(key, upload, parts).etag)

    def abort(self, key: str, upload: str) -> None:
        with refusals():
            self._bucket.abort_multipart_upload(key, upload)

    def list_parts(self, key: str, upload: str) -> list[tuple[int, int]]:
        with refusals():
            return [(part.part_number, part.size) for part in self._bucket.list_parts(key, upload).parts]

    def list_uploads(self, prefix: str) -> list[tuple[str, str]]:
        with refusals():
            found = self._bucket.list_multipart_uploads(prefix=prefix)
        return [(upload.key, upload.upload_id) for upload in found.upload_list]

    def process_object(self, key: str, process: str) -> SavedAs:
        with refusals():
            found = self._bucket.process_object(key, process)
        return SavedAs(found.bucket, found.object, found.fileSize, found.process_status)

    def async_process_object(self, key: str, process: str) -> None:
        with refusals():
            self._bucket.async_process_object(key, process)


class V2Guide:
    """alibabacloud_oss_v2, blocking or not."""

    def __init__(self, witness: V2) -> None:
        self._call = witness.call

    def list_buckets(self) -> list[str]:
        return [bucket.name for bucket in self._call("list_buckets", v2.ListBucketsRequest()).buckets or []]

    def put_bucket(self, bucket: str, acl: str) -> None:
        self._call("put_bucket", v2.PutBucketRequest(bucket, acl=acl))

    def delete_bucket(self, bucket: str) -> None:
        self._call("delete_bucket", v2.DeleteBucketRequest(bucket))

    def put_bucket_acl(self, bucket: str, acl: str) -> None:
        self._call("put_bucket_acl", v2.PutBucketAclRequest(bucket, acl=acl))

    def get_bucket_acl(self, bucket: str) -> str:
        return str(self._call("get_bucket_acl", v2.GetBucketAclRequest(bucket)).acl)

    def get_bucket_location(self, bucket: str) -> str:
        return str(self._call("get_bucket_location", v2.GetBucketLocationRequest(bucket)).location)

    def get_bucket_info(self, bucket: str) -> tuple[str, str]:
        found = self._call("get_bucket_info", v2.GetBucketInfoRequest(bucket)).bucket_info
        return found.location, found.acl

    def list_objects(self, prefix: str, delimiter: str, marker: str, limit: int) -> Page:
        request = v2.ListObjectsRequest(BUCKET, prefix=prefix, delimiter=delimiter, marker=marker, max_keys=limit)
        found = self._call("list_objects", request)
        return _page(found, found.next_marker)

    def list_objects_v2(self, prefix: str, delimiter: str, token: str, limit: int) -> Page:
        request = v2.ListObjectsV2Request(
            BUCKET, prefix=prefix, delimiter=delimiter, continuation_token=token or None, max_keys=limit
        )
        found = self._call("list_objects_v2", request)
        return _page(found, found.next_continuation_token)

    def put_style(self, name: str, content: str) -> None:
        style = v2.StyleContent(content=content)
        self._call("put_style", v2.PutStyleRequest(BUCKET, style_name=name, style=style))

    def get_style(self, name: str) -> str:
        return str(self._call("get_style", v2.GetStyleRequest(BUCKET, style_name=name)).style.content)

    def list_style(self) -> list[str]:
        found = self._call("list_style", v2.ListStyleRequest(BUCKET)).style_list
        return [style.name for style in found.styles or []]

    def delete_style(self, name: str) -> None:
        self._call("delete_style", v2.DeleteStyleRequest(BUCKET, style_name=name))

    def put_object(self, key: str, body: bytes, meta: Mapping[str, str]) -> None:
        self._call("put_object", v2.PutObjectRequest(BUCKET, key, body=body, metadata=dict(meta)))

    def get_object(self, key: str) -> bytes:
        return bytes(self._call("get_object", v2.GetObjectRequest(BUCKET, key)).body.content)

    def head_object(self, key: str) -> Head:
        found = self._call("head_object", v2.HeadObjectRequest(BUCKET, key))
        meta = {name.lower(): value for name, value in (found.metadata or {}).items()}
        return Head(found.content_length, found.etag.strip('"'), found.object_type, meta, found.tagging_count or 0)

    def get_object_meta(self, key: str) -> tuple[int, str]:
        found = self._call("get_object_meta", v2.GetObjectMetaRequest(BUCKET, key))
        return found.content_length, found.etag.strip('"')

    def copy_object(self, source: str, target: str) -> None:
        self._call("copy_object", v2.CopyObjectRequest(BUCKET, target, source_bucket=BUCKET, source_key=source))

    def append_object(self, key: str, position: int, body: bytes) -> int:
        request = v2.AppendObjectRequest(BUCKET, key, position=position, body=body)
        return int(self._call("append_object", request).next_position)

    def put_symlink(self, key: str, target: str) -> None:
        self._call("put_symlink", v2.PutSymlinkRequest(BUCKET, key, symlink_target=quote(target)))  # left to its caller

    def get_symlink(self, key: str) -> str:
        return unquote(self._call("get_symlink", v2.GetSymlinkRequest(BUCKET, key)).target)

    def put_object_acl(self, key: str, acl: str) -> None:
        self._call("put_object_acl", v2.PutObjectAclRequest(BUCKET, key, acl=acl))

    def get_object_acl(self, key: str) -> str:
        return str(self._call("get_object_acl", v2.GetObjectAclRequest(BUCKET, key)).acl)

    def put_object_tagging(self, key: str, tags: Mapping[str, str]) -> None:
        tag_set = v2.TagSet(tags=[v2.Tag(key=name, value=value) for name, value in tags.items()])
        request = v2.PutObjectTaggingRequest(BUCKET, key, tagging=v2.Tagging(tag_set=tag_set))
        self._call("put_object_tagging", request)

    def get_object_tagging(self, key: str) -> dict[str, str]:
        found = self._call("get_object_tagging", v2.GetObjectTaggingRequest(BUCKET, key))
        return {tag.key: tag.value for tag in found.tag_set.tags or []}

    def delete_object_tagging(self, key: str) -> None:
        self._call("delete_object_tagging", v2.DeleteObjectTaggingRequest(BUCKET, key))

    def delete_object(self, key: str) -> None:
        self._call("delete_object", v2.DeleteObjectRequest(BUCKET, key))

    def delete_multiple_objects(self, keys: Sequence[str], *, quiet: bool) -> list[str]:
        objects = [v2.DeleteObject(key=key) for key in keys]
        request = v2.DeleteMultipleObjectsRequest(BUCKET, objects=objects, quiet=quiet, encoding_type="url")
        found = self._call("delete_multiple_objects", request)
        return [each.key for each in found.deleted_objects or []]

    def initiate(self, key: str) -> str:
        return str(self._call("initiate_multipart_upload", v2.InitiateMultipartUploadRequest(BUCKET, key)).upload_id)

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        request = v2.UploadPartRequest(BUCKET, key, part_number=number, upload_id=upload, body=body)
        return str(self._call("upload_part", request).etag)

    def upload_part_copy(self, key: str, upload: str, number: int, source: str, first: int, last: int) -> str:
        request = v2.UploadPartCopyRequest(
            BUCKET,
            key,
            part_number=number,
            upload_id=upload,
            source_bucket=BUCKET,
            source_key=source,
            source_range=f"bytes={first}-{last}",
        )
        return str(self._call("upload_part_copy", request).etag)

    def complete(self, key: str, upload: str, etags: Sequence[str]) -> str:
        parts = [v2.UploadPart(part_number=number, etag=etag) for number, etag in enumerate(etags, 1)]
        request = v2.CompleteMultipartUploadRequest(
            BUCKET, key, upload_id=upload, complete_multipart_upload=v2.CompleteMultipartUpload(parts=parts)
        )
        return str(self._call("complete_multipart_upload", request).etag).strip('"')

    def abort(self, key: str, upload: str) -> None:
        self._call("abort_multipart_upload", v2.AbortMultipartUploadRequest(BUCKET, key, upload_id=upload))

    def list_parts(self, key: str, upload: str) -> list[tuple[int, int]]:
        found = self._call("list_parts", v2.ListPartsRequest(BUCKET, key, upload_id=upload))
        return [(part.part_number, part.size) for part in found.parts or []]

    def list_uploads(self, prefix: str) -> list[tuple[str, str]]:
        found = self._call("list_multipart_uploads", v2.ListMultipartUploadsRequest(BUCKET, prefix=prefix))
        return [(upload.key, upload.upload_id) for upload in found.uploads or []]

    def process_object(self, key: str, process: str) -> SavedAs:
        found = self._call("process_object", v2.ProcessObjectRequest(BUCKET, key, process=process))
        return SavedAs(found.bucket, found.key, found.file_size, found.process_status)

    def async_process_object(self, key: str, process: str) -> None:
        self._call("async_process_object", v2.AsyncProcessObjectRequest(BUCKET, key, process=process))


class AliOssGuide:
    """ali-oss on node."""

    def __init__(self, witness: AliOss) -> None:
        self._witness = witness

    def _invoke(self, method: str, *args: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._witness.call("invoke", method, *args)
        return found

    def list_buckets(self) -> list[str]:
        return [bucket["name"] for bucket in self._invoke("listBuckets")["buckets"]]

    def put_bucket(self, bucket: str, acl: str) -> None:
        self._invoke("putBucket", bucket, {"acl": acl})

    def delete_bucket(self, bucket: str) -> None:
        self._invoke("deleteBucket", bucket)

    def put_bucket_acl(self, bucket: str, acl: str) -> None:
        self._invoke("putBucketACL", bucket, acl)

    def get_bucket_acl(self, bucket: str) -> str:
        return str(self._invoke("getBucketACL", bucket)["acl"])

    def get_bucket_location(self, bucket: str) -> str:
        return str(self._invoke("getBucketLocation", bucket)["location"])

    def get_bucket_info(self, bucket: str) -> tuple[str, str]:
        found = self._invoke("getBucketInfo", bucket)["bucket"]
        return found["Location"], found["AccessControlList"]["Grant"]

    def list_objects(self, prefix: str, delimiter: str, marker: str, limit: int) -> Page:
        return self._list("list", "nextMarker", limit, prefix=prefix, delimiter=delimiter, marker=marker)

    def list_objects_v2(self, prefix: str, delimiter: str, token: str, limit: int) -> Page:
        asked = {"prefix": prefix, "delimiter": delimiter, "continuation-token": token}
        return self._list("listV2", "nextContinuationToken", limit, **asked)

    def _list(self, method: str, following: str, limit: int, **asked: str) -> Page:
        # Of what is empty it signs another form in V4 than the documentation says.
        query = {"max-keys": limit, **{name: value for name, value in asked.items() if value}}
        found = self._invoke(method, query)
        keys = [each["name"] for each in found["objects"] or []]
        return Page(keys, found["prefixes"] or [], found[following] or "")

    def put_style(self, name: str, content: str) -> None:
        raise NotImplementedError

    def get_style(self, name: str) -> str:
        raise NotImplementedError

    def list_style(self) -> list[str]:
        raise NotImplementedError

    def delete_style(self, name: str) -> None:
        raise NotImplementedError

    def put_object(self, key: str, body: bytes, meta: Mapping[str, str]) -> None:
        self._invoke("put", key, _encoded(body), {"meta": dict(meta)})

    def get_object(self, key: str) -> bytes:
        return base64.b64decode(self._invoke("get", key)["content"]["base64"])

    def head_object(self, key: str) -> Head:
        headers = self._invoke("head", key)["headers"]
        tags = int(headers.get("x-oss-tagging-count", "0"))
        size, etag = int(headers["content-length"]), headers["etag"].strip('"')
        return Head(size, etag, headers["x-oss-object-type"], _meta(headers), tags)

    def get_object_meta(self, key: str) -> tuple[int, str]:
        headers = self._invoke("getObjectMeta", key)["headers"]
        return int(headers["content-length"]), headers["etag"].strip('"')

    def copy_object(self, source: str, target: str) -> None:
        self._invoke("copy", target, source)

    def append_object(self, key: str, position: int, body: bytes) -> int:
        return int(self._invoke("append", key, _encoded(body), {"position": str(position)})["nextAppendPosition"])

    def put_symlink(self, key: str, target: str) -> None:
        self._invoke("putSymlink", key, target, {})

    def get_symlink(self, key: str) -> str:
        return str(self._invoke("getSymlink", key)["targetName"])

    def put_object_acl(self, key: str, acl: str) -> None:
        self._invoke("putACL", key, acl)

    def get_object_acl(self, key: str) -> str:
        return str(self._invoke("getACL", key)["acl"])

    def put_object_tagging(self, key: str, tags: Mapping[str, str]) -> None:
        self._invoke("putObjectTagging", key, dict(tags))

    def get_object_tagging(self, key: str) -> dict[str, str]:
        return dict(self._invoke("getObjectTagging", key)["tag"])

    def delete_object_tagging(self, key: str) -> None:
        self._invoke("deleteObjectTagging", key)

    def delete_object(self, key: str) -> None:
        self._invoke("delete", key)

    def delete_multiple_objects(self, keys: Sequence[str], *, quiet: bool) -> list[str]:
        return [each["Key"] for each in self._invoke("deleteMulti", list(keys), {"quiet": quiet})["deleted"]]

    def initiate(self, key: str) -> str:
        return str(self._invoke("initMultipartUpload", key)["uploadId"])

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        return str(self._invoke("uploadPart", key, upload, number, _encoded(body), 0, len(body))["etag"])

    def upload_part_copy(self, key: str, upload: str, number: int, source: str, first: int, last: int) -> str:
        where = {"sourceKey": source, "sourceBucketName": BUCKET}
        return str(self._invoke("uploadPartCopy", key, upload, number, f"{first}-{last}", where)["etag"])

    def complete(self, key: str, upload: str, etags: Sequence[str]) -> str:
        parts = [{"number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return str(self._invoke("completeMultipartUpload", key, upload, parts)["etag"]).strip('"')

    def abort(self, key: str, upload: str) -> None:
        self._invoke("abortMultipartUpload", key, upload)

    def list_parts(self, key: str, upload: str) -> list[tuple[int, int]]:
        parts = self._invoke("listParts", key, upload, {})["parts"]
        found = parts if isinstance(parts, list) else [parts]  # of one element it makes no list
        return [(int(part["PartNumber"]), int(part["Size"])) for part in found]

    def list_uploads(self, prefix: str) -> list[tuple[str, str]]:
        found = self._invoke("listUploads", {"prefix": prefix} if prefix else {})["uploads"]
        return [(upload["name"], upload["uploadId"]) for upload in found]

    def process_object(self, key: str, process: str) -> SavedAs:
        return self._witness.process(key, process)  # processObjectSave

    def async_process_object(self, key: str, process: str) -> None:
        raise NotImplementedError


def _page(found: Any, following: str | None) -> Page:
    keys = [each.key for each in found.contents or []]
    return Page(keys, [each.prefix for each in found.common_prefixes or []], following or "")


def _meta(headers: Mapping[str, str]) -> dict[str, str]:
    prefix = "x-oss-meta-"
    return {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}


def _encoded(body: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(body).decode()}


STYLES = ("PutStyle", "GetStyle", "ListStyle", "DeleteStyle")
# Operations that an SDK has no method for, and the names such a method would have.
LACKING: dict[str, dict[str, str]] = {
    "v2 async": dict(zip(STYLES, ("put_style", "get_style", "list_style", "delete_style"), strict=True)),
    "ali-oss": {
        **dict(zip(STYLES, ("putStyle", "getStyle", "listStyle", "deleteStyle"), strict=True)),
        "AsyncProcessObject": "asyncProcessObject",
    },
}


@contextmanager
def _guided(witness: AbstractContextManager[Witness], kind: Callable[[Any], Guide]) -> Iterator[Guide]:
    with witness as found:
        yield kind(found)


GUIDES: dict[str, Callable[[str, Credentials], AbstractContextManager[Guide]]] = {
    "oss2 V1": lambda url, keys: _guided(oss2_witness(url, keys, oss2.ProviderAuth), Oss2Guide),
    "oss2 V4": lambda url, keys: _guided(oss2_witness(url, keys, oss2.ProviderAuthV4), Oss2Guide),
    "v2 sync": lambda url, keys: _guided(v2_witness(url, keys), V2Guide),
    "v2 async": lambda url, keys: _guided(v2_async_witness(url, keys), V2Guide),
    "ali-oss V1": lambda url, keys: _guided(ali_oss_witness(url, keys, v4=False), AliOssGuide),
    "ali-oss V4": lambda url, keys: _guided(ali_oss_witness(url, keys, v4=True), AliOssGuide),
}
