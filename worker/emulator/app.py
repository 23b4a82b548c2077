"""Running the local OSS: for the `serve` command, and for the child process behind `endpoint: local`."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from worker.emulator.access.accounts import Access
from worker.emulator.access.reading import read_access
from worker.emulator.faults.reading import read_faults
from worker.errors import UsageError
from worker.oss.signing import Credentials

if TYPE_CHECKING:
    from worker.emulator.server import LocalOSS

INSTALL = "pip install 'oss-saveas-worker[local]'"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve. `root` is the folder of the buckets, None keeps everything in memory; port 0 means any.

    Without `auth` nobody is asked for a signature, and no access key is needed. `policies` is a file of further access
    keys, with what each may do; `faults` one of what goes wrong on purpose. With `samples` a bucket of sample pictures
    is made where there is none.
    """

    root: Path | None
    host: str = "127.0.0.1"
    port: int = 0
    region: str = "cn-hangzhou"
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    auth: bool = True
    samples: bool = False
    policies: Path | None = None
    faults: Path | None = None


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
        except (OSError, UnicodeError) as error:  # of a host that is no name
            place = f"{options.host}:{options.port}"
            why = error.strerror if isinstance(error, OSError) else "this is no host"
            raise UsageError(f"cannot listen on {place}: {why}", "choose another host or port") from error
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

    access, owners = _who(options)
    faults = None if options.faults is None else read_faults(options.faults)
    try:
        store = MemoryStore() if options.root is None else FolderStore(options.root)
        if options.samples:
            await asyncio.to_thread(make_samples, store)
    except OSError as error:
        raise UsageError(f"{options.root}: {error.strerror}", "choose a folder that can be written") from error
    return LocalOSS(store, owners, region=options.region, access=access, auth=options.auth, faults=faults)


def _who(options: ServeOptions) -> tuple[Access, list[Credentials]]:
    """What the policies file says, and the access key that may do everything, if there is one."""
    access = Access()
    if options.policies is not None:
        if not options.auth:
            raise UsageError("policies need signatures to tell who asks", "use --policies or --no-auth, not both")
        access = read_access(options.policies, datetime.now(UTC))
    owner = Credentials(options.access_key_id, options.access_key_secret)
    if owner.access_key_id and owner.access_key_secret:
        if any(account.credentials.access_key_id == owner.access_key_id for account in access.accounts):
            raise UsageError(
                f"{options.policies}: {owner.access_key_id} is also the access key that may do everything",
                "remove it from one of the two places (the other is --access-key-id or OSS_ACCESS_KEY_ID)",
            )
        return access, [owner]
    if options.auth and not access.accounts:
        mend = "give an access key id and secret, a file of them with --policies, or use --no-auth"
        raise UsageError("the local OSS needs an access key", mend)
    return access, []


def require_libvips() -> None:
    """Raise UsageError unless what the local OSS needs beside the worker is installed."""
    for module in ("pyvips", "PIL.Image", "fastcrc"):
        try:
            importlib.import_module(module)
        except (ImportError, OSError) as error:  # OSError: the library behind pyvips cannot be loaded
            raise UsageError(f"the local OSS cannot be started: {error}", INSTALL) from error
