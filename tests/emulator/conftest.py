"""A local OSS for each test, on a store in memory and a clock that stands still.

A module that marks its tests with `BOTH_STORES` has them on a store in a folder, too.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.emulator.client import FOLDER, KEYS, MEMORY, NOW, TEMPORARY, Client
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import Store


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    in_folder = getattr(request, "param", MEMORY) == FOLDER
    store = FolderStore(tmp_path / "root") if in_folder else MemoryStore(clock=NOW.timestamp)
    store.make_bucket("photos")
    return store


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    seen: list[str] = []
    server = LocalOSS(
        store,
        [KEYS, TEMPORARY],
        clock=NOW.timestamp,
        cnames={"pictures.example.com": "photos"},
        on_request=lambda operation, _: seen.append(operation),
    )
    async with server:
        yield Client(server.url, seen=seen)
