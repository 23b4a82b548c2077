"""A request to OSS as a value, and a builder for each operation the worker uses."""

import hashlib
from enum import StrEnum

import msgspec

from worker.oss.content import Content, content_md5
from worker.oss.names import ObjectRef
from worker.oss.process import PARAMETER


class Billing(StrEnum):
    """The class by which OSS bills a request."""

    PUT = "put"
    GET = "get"

    __hash__ = str.__hash__  # that of enumerations is slow, and every request is counted by its class


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request, before addressing: key and query are decoded text, header names are lower-case.

    An empty key means the bucket itself, an empty bucket the service. `body` is sent as it is, or `content` in its
    place. `keeps`: what is answered is a picture, which is kept as the content of another request. The repr leaves out
    where a signature or a security token may stand.
    """

    method: str
    bucket: str = ""
    key: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content: Content | None = None
    keeps: bool = False

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.bucket!r}, {self.key!r}, body={self.body!r})"

    @property
    def lists(self) -> bool:
        """Whether it asks for a listing."""
        return self.method == "GET" and ("list-type", "2") in self.query

    @property
    def billing(self) -> Billing:
        """Its class: of the requests the worker sends, listings and writes are PUT-class.

        A process counts as one GetObject; of a POST with saveas no page says otherwise. Source: OSS, "API operation
        calling fees" and "Data processing fees".
        """
        return Billing.PUT if self.lists or self.method == "PUT" else Billing.GET

    def with_headers(self, *headers: tuple[str, str]) -> "Request":
        """This request with more headers."""
        joined = (*self.headers, *headers)
        return Request(self.method, self.bucket, self.key, self.query, joined, self.body, self.content, self.keeps)

    def with_query(self, *query: tuple[str, str]) -> "Request":
        """This request with more query parameters."""
        joined = (*self.query, *query)
        return Request(self.method, self.bucket, self.key, joined, self.headers, self.body, self.content, self.keeps)


def process_object(source: ObjectRef, process: str) -> Request:
    """Process an object in place of reading it; with `sys/saveas` in the process the result is saved.

    The body uses the syntax of a query but is not form-encoded, and carries no Content-Type.
    Source: OSS, "Save processed images (sys/saveas)", request example.
    """
    return Request("POST", source.bucket, source.key, ((PARAMETER, ""),), body=f"{PARAMETER}={process}".encode())


def get_processed(source: ObjectRef, process: str, *, keeps: bool = False) -> Request:
    """An object as a process makes it, saved nowhere. Source: OSS, GetObject with `x-oss-process`."""
    return Request("GET", source.bucket, source.key, ((PARAMETER, process),), keeps=keeps)


def head_object(target: ObjectRef) -> Request:
    """The metadata of an object. Source: OSS, HeadObject."""
    return Request("HEAD", target.bucket, target.key)


def delete_object(target: ObjectRef) -> Request:
    """Remove an object of the worker's own, nothing else; that there is none is fine. Source: OSS, DeleteObject."""
    return Request("DELETE", target.bucket, target.key)


def get_style(bucket: str, name: str) -> Request:
    """What a style of a bucket stands for. Source: OSS, GetStyle."""
    return Request("GET", bucket, query=(("style", ""), ("styleName", name)))


def bucket_info(bucket: str) -> Request:
    """Where a bucket is and how it is set up. Source: OSS, GetBucketInfo."""
    return Request("GET", bucket, query=(("bucketInfo", ""),))


def list_objects(bucket: str, prefix: str, continuation_token: str = "", max_keys: int = 1000) -> Request:
    """One page of the objects whose keys begin with a prefix, in order. Source: OSS, ListObjectsV2."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(max_keys))]
    if prefix:
        query.append(("prefix", prefix))
    if continuation_token:
        query.append(("continuation-token", continuation_token))
    return Request("GET", bucket, query=tuple(query))


def get_range(source: ObjectRef, first: int, last: int, etag: str) -> Request:
    """Some bytes of an object, from `first` to `last` inclusive, while its content is still that of `etag` (quoted).

    Source: OSS, GetObject. Both ends lie within the object, so that no rule about other ranges applies.
    """
    headers = (("if-match", etag), ("range", f"bytes={first}-{last}"))
    return Request("GET", source.bucket, source.key, headers=headers)


def put_new_object(target: ObjectRef, content: bytes) -> Request:
    """Put an object that must not be there yet. Its MD5 lets the service refuse what the way has changed.

    Source: OSS, PutObject, `x-oss-forbid-overwrite` and `Content-MD5`.
    """
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    headers = (("content-md5", content_md5(digest)), ("x-oss-forbid-overwrite", "true"))
    return Request("PUT", target.bucket, target.key, headers=headers, body=content)


def put_picture(target: ObjectRef, content: Content, content_type: str) -> Request:
    """Put a picture, whatever is there. Its MD5 lets the service refuse what the way has changed.

    Source: OSS, PutObject, `Content-MD5` and `Content-Type`.
    """
    headers = (("content-md5", content_md5(content.md5)), ("content-type", content_type))
    return Request("PUT", target.bucket, target.key, headers=headers, content=content)
