"""The documents, done as they say: each block of commands is run and prints what they show; each query finds something.

All share one local OSS: where a document has `endpoint: local`, and where it names the service, that one is asked.
"""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from tests.documents import DOCUMENTS, ROOT, Block, blocks
from tests.e2e.desk import KEYS, Desk
from tests.inventories import delivered, row
from worker.emulator.folder_store import FolderStore
from worker.emulator.samples import make_samples
from worker.emulator.samples.making import SAMPLES

# What is read first, and what a document takes for granted.
READ = ("docs/tutorial.md", "README.md")
BEFORE = {
    "docs/look-into-a-run.md": "OSS_SAVEAS_RUN=tuesday oss-saveas run job.yaml; oss-saveas run job.yaml",
    "docs/recipes.md": "cp -r inventories local-oss/",
}
# A night with a failure, for the queries.
WEDNESDAY = """\
printf 'no picture' > local-oss/photos/products/2026/mug.jpg
OSS_SAVEAS_RUN=wednesday oss-saveas run job.yaml --ok 3
"""
ENVIRONMENT = {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_COUNT": "8"}
# `make`, but that all is installed, and that commands are those of this desk. By its path: this script has its name.
MAKE = f"""\
#!/bin/sh -e
env -u MAKEFLAGS {shutil.which("make")} --directory {ROOT} --dry-run "$@" > "$TMPDIR/steps"
sed -n 's|^.venv/bin/oss-saveas|oss-saveas|p' "$TMPDIR/steps" | sh -e
"""
COMMAND = f"""\
#!/bin/sh
exec {sys.executable} -m worker "$@"
"""


def set_up(desk: Desk) -> None:
    """A checkout's jobs, the sample pictures, an inventory of them, and a job of one's own."""
    store = FolderStore(desk.path / "local-oss")
    make_samples(store)
    store.make_bucket("renditions")
    inventory = delivered([row(key, Size="1000") for key in SAMPLES], destination="inventories")
    for key, content in inventory.objects.items():
        name = key.replace(inventory.manifest, "photos/daily/2026-11-22T00-00Z/manifest.json")
        desk.write(f"inventories/{name}", content)
    shutil.copytree(ROOT / "jobs", desk.path / "jobs")
    desk.write("job.yaml", (ROOT / "worker/starter/job.yaml").read_text().replace("my-first-job", "product-renditions"))
    for name, script in (("make", MAKE), ("oss-saveas", COMMAND)):
        desk.write(f"bin/{name}", script).chmod(0o755)


async def run_block(desk: Desk, url: str, script: str) -> tuple[int, str]:
    """Run a block in a shell that ends with the first command that fails: its exit, and all that was said."""
    script = script.replace("https://oss-cn-hangzhou.aliyuncs.com", url)
    for name, value in KEYS.items():
        script = script.replace(f"{name}=...", f"{name}={value}")
    own: Mapping[str, str] = {**os.environ, **desk.surroundings, **KEYS, **ENVIRONMENT}
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", script),
        cwd=desk.path,
        env={**own, "PATH": f"{desk.path / 'bin'}:{own['PATH']}", "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):  # whatever it has begun ends with it
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode is not None
    return process.returncode, said.decode()


def assert_shown(block: Block, said: str) -> None:
    """Each line that a document shows is said, in this order."""
    rest = said
    for line in block.shown.splitlines():
        before, found, rest = rest.partition(line)
        assert found, f"{block.place}: {line!r} is not in {before}"


@pytest.mark.timeout(300)
async def test_every_block_of_commands_does_what_its_document_says(desk: Desk) -> None:
    set_up(desk)
    url = await desk.serve("--root", "local-oss", "--access-key-id", KEYS["OSS_ACCESS_KEY_ID"])
    desk.write("config.yaml", f"endpoint: {url}\nlimits: {{requests_per_second: 1000, source_mb_per_second: 1000}}\n")
    first = [ROOT / name for name in READ]
    for document in [*first, *(path for path in DOCUMENTS if path not in first)]:
        script = BEFORE.get(str(document.relative_to(ROOT)), "")
        for block in blocks(document, "sh"):
            code, said = await run_block(desk, url, f"{script}\n{block.content}")
            assert code == 0, f"{block.place}: exit {code}\n{said}"
            assert_shown(block, said)
            script = ""
    assert (await run_block(desk, url, WEDNESDAY))[0] == 0
    assert_queries_find_something(desk.path)


def assert_queries_find_something(place: Path) -> None:
    """Each query of the page on the log that the documents have left."""
    with duckdb.connect() as database:
        database.execute(f"SET file_search_path = '{place}'")
        for block in blocks(ROOT / "docs/query-results.md", "sql"):
            found = database.execute(block.content)
            assert block.content.startswith("CREATE VIEW lines") or found.fetchall(), block.place
