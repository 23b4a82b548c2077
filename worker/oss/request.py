"""A request to OSS as a value, and a builder for each operation the worker uses."""

from dataclasses import dataclass, field, replace

from worker.oss.names import ObjectRef
from worker.oss.process import PARAMETER


@dataclass(frozen=True, slots=True)
class Request:
    """One request, before addressing: key and query are decoded text, header names are lower-case.

    An empty key means the bucket itself, an empty bucket the service. `body` is sent as it is. The repr leaves out
    where a signature or a security token may stand.
    """

    method: str
    bucket: str = ""
    key: str = ""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> "Request":
        """This request with more headers."""
        return replace(self, headers=(*self.headers, *headers))

    def with_query(self, *query: tuple[str, str]) -> "Request":
        """This request with more query parameters."""
        return replace(self, query=(*self.query, *query))


def process_object(source: ObjectRef, process: str) -> Request:
    """Process an object in place of reading it; with `sys/saveas` in the process the result is saved.

    The body uses the syntax of a query but is not form-encoded, and carries no Content-Type.
    Source: OSS, "Save processed images (sys/saveas)", request example.
    """
    return Request("POST", source.bucket, source.key, ((PARAMETER, ""),), body=f"{PARAMETER}={process}".encode())


def head_object(target: ObjectRef) -> Request:
    """The metadata of an object. Source: OSS, HeadObject."""
    return Request("HEAD", target.bucket, target.key)


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
