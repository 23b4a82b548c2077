"""Mounts that only the processes of a test see: a small disk, a directory that cannot be written, a /dev of its own.

They need root and Linux's `unshare` and `nsenter`; where these are not to be had the tests that need them are skipped.
"""

import asyncio
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

# A /dev with a termination log, on top of the machine's: what is in it is bound again from where it was.
DEV = """
mkdir "$0/dev" && mount --rbind /dev "$0/dev" && mount -t tmpfs none /dev
for node in null zero full random urandom tty; do : > "/dev/$node" && mount --bind "$0/dev/$node" "/dev/$node"; done
: > /dev/termination-log && mount --bind "$0/word" /dev/termination-log
"""


@dataclass(frozen=True, slots=True)
class Mounts:
    """Mounts as long as `holder` lives. `within` begins a command among them, in the directory of the test."""

    holder: Process
    directory: Path

    @property
    def within(self) -> Sequence[str]:
        return ("nsenter", "--mount", f"--target={self.holder.pid}", f"--wdns={self.directory}")

    def seen(self, path: Path) -> Path:
        """What those within see at a path."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    async def mount(self, *args: str) -> None:
        """Mount, or mount anew."""
        process = await asyncio.create_subprocess_exec(*self.within, "mount", *args)
        assert await process.wait() == 0


def obstacle() -> str:
    """Why nothing can be mounted here, or nothing."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "needs root, unshare and nsenter, to mount what only the processes of this test see"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)  # noqa: S607 - the system's
    return f"cannot mount here: {tried.stderr.strip()}" if tried.returncode else ""


@asynccontextmanager
async def mounted(directory: Path, script: str) -> AsyncIterator[Mounts]:
    """The mounts that a shell script makes; its `$0` is a directory of the test."""
    if reason := obstacle():
        pytest.skip(reason)
    holder = await asyncio.create_subprocess_exec(
        "unshare",
        "--mount",
        "sh",
        "-e",
        "-c",
        f"{script}\necho mounted; exec cat",
        str(directory),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    assert holder.stdout is not None
    assert holder.stderr is not None
    try:
        async with asyncio.timeout(30):
            said = await holder.stdout.readline()
        if said != b"mounted\n":
            pytest.skip(f"cannot mount here: {(await holder.stderr.read()).decode().strip()}")
        yield Mounts(holder, directory)
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.wait()
