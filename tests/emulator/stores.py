"""Each kind of store, for tests that ask the same of all."""

from collections.abc import Callable
from pathlib import Path

from tests.emulator.client import NOW
from worker.emulator.folder_store import FolderStore
from worker.emulator.memory_store import MemoryStore
from worker.emulator.store import Store

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(clock=NOW.timestamp),
    "folder": FolderStore,
}
