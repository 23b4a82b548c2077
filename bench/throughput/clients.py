"""What the worker is measured beside: `python -m bench.throughput.clients NAME URL TASKS` sends that many POSTs.

It prints the CPU seconds that sending took, without imports and preparations. All save the same targets with 64
requests in flight; those of the SDKs are signed with V4, over kept connections. None makes a log or has a throttle.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import aiohttp
import uvloop
from yarl import URL

from worker.oss.names import ObjectRef
from worker.oss.process import saveas
from worker.oss.request import process_object
from worker.oss.signing import Credentials, sign_v4

CONCURRENCY = 64
REGION = "cn-hangzhou"
KEYS = ("made-up-id", "made-up-secret")
PROCESS = "image/resize,w_100"
MANIFEST = """\
version: 1
job: throughput
bucket: photos
sources:
  - csv: keys.csv
    etag: ignore
pipelines:
  - name: small
    process: image/resize,w_100
    target: {bucket: renditions, key: "small/{key}"}
"""
# The options of worker.transport, which are all public.
_OPTIONS: dict[str, Any] = {
    "timeout": aiohttp.ClientTimeout(total=60, sock_connect=10),
    "auto_decompress": False,
    "skip_auto_headers": ("Content-Type", "Accept-Encoding", "Accept"),
    "headers": {"User-Agent": "oss-saveas"},
}


def key(number: int) -> str:
    """The key of one of many sources."""
    return f"in/{number:07}.jpg"


def process_of(number: int) -> str:
    """The process that saves the target of a source."""
    return saveas(PROCESS, ObjectRef("renditions", f"small/{key(number)}"))


def bare_options(url: str, tasks: int) -> float:
    """The least that the worker could cost: its aiohttp, and requests that were signed before."""
    prepared = _prepared(url, tasks)

    async def main() -> float:
        connector = aiohttp.TCPConnector(limit=CONCURRENCY + 4)
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), **_OPTIONS
        ) as session:

            async def one(target: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
                sent = session.post(URL(target, encoded=True), headers=headers, data=body, allow_redirects=False)
                async with sent as answer:
                    await answer.read()

            return await _cpu_of(prepared, one)

    return uvloop.run(main())


def bare_default(url: str, tasks: int) -> float:
    """The same as people write it: a session without options, and `response.json()`."""
    prepared = _prepared(url, tasks)

    async def main() -> float:
        async with aiohttp.ClientSession() as session:

            async def one(target: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
                async with session.post(target, headers=headers, data=body) as answer:
                    await answer.json()

            return await _cpu_of(prepared, one)

    return uvloop.run(main())


def _prepared(url: str, tasks: int) -> list[tuple[str, tuple[tuple[str, str], ...], bytes]]:
    credentials, at = Credentials(*KEYS), datetime.now(UTC)

    def one(number: int) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
        request = process_object(ObjectRef("photos", key(number)), process_of(number))
        signed = sign_v4(request, credentials, region=REGION, at=at)
        return f"{url}/photos/{request.key}?x-oss-process", signed.headers, signed.body

    prepared = [one(number) for number in range(tasks)]
    gc.freeze()  # what was prepared is not the client's, and it shall not be slowed down by it
    return prepared


async def _cpu_of(jobs: Any, one: Callable[..., Any]) -> float:
    waiting = iter(jobs)

    async def consume() -> None:
        for job in waiting:
            await one(*job)

    began = time.process_time()
    await asyncio.gather(*(consume() for _ in range(CONCURRENCY)))
    return time.process_time() - began


def sdk_async(url: str, tasks: int) -> float:
    """The official SDK `alibabacloud-oss-v2`, asynchronous."""
    from alibabacloud_oss_v2 import aio, models  # noqa: PLC0415 - it is its own client's alone

    async def main() -> float:
        async with aio.AsyncClient(_configuration(url)) as client:

            async def one(number: int) -> None:
                asked = models.ProcessObjectRequest(bucket="photos", key=key(number), process=process_of(number))
                await client.process_object(asked)

            return await _cpu_of(((number,) for number in range(tasks)), one)

    return uvloop.run(main())


def sdk_threads(url: str, tasks: int) -> float:
    """The same SDK, synchronous, in as many threads."""
    import alibabacloud_oss_v2 as oss  # noqa: PLC0415 - likewise

    client = oss.Client(_configuration(url))

    def one(number: int) -> None:
        client.process_object(oss.ProcessObjectRequest(bucket="photos", key=key(number), process=process_of(number)))

    return _in_threads(one, tasks)


def oss2_threads(url: str, tasks: int) -> float:
    """The older official SDK, `oss2`, in as many threads."""
    import oss2  # noqa: PLC0415 - likewise
    import oss2.credentials  # noqa: PLC0415 - likewise

    auth = oss2.ProviderAuthV4(oss2.credentials.StaticCredentialsProvider(*KEYS))
    session = oss2.Session(pool_size=CONCURRENCY)
    bucket = oss2.Bucket(auth, url, "photos", region=REGION, is_path_style=True, session=session, enable_crc=False)
    return _in_threads(lambda number: bucket.process_object(key(number), process_of(number)), tasks)


def _in_threads(one: Callable[[int], object], tasks: int) -> float:
    began = time.process_time()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        numbers = iter(range(tasks))
        while page := list(islice(numbers, 1000)):
            for _ in pool.map(one, page):
                pass
    return time.process_time() - began


def _configuration(url: str) -> Any:
    import alibabacloud_oss_v2 as oss  # noqa: PLC0415 - likewise

    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(*KEYS)
    config.region, config.endpoint, config.use_path_style, config.disable_ssl = REGION, url, True, True
    return config


CLIENTS: dict[str, Callable[[str, int], float]] = {
    "bare-options": bare_options,
    "bare-default": bare_default,
    "sdk-async": sdk_async,
    "sdk-threads": sdk_threads,
    "oss2-threads": oss2_threads,
}

if __name__ == "__main__":
    print(partial(CLIENTS[sys.argv[1]], sys.argv[2], int(sys.argv[3]))())
