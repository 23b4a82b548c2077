"""The official SDKs behind one interface, so that each is asked the same of the local OSS."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import alibabacloud_oss_v2 as v2
import oss2
import oss2.credentials
import pytest
from alibabacloud_oss_v2.aio import AsyncClient
from oss2.models import ProcessObjectResult

from worker.oss.process import SaveAs, parse
from worker.oss.signing import Credentials

REGION = "cn-hangzhou"
BUCKET = "photos"
DRIVER = Path(__file__).parent / "node/witness.js"
NODE_MODULES = Path(__file__).parents[2] / "build/node/node_modules"


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
    reads_control_characters: bool  # whether it can list a key with one

    def put(self, key: str, body: bytes) -> None: ...
    def get(self, key: str) -> bytes: ...
    def get_part(self, key: str, first: int, last: int) -> bytes: ...
    def get_processed(self, key: str, process: str) -> bytes: ...
    def head(self, key: str) -> tuple[int, str]: ...
    def delete(self, key: str) -> None: ...
    def list(self, prefix: str, delimiter: str, page: int) -> Pages: ...
    def presign(self, method: str, key: str) -> str: ...
    def process(self, key: str, process: str) -> SavedAs: ...


class Oss2:
    """oss2, which signs with V1 or V4."""

    keeps_dot_segments = True  # it writes every slash of a key as %2F
    reads_control_characters = True

    def __init__(self, bucket: Any) -> None:
        self.bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        with refusals():
            self.bucket.put_object(key, body)

    def get(self, key: str) -> bytes:
        with refusals():
            return bytes(self.bucket.get_object(key).read())

    def get_part(self, key: str, first: int, last: int) -> bytes:
        with refusals():
            return bytes(self.bucket.get_object(key, byte_range=(first, last)).read())

    def get_processed(self, key: str, process: str) -> bytes:
        with refusals():
            return bytes(self.bucket.get_object(key, process=process).read())

    def head(self, key: str) -> tuple[int, str]:
        with refusals():
            found = self.bucket.head_object(key)
        return found.content_length, found.etag

    def delete(self, key: str) -> None:
        with refusals():
            self.bucket.delete_object(key)

    def list(self, prefix: str, delimiter: str, page: int) -> Pages:
        keys: list[str] = []
        prefixes: list[str] = []
        token, count = "", 0
        while token or not count:
            with refusals():
                found = self.bucket.list_objects_v2(prefix, delimiter, token, max_keys=page)
            keys += [item.key for item in found.object_list]
            prefixes += found.prefix_list
            token, count = found.next_continuation_token if found.is_truncated else "", count + 1
        return Pages(keys, prefixes, count)

    def presign(self, method: str, key: str) -> str:
        return str(self.bucket.sign_url(method, key, 600, slash_safe=True))

    def process(self, key: str, process: str) -> SavedAs:
        with refusals():
            result: ProcessObjectResult = self.bucket.process_object(key, process)
        return SavedAs(result.bucket, result.object, result.fileSize, result.process_status)


class V2:
    """alibabacloud_oss_v2, which signs with V4. `call` runs an operation of its client, blocking or not."""

    keeps_dot_segments = False  # its HTTP clients resolve them, as browsers do
    reads_control_characters = True

    def __init__(self, call: Callable[[str, Any], Any], client: v2.Client) -> None:
        self.call = call
        self._client = client

    def put(self, key: str, body: bytes) -> None:
        self.call("put_object", v2.PutObjectRequest(BUCKET, key, body=body))

    def get(self, key: str) -> bytes:
        return bytes(self.call("get_object", v2.GetObjectRequest(BUCKET, key)).body.content)

    def get_part(self, key: str, first: int, last: int) -> bytes:
        request = v2.GetObjectRequest(BUCKET, key, range_header=f"bytes={first}-{last}")
        return bytes(self.call("get_object", request).body.content)

    def get_processed(self, key: str, process: str) -> bytes:
        return bytes(self.call("get_object", v2.GetObjectRequest(BUCKET, key, process=process)).body.content)

    def head(self, key: str) -> tuple[int, str]:
        found = self.call("head_object", v2.HeadObjectRequest(BUCKET, key))
        return found.content_length, found.etag.strip('"')

    def delete(self, key: str) -> None:
        self.call("delete_object", v2.DeleteObjectRequest(BUCKET, key))

    def list(self, prefix: str, delimiter: str, page: int) -> Pages:
        keys: list[str] = []
        prefixes: list[str] = []
        token, count = None, 0
        while token or not count:
            found = self.call(
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
        result = self.call("process_object", v2.ProcessObjectRequest(BUCKET, key, process=process))
        return SavedAs(result.bucket, result.key, result.file_size, result.process_status)


class AliOss:
    """ali-oss on node, which signs with V1 or V4. `call` has node/witness.js do something with its client."""

    keeps_dot_segments = False  # its HTTP client resolves them
    reads_control_characters = False  # it never asks for encoding-type=url, and its XML parser knows no &#x7;

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call

    def put(self, key: str, body: bytes) -> None:
        self.call("put", key, base64.b64encode(body).decode())

    def get(self, key: str) -> bytes:
        return base64.b64decode(self.call("get", key))

    def get_part(self, key: str, first: int, last: int) -> bytes:
        return base64.b64decode(self.call("getPart", key, first, last))

    def get_processed(self, key: str, process: str) -> bytes:
        return base64.b64decode(self.call("getProcessed", key, process))

    def head(self, key: str) -> tuple[int, str]:
        found = self.call("head", key)
        return found["size"], found["etag"].strip('"')

    def delete(self, key: str) -> None:
        self.call("delete", key)

    def list(self, prefix: str, delimiter: str, page: int) -> Pages:
        keys: list[str] = []
        prefixes: list[str] = []
        token, count = "", 0
        while token or not count:
            asked = {"prefix": prefix, "delimiter": delimiter, "continuation-token": token}
            # Of what is empty it signs another form in V4 than the documentation says.
            found = self.call("list", {"max-keys": page, **{name: value for name, value in asked.items() if value}})
            keys += found["keys"]
            prefixes += found["prefixes"]
            token, count = found["next"], count + 1
        return Pages(keys, prefixes, count)

    def presign(self, method: str, key: str) -> str:
        return str(self.call("presign", method, key))

    def process(self, key: str, process: str) -> SavedAs:
        target = parse(process)[-1]  # it writes `sys/saveas` by itself
        assert isinstance(target, SaveAs)
        found = self.call("saveas", key, target.key, process.rpartition("|")[0], target.bucket)
        return SavedAs(found["bucket"], found["object"], found["fileSize"], found["status"])


@contextmanager
def refusals() -> Iterator[None]:
    """The Python SDKs' errors as one."""
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


@contextmanager
def ali_oss_witness(url: str, keys: Credentials, *, v4: bool) -> Iterator[Witness]:
    """ali-oss in a process of node; the test is skipped where there is none."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("ali-oss: there is no node on this machine")
    if not (NODE_MODULES / "ali-oss").is_dir():
        pytest.skip("ali-oss is not installed: `make test` does it where npm reaches its registry")
    options = {
        "accessKeyId": keys.access_key_id,
        "accessKeySecret": keys.access_key_secret,
        **({"stsToken": keys.security_token} if keys.security_token else {}),
        "bucket": BUCKET,
        "endpoint": url,
        "region": f"oss-{REGION}",
        "authorizationV4": v4,
    }
    pipe, environ = subprocess.PIPE, {**os.environ, "NODE_PATH": str(NODE_MODULES)}
    with subprocess.Popen([node, DRIVER], stdin=pipe, stdout=pipe, env=environ, text=True, encoding="utf-8") as child:

        def tell(given: dict[str, Any]) -> None:
            assert child.stdin is not None
            child.stdin.write(json.dumps(given) + "\n")
            child.stdin.flush()

        def call(name: str, *args: Any) -> Any:
            tell({"call": name, "args": args})
            assert child.stdout is not None
            answer = json.loads(child.stdout.readline())
            if "refused" in answer:
                raise Refused(**answer["refused"])
            return answer["found"]

        tell(options)
        yield AliOss(call)


WITNESSES: dict[str, Callable[[str, Credentials], AbstractContextManager[Witness]]] = {
    "oss2 V1": lambda url, keys: oss2_witness(url, keys, oss2.ProviderAuth),
    "oss2 V4": lambda url, keys: oss2_witness(url, keys, oss2.ProviderAuthV4),
    "v2 sync": v2_witness,
    "v2 async": v2_async_witness,
    "ali-oss V1": lambda url, keys: ali_oss_witness(url, keys, v4=False),
    "ali-oss V4": lambda url, keys: ali_oss_witness(url, keys, v4=True),
}
