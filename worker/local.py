"""The local OSS of `endpoint: local`: a child process with keys of its own that ends with its parent."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from worker.errors import UsageError
from worker.oss.signing import Credentials

_READY = b"listening on "
_START_S = 60


@asynccontextmanager
async def local_oss(root: str, region: str, *, samples: bool) -> AsyncIterator[tuple[str, Credentials]]:
    """Start the local OSS on a folder; its URL and the only credentials it knows.

    The child is told its keys through its standard input, where no other process can read them, and ends when that is
    closed: by us, or by the system if we are killed.

    Raises:
        UsageError: It does not start; with what it said.
    """
    credentials = Credentials(f"local{secrets.token_hex(6)}", secrets.token_urlsafe(24))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker.emulator",
        env={**os.environ, "PYTHONUTF8": "1"},  # keys are file names there, whatever the locale
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # A signal to the group of processes is ours to handle: the local OSS has to outlive the drain.
        start_new_session=True,
    )
    try:
        if child.stdin is None or child.stdout is None:  # pragma: no cover - both are pipes; said for the type checker
            message = "no pipes"
            raise RuntimeError(message)
        options = {
            "root": root,
            "region": region,
            "access_key_id": credentials.access_key_id,
            "access_key_secret": credentials.access_key_secret,
            "samples": samples,
        }
        child.stdin.write(json.dumps(options).encode() + b"\n")
        line = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                line = await child.stdout.readline()
        if not line.startswith(_READY):
            reason = "the local OSS did not start"
            raise UsageError(reason, "see what it said above; it needs: pip install 'oss-saveas-worker[local]'")
        yield line.removeprefix(_READY).decode().strip(), credentials
    finally:
        if child.stdin is not None:
            child.stdin.close()
        await _ended(child)


async def _ended(child: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(10):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
