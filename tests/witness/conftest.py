"""A local OSS for each test, on each kind of store, and pictures made with Pillow."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import Store
from worker.oss.signing import Credentials

KEYS = Credentials("made-up-id", "made-up-secret")
TEMPORARY = Credentials("made-up-temporary-id", "made-up-temporary-secret", "made-up/token+with==signs")


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store: Store = MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "root")
    store.make_bucket("photos")
    store.make_bucket("renditions")
    return store


@pytest.fixture
async def url(store: Store) -> AsyncIterator[str]:
    server = LocalOSS(store, [KEYS, TEMPORARY], cnames={"pictures.example.com": "photos"})
    async with server:
        yield server.url


@pytest.fixture
def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((400, 300)).convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
