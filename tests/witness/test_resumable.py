"""oss2's resumable transfers of 50 MB: by several threads, interrupted half-way, gone on with, and whole."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import oss2
import oss2.credentials
import pytest

from tests.witness.conftest import KEYS
from tests.witness.sdks import BUCKET, REGION
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import Store

SIZE, PART, THREADS = 50_000_000, 1_000_000, 4
KEY = "dir/fifty +MB.bin"

pytestmark = pytest.mark.timeout(120)


class InterruptedByUserError(Exception):
    """What ends a transfer half-way."""


def half_way(consumed: int, total: int | None) -> None:
    if consumed >= (total or 0) // 2:
        raise InterruptedByUserError


@pytest.fixture(params=["memory", "folder"])
def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """The same store each time; a folder as another process would find it."""
    memory = MemoryStore()
    memory.make_bucket(BUCKET)
    FolderStore(tmp_path / "root").make_bucket(BUCKET)
    return lambda: memory if request.param == "memory" else FolderStore(tmp_path / "root")


@pytest.fixture(scope="module")
def body() -> bytes:
    return random.Random(50).randbytes(SIZE)


@asynccontextmanager
async def served(store: Store) -> AsyncIterator[tuple[str, list[str]]]:
    seen: list[str] = []
    async with LocalOSS(store, [KEYS], on_request=lambda operation, _: seen.append(operation)) as server:
        yield server.url, seen


@contextmanager
def bucket_at(url: str) -> Iterator[oss2.Bucket]:
    provider = oss2.credentials.StaticCredentialsProvider(KEYS.access_key_id, KEYS.access_key_secret)
    session = oss2.Session(pool_size=THREADS)
    try:
        yield oss2.Bucket(oss2.ProviderAuthV4(provider), url, BUCKET, session=session, region=REGION)
    finally:
        session.session.close()


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_fifty_megabytes_go_there_and_back_though_interrupted(
    reopened: Callable[[], Store], tmp_path: Path, body: bytes
) -> None:
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(body)
    notes = tmp_path / "notes"

    def upload(url: str, progress: Callable[[int, int | None], None] | None) -> None:
        with bucket_at(url) as bucket:
            oss2.resumable_upload(
                bucket,
                KEY,
                str(source),
                store=oss2.ResumableStore(root=str(notes)),
                multipart_threshold=PART,
                part_size=PART,
                progress_callback=progress,
                num_threads=THREADS,
            )

    def download(url: str, progress: Callable[[int, int | None], None] | None) -> None:
        with bucket_at(url) as bucket:
            oss2.resumable_download(
                bucket,
                KEY,
                str(target),
                store=oss2.ResumableDownloadStore(root=str(notes)),
                multiget_threshold=PART,
                part_size=PART,
                progress_callback=progress,
                num_threads=THREADS,
            )

    parts = SIZE // PART
    for transfer, operation in ((upload, "UploadPart"), (download, "GetObject")):
        async with served(reopened()) as (url, seen):
            with pytest.raises(InterruptedByUserError):
                await asyncio.to_thread(transfer, url, half_way)
            before = seen.count(operation)
        store = reopened()
        assert parts // 2 <= before < parts
        assert (store.stat(BUCKET, KEY) is None) is (transfer is upload), "half of an object is no object"
        assert not target.exists()
        async with served(store) as (url, seen):
            await asyncio.to_thread(transfer, url, None)
            after = seen.count(operation)
        assert parts <= before + after <= parts + THREADS, "what was done already is not done again"
    assert digest_of(target.read_bytes()) == digest_of(body)
    content = reopened().open(BUCKET, KEY)
    assert content is not None
    with content:
        assert digest_of(content.file.read()) == digest_of(body)
    staging = store.staging(BUCKET)
    assert staging is None or not staging.buckets()
