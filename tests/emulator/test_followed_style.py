"""`revision: auto` on the local OSS: an edited style is done again, and nothing else is."""

from pathlib import Path

import pytest

from tests.emulator.pictures import jpeg
from tests.emulator.worker_run import run_worker
from worker.emulator.memory_store import MemoryStore
from worker.emulator.server import LocalOSS
from worker.emulator.store import put
from worker.errors import UsageError
from worker.oss.signing import Credentials

KEYS = Credentials("owner", "made-up-secret")
MANIFEST = """
version: 1
job: test
bucket: photos
sources: [objects: [a.jpg]]
pipelines:
  - {name: followed, style: tiny, revision: auto, target: {bucket: renditions, key: "followed/{key}"}}
  - {name: fixed, style: tiny, revision: 1, target: {bucket: renditions, key: "fixed/{key}"}}
"""


async def test_an_edited_style_is_done_again_where_it_is_followed(tmp_path: Path) -> None:
    store = MemoryStore()
    for bucket in ("photos", "renditions"):
        store.make_bucket(bucket)
    put(store, "photos", "a.jpg", jpeg(80, 60))
    async with LocalOSS(store, [KEYS]) as server:

        async def run(name: str) -> tuple[int, int]:
            ran = await run_worker(server.url, tmp_path, KEYS, manifest=MANIFEST, run=name)
            assert ran.summary.exit == 0
            return ran.summary.saved, ran.summary.already_saved

        with pytest.raises(UsageError, match="NoSuchStyle"):
            await run("run-0")
        store.put_style("photos", "tiny", "image/resize,w_20")
        assert await run("run-1") == (2, 0)
        assert await run("run-2") == (0, 2)
        store.put_style("photos", "tiny", "image/resize,w_30")
        assert await run("run-3") == (1, 1)
        # Back again: what the target holds is the other one's.
        store.put_style("photos", "tiny", "image/resize,w_20")
        assert await run("run-4") == (1, 1)
