"""A local OSS on a thread of its own, for tests that know nothing of event loops."""

import asyncio
import json
import secrets
import threading
from types import TracebackType
from typing import Self

from worker.emulator.faults.deciding import Faults
from worker.emulator.faults.reading import parse_rule
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import StoreFullError, put
from worker.emulator.styles import define_style
from worker.errors import UsageError
from worker.oss.names import bucket_problem, key_problem
from worker.oss.refusal import RefusedError
from worker.oss.signing import Credentials

_START_S = 60


class ThreadedOSS:
    """A local OSS in memory; a context manager. Clients that speak OSS use it by these attributes.

    Attributes:
        endpoint: Such as `http://127.0.0.1:8080`; addressed by path.
        region: For signatures V4.
        access_key_id, access_key_secret: The key that may do everything; made up anew for each server.
        bucket: A bucket that is there.
    """

    def __init__(self) -> None:
        self.endpoint = ""
        self.region = "cn-hangzhou"
        self.access_key_id = f"test{secrets.token_hex(8)}"
        self.access_key_secret = secrets.token_urlsafe(24)
        self.bucket = "test-bucket"
        self._store = MemoryStore()
        self._faults = Faults()
        self._thread = threading.Thread(target=self._run, name="local OSS", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._trouble: BaseException | None = None

    def __enter__(self) -> Self:
        self.make_bucket(self.bucket)
        self._thread.start()
        if not self._ready.wait(_START_S) or self._trouble is not None:
            message = "the local OSS did not start"
            raise RuntimeError(message) from self._trouble
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_START_S)

    def make_bucket(self, name: str) -> None:
        """Make a bucket if it is not there.

        Raises:
            UsageError: The service takes no bucket of this name.
        """
        if problem := bucket_problem(name):
            raise UsageError(f"no bucket can be named {name!r}: {problem}", "choose another name")
        self._store.make_bucket(name)

    def put(self, key: str, body: bytes, *, bucket: str = "", content_type: str = "") -> None:
        """Store an object, in `bucket` or the one that is there.

        Raises:
            UsageError: There is no such bucket, the service takes no such key, or there is no room in memory.
        """
        headers = {"content-type": content_type} if content_type else {}
        name = self._bucket(bucket)
        try:
            put(self._store, name, _key(key), body, headers)
        except StoreFullError as error:
            raise UsageError(f"{key!r} has no room: the server holds {error.capacity:,} bytes in all") from None

    def get(self, key: str, *, bucket: str = "") -> bytes | None:
        """The bytes of an object, None where it does not exist. Raises UsageError as `put` does."""
        content = self._store.open(self._bucket(bucket), _key(key))
        if content is None:
            return None
        with content:
            return content.file.read()

    def keys(self, *, bucket: str = "") -> list[str]:
        """The keys of all objects, in their order. Raises UsageError where there is no such bucket."""
        return list(self._store.keys(self._bucket(bucket), "", b""))

    def put_style(self, name: str, content: str, *, bucket: str = "") -> None:
        """Define a style.

        Raises:
            UsageError: There is no such bucket, or the service takes no such style.
        """
        where = self._bucket(bucket)
        try:
            define_style(self._store, where, name, content)
        except RefusedError as error:
            mend = "a style has a name of letters, digits, `_`, `-` and `.`, and holds what `image/...` may say"
            raise UsageError(f"the style {name!r} is refused: {error.refusal.message}", mend) from None

    def fault(self, fault: str, **parameters: object) -> None:
        """Let something go wrong from here on: a rule as in a faults file, `from` written `from_`.

        Raises:
            UsageError: There is no such rule.
        """
        rule = {name.rstrip("_"): value for name, value in parameters.items()}
        self._faults.add(parse_rule(json.dumps({"fault": fault} | rule)))

    def _bucket(self, name: str) -> str:
        name = name or self.bucket
        if self._store.bucket(name) is None:
            made = ", ".join(bucket.name for bucket in self._store.buckets())
            raise UsageError(f"there is no bucket {name!r}; there are: {made}", "make it first, with make_bucket")
        return name

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits, which raises it
            self._trouble = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        keys = Credentials(self.access_key_id, self.access_key_secret)
        async with LocalOSS(self._store, [keys], region=self.region, faults=self._faults) as server:
            self.endpoint = server.url
            self._ready.set()
            await self._ended.wait()


def _key(key: str) -> str:
    if problem := key_problem(key):
        raise UsageError(f"no object can have the key {key!r}: {problem}", "choose another key")
    return key
