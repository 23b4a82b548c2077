"""A child process of a run: it is told what to do through its standard input, and lives until that is closed."""

import asyncio
import os
import sys

import uvloop

from worker.crew.child import work
from worker.crew.messages import Message, packed
from worker.garbage import look_for_garbage_seldom


async def _main(out: int) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)

    def send(message: Message) -> None:
        frame = memoryview(packed(message))
        try:
            while frame:
                frame = frame[os.write(out, frame) :]
        except BrokenPipeError:
            pass  # whoever listened was killed: standard input tells the same, and ends the work

    await work(reader, send)


def main() -> None:
    """Work as standard input says; what is printed by mistake must not come between the messages."""
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    look_for_garbage_seldom()
    uvloop.run(_main(out))


if __name__ == "__main__":
    main()
