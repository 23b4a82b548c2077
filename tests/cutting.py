"""A way to a server that breaks: what goes over a connection is passed on up to a byte, and then nothing any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cut:
    """After so many bytes, of those that go to the server or of those that come from it, both sides are cut off."""

    upwards: bool
    after: int


@asynccontextmanager
async def cutting(url: str, cut_of: Callable[[int], Cut | None]) -> AsyncIterator[str]:
    """The URL of a proxy to a server; `cut_of` says where connection 0, 1, ... is cut, None for nowhere."""
    count = 0
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        cut, count = cut_of(count), count + 1
        parts = urlsplit(url)
        up_reader, up_writer = await asyncio.open_connection(parts.hostname, parts.port)
        ends = (writer, up_writer)
        both = (
            _pass_on(reader, up_writer, cut.after if cut and cut.upwards else None, ends),
            _pass_on(up_reader, writer, cut.after if cut and not cut.upwards else None, ends),
        )
        await asyncio.gather(*both)

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    limit: int | None,
    ends: tuple[asyncio.StreamWriter, ...],
) -> None:
    passed = 0
    with suppress(ConnectionError):
        while limit is None or passed < limit:
            chunk = await reader.read(1 << 16 if limit is None else min(1 << 16, limit - passed))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
            passed += len(chunk)
    for end in ends:
        # In order and to the last byte where nothing was to be cut; else what was passed on has arrived.
        end.close()
