"""The child process behind `endpoint: local`: one line of JSON on standard input, and it lives until that is closed."""

import asyncio
import json
import signal
import sys
import threading
from pathlib import Path

from worker.emulator.app import ServeOptions, serve
from worker.errors import UsageError


def main() -> int:
    """Serve as the first line of standard input says; returns an exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    try:
        asyncio.run(_serve(_options(sys.stdin.buffer.readline())))
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _options(line: bytes) -> ServeOptions:
    try:
        given = json.loads(line)
        return ServeOptions(
            root=Path(given["root"]),
            region=given["region"],
            access_key_id=given["access_key_id"],
            access_key_secret=given["access_key_secret"],
            samples=given["samples"],
        )
    except (ValueError, KeyError, TypeError) as error:
        message = (
            "standard input must begin with a line of JSON: root, region, access_key_id, access_key_secret, samples"
        )
        raise UsageError(message) from error


async def _serve(options: ServeOptions) -> None:
    loop, closed = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_end() -> None:
        # The parent's end of the pipe closes with the parent, even when that is killed.
        while sys.stdin.buffer.read(4096):
            pass
        loop.call_soon_threadsafe(closed.set)

    # A thread of its own: a daemon keeps nobody waiting if serving fails first.
    threading.Thread(target=wait_for_end, daemon=True).start()
    await serve(options, ready=_announce, until=closed.wait())


def _announce(url: str) -> None:
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
