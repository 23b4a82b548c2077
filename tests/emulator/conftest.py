"""A local OSS for each test, on a store in memory and a clock that stands still."""

from collections.abc import AsyncIterator

import pytest

from tests.emulator.client import KEYS, NOW, TEMPORARY, Client
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(clock=NOW.timestamp)
    store.make_bucket("photos")
    return store


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[Client]:
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
