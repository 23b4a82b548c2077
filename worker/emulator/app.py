"""Running the local OSS: for the `serve` command, and for the child process behind `endpoint: local`."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import UsageError
from worker.oss.signing import Credentials

if TYPE_CHECKING:
    from worker.emulator.server import LocalOSS

INSTALL = "pip install 'oss-saveas-worker[local]'"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve. `root` is the folder of the buckets, None keeps everything in memory; port 0 means any.

    Without `auth` nobody is asked for a signature, and no access key is needed. With `samples` a bucket of sample
    pictures is made where there is none.
    """

    root: Path | None
    host: str = "127.0.0.1"
    port: int = 0
    region: str = "cn-hangzhou"
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    auth: bool = True
    samples: bool = False


async def serve(options: ServeOptions, *, ready: Callable[[str], None], until: Awaitable[object]) -> None:
    """Serve until `until` is done; `ready` gets the endpoint, such as `http://127.0.0.1:8080`, once it answers.

    Raises:
        UsageError: The options cannot be served, or what pictures are processed with is not installed.
    """
    ending = asyncio.ensure_future(until)  # at once: a coroutine must not be left unawaited by what fails before
    try:
        server = await _server(options)
        try:
            ready(await server.start(options.host, options.port))
        except OSError as error:
            place = f"{options.host}:{options.port}"
            raise UsageError(f"cannot listen on {place}: {error.strerror}", "choose another host or port") from error
        else:
            await ending
        finally:
            await server.stop()
    finally:
        ending.cancel()


async def _server(options: ServeOptions) -> "LocalOSS":
    require_libvips()
    # Only now: these import what may be missing.
    from worker.emulator.folder_store import FolderStore  # noqa: PLC0415 - see above
    from worker.emulator.memory_store import MemoryStore  # noqa: PLC0415 - see above
    from worker.emulator.samples import make_samples  # noqa: PLC0415 - see above
    from worker.emulator.server import LocalOSS  # noqa: PLC0415 - see above

    if options.auth and not (options.access_key_id and options.access_key_secret):
        raise UsageError("the local OSS needs an access key", "give an access key id and secret, or use --no-auth")
    try:
        store = MemoryStore() if options.root is None else FolderStore(options.root)
        if options.samples:
            await asyncio.to_thread(make_samples, store)
    except OSError as error:
        raise UsageError(f"{options.root}: {error.strerror}", "choose a folder that can be written") from error
    credentials = Credentials(options.access_key_id, options.access_key_secret)
    return LocalOSS(store, [credentials], region=options.region, auth=options.auth)


def require_libvips() -> None:
    """Raise UsageError unless what the local OSS needs beside the worker is installed."""
    for module in ("pyvips", "PIL.Image", "fastcrc"):
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # OSError: the library behind pyvips cannot be loaded
            raise UsageError(f"the local OSS cannot be started: {error}", INSTALL) from error
