"""Entries made apart: a second process decodes lines and digests targets, where a log is so long that it pays.

It reads blocks of whole lines from its standard input, writes entries to its standard output, and ends when its input
does: with its parent, whatever becomes of that. What it cannot do is done without it, so that all errors are those of
reading in one process.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from struct import Struct
from typing import IO

from worker.batch.fact import entries_of
from worker.batch.task import Shard
from worker.results.reading import Span

# A second process takes a fifth of a second to start; here, for as many bytes, reading takes a second.
WORTH_BYTES = 64 << 20
# Rank, index and count of the shard, bytes of lines; and the answer: bytes of entries, or that a line is bad.
_QUESTION, _ANSWER = Struct(">IIIQ"), Struct(">q")
_BAD = -1
_COMMAND = (sys.executable, "-m", "worker.results.apart")


class Apart:
    """The second process, seen from the first. It is asked one thing at a time, in a thread that waits for it."""

    def __init__(self, process: subprocess.Popen[bytes], thread: ThreadPoolExecutor) -> None:
        self.process = process
        self._thread = thread

    async def entries_of(self, lines: bytes, rank: int, shard: Shard) -> bytes | None:
        """What `worker.batch.fact.entries_of` makes; None where a line is bad, or the process is gone."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, lines, rank, shard)

    def _ask(self, lines: bytes, rank: int, shard: Shard) -> bytes | None:
        question, answer = self.process.stdin, self.process.stdout
        assert question is not None
        assert answer is not None
        try:
            question.write(_QUESTION.pack(rank, shard.index, shard.count, len(lines)))
            question.write(lines)
            question.flush()
        except OSError:
            return None
        head = answer.read(_ANSWER.size)
        if len(head) < _ANSWER.size:
            return None
        (count,) = _ANSWER.unpack(head)
        if count == _BAD:
            return None
        made = answer.read(count)
        return made if len(made) == count else None


@asynccontextmanager
async def second_process(
    spans: Iterable[Span], worth_bytes: int = WORTH_BYTES, command: Sequence[str] = _COMMAND
) -> AsyncIterator[Apart | None]:
    """A second process for as long as segments are read; None where it is not worth it, or cannot be had."""
    process = None
    if _cores() > 1 and sum(span.file.size - span.known.bytes for span in spans) >= worth_bytes:
        process = _start(command)
    if process is None:
        yield None
        return
    thread = ThreadPoolExecutor(1, "entries made apart")
    try:
        yield Apart(process, thread)
    finally:
        process.kill()  # it has nothing to bring to an end; what waits for its answer waits no longer
        thread.shutdown()
        process.communicate()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes] | None:
    try:
        # A signal to the group of processes is for the parent.
        return subprocess.Popen(  # noqa: S603 - it is this very program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError:
        return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(question: IO[bytes], answer: IO[bytes]) -> None:
    """Answer until there are no more questions."""
    while len(head := question.read(_QUESTION.size)) == _QUESTION.size:
        rank, index, count, size = _QUESTION.unpack(head)
        lines = question.read(size)
        if len(lines) < size:
            return
        try:
            made = entries_of(lines, rank, Shard(index, count))
        except ValueError:
            answer.write(_ANSWER.pack(_BAD))
        else:
            answer.write(_ANSWER.pack(len(made)))
            answer.write(made)
        answer.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
