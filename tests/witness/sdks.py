"""The official SDKs behind one interface, so that each is asked the same of the local OSS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import alibabacloud_oss_v2 as v2
import oss2
import oss2.credentials
from alibabacloud_oss_v2.aio import AsyncClient
from oss2.models import ProcessObjectResult

from worker.oss.signing import Credentials

REGION = "cn-hangzhou"
BUCKET = "photos"


@dataclass(frozen=True)
class Refused(Exception):  # noqa: N818 - what the service says, not a mistake of ours
    """What either SDK makes of an error answer."""

    http: int
    code: str
    message: str
    ec: str


@dataclass(frozen=True)
class Pages:
    """A listing, over all its pages."""

    keys: list[str]
    prefixes: list[str]
    count: int


@dataclass(frozen=True)
class SavedAs:
    """What the JSON of a saved picture says."""

    bucket: str
    key: str
    size: int
    status: str


class Witness(Protocol):
    """What an SDK does with the objects of one bucket. Everything blocks."""

    keeps_dot_segments: bool  # whether `a/../b` goes out as it is

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def get_part(self, key: str, first: int, last: int) -> bytes: ...
    def get_processed(self, key: str, process: str) -> bytes: ...
    def head(self, key: str) -> tuple[int, str]: ...
    def list(self, prefix: str, delimiter: str, page: int) -> Pages: ...
    def presign(self, method: str, key: str) -> str: ...
    def process(self, key: str, process: str) -> SavedAs: ...


class Oss2:
    """oss2, which signs with V1 or V4."""

    keeps_dot_segments = True  # it writes every slash of a key as %2F

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        with refusals():
            self._bucket.put_object(key, body)

    def get(self, key: str) -> bytes:
        with refusals():
            return bytes(self._bucket.get_object(key).read())

    def get_part(self, key: str, first: int, last: int) -> bytes:
        with refusals():
            return bytes(self._bucket.get_object(key, byte_range=(first, last)).read())

    def get_processed(self, key: str, process: str) -> bytes:
        with refusals():
            return bytes(self._bucket.get_object(key, process=process).read())

    def head(self, key: str) -> tuple[int, str]:
        with refusals():
            found = self._bucket.head_object(key)
        return found.content_length, found.etag

    def list(self, prefix: str, delimiter: str, page: int) -> Pages:
        keys: list[str] = []
        prefixes: list[str] = []
        token, count = "", 0
        while token or not count:
            with refusals():
                found = self._bucket.list_objects_v2(prefix, delimiter, token, max_keys=page)
            keys += [item.key for item in found.object_list]
            prefixes += found.prefix_list
            token, count = found.next_continuation_token if found.is_truncated else "", count + 1
        return Pages(keys, prefixes, count)

    def presign(self, method: str, key: str) -> str:
        return str(self._bucket.sign_url(method, key, 600, slash_safe=True))

    def process(self, key: str, process: str) -> SavedAs:
        with refusals():
            result: ProcessObjectResult = self._bucket.process_object(key, process)
        return SavedAs(result.bucket, result.object, result.fileSize, result.process_status)


class V2:
    """alibabacloud_oss_v2, which signs with V4. `call` runs an operation of its client, blocking or not."""

    keeps_dot_segments = False  # its HTTP clients resolve them, as browsers do

    def __init__(self, call: Callable[[str, Any], Any], client: v2.Client) -> None:
        self._call = call
        self._client = client

    def put(self, key: str, body: bytes) -> None:
        self._call("put_object", v2.PutObjectRequest(BUCKET, key, body=body))

    def get(self, key: str) -> bytes:
        return bytes(self._call("get_object", v2.GetObjectRequest(BUCKET, key)).body.content)

    def get_part(self, key: str, first: int, last: int) -> bytes:
        request = v2.GetObjectRequest(BUCKET, key, range_header=f"bytes={first}-{last}")
        return bytes(self._call("get_object", request).body.content)

    def get_processed(self, key: str, process: str) -> bytes:
        return bytes(self._call("get_object", v2.GetObjectRequest(BUCKET, key, process=process)).body.content)

    def head(self, key: str) -> tuple[int, str]:
        found = self._call("head_object", v2.HeadObjectRequest(BUCKET, key))
        return found.content_length, found.etag.strip('"')

    def list(self, prefix: str, delimiter: str, page: int) -> Pages:
        keys: list[str] = []
        prefixes: list[str] = []
        token, count = None, 0
        while token or not count:
            found = self._call(
                "list_objects_v2",
                v2.ListObjectsV2Request(
                    BUCKET, delimiter=delimiter, prefix=prefix, max_keys=page, continuation_token=token
                ),
            )
            keys += [item.key for item in found.contents or []]
            prefixes += [item.prefix for item in found.common_prefixes or []]
            token, count = found.next_continuation_token if found.is_truncated else None, count + 1
        return Pages(keys, prefixes, count)

    def presign(self, method: str, key: str) -> str:
        kind = {"GET": v2.GetObjectRequest, "PUT": v2.PutObjectRequest}[method]
        return str(self._client.presign(kind(BUCKET, key), expires=timedelta(minutes=10)).url)

    def process(self, key: str, process: str) -> SavedAs:
        result = self._call("process_object", v2.ProcessObjectRequest(BUCKET, key, process=process))
        return SavedAs(result.bucket, result.key, result.file_size, result.process_status)


@contextmanager
def refusals() -> Iterator[None]:
    """Both SDKs' errors as one."""
    try:
        yield
    except oss2.exceptions.ServerError as error:
        details = error.details or {}
        raise Refused(error.status, error.code, error.message, details.get("EC", "")) from error
    except v2.exceptions.OperationError as error:
        refusal = error.unwrap()
        if not isinstance(refusal, v2.exceptions.ServiceError):
            raise
        raise Refused(refusal.status_code, refusal.code, refusal.message, refusal.ec or "") from error


@contextmanager
def oss2_witness(url: str, keys: Credentials, auth: Any) -> Iterator[Witness]:
    """oss2, signing in the way of `auth`."""
    provider = oss2.credentials.StaticCredentialsProvider(
        keys.access_key_id, keys.access_key_secret, keys.security_token or None
    )
    session = oss2.Session()
    try:
        yield Oss2(oss2.Bucket(auth(provider), url, BUCKET, session=session, region=REGION))
    finally:
        session.session.close()


def _config(url: str, keys: Credentials) -> v2.Config:
    provider = v2.credentials.StaticCredentialsProvider(
        keys.access_key_id, keys.access_key_secret, keys.security_token or None
    )
    return v2.Config(region=REGION, endpoint=url, credentials_provider=provider, retry_max_attempts=1)


@contextmanager
def v2_witness(url: str, keys: Credentials) -> Iterator[Witness]:
    """The blocking client of alibabacloud_oss_v2."""
    http = v2.transport.RequestsHttpClient()
    config = _config(url, keys)
    config.http_client = http
    client = v2.Client(config)

    def call(operation: str, request: Any) -> Any:
        with refusals():
            return getattr(client, operation)(request)

    with http:
        yield V2(call, client)


@contextmanager
def v2_async_witness(url: str, keys: Credentials) -> Iterator[Witness]:
    """The asyncio client of alibabacloud_oss_v2, each operation in an event loop of its own."""

    async def run(operation: str, request: Any) -> Any:
        async with AsyncClient(_config(url, keys)) as client:
            method: Callable[[Any], Awaitable[Any]] = getattr(client, operation)
            with refusals():
                return await method(request)

    yield V2(lambda operation, request: asyncio.run(run(operation, request)), v2.Client(_config(url, keys)))


WITNESSES = {
    "oss2 V1": lambda url, keys: oss2_witness(url, keys, oss2.ProviderAuth),
    "oss2 V4": lambda url, keys: oss2_witness(url, keys, oss2.ProviderAuthV4),
    "v2 sync": v2_witness,
    "v2 async": v2_async_witness,
}
