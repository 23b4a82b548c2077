"""Opening files: plain, gzip or Zstandard, told by their first bytes; read as a stream, line by line."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, AnyStr, BinaryIO

from worker.batch.document import Place
from worker.batch.entry import STANDARD_INPUT
from worker.errors import UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Neither can begin a text in UTF-8, and both are longer than any first piece of a pipe from a compressor.
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_COMPRESSED = {".gz": _GZIP, ".zst": _ZSTANDARD}
_BUFFER = 1 << 16
# A line of a list holds a key, one of a table some columns: a longer one is no line but a file of another kind.
LONGEST_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be read here. `name` is what people call it, `path` where its bytes are; `-` is standard input.

    `place` is the line of the manifest that names it.
    """

    place: Place
    name: str
    path: str


@contextmanager
def opened(file: File) -> Iterator[BinaryIO]:
    """The content of a file, without compression.

    Raises:
        UsageError: It cannot be opened, or not be read to its end.
    """
    try:
        with _raw(file) as raw:
            yield _plain(file, raw)
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        reason = f"{file.name} is damaged: {error}"
        raise UsageError(file.place.problem(reason, "compress it again, or get it again")) from error
    except (OSError, UnicodeEncodeError) as error:  # the latter: a name that this locale cannot write
        mend = "paths are relative to the manifest's own directory"
        reason = f"{file.name} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise UsageError(file.place.problem(reason, mend)) from error


def lines(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """The lines of a file with their ends; of one that is too long only its first `LONGEST_LINE` characters."""
    while line := file.readline(LONGEST_LINE):
        yield line
        while len(line) == LONGEST_LINE and line[-1:] not in {"\n", b"\n"}:
            line = file.readline(LONGEST_LINE)


def _raw(file: File) -> BinaryIO:
    if file.path == STANDARD_INPUT:
        # Not sys.stdin itself: a thread that still waits for it holds its lock, and the interpreter cannot end.
        return open(sys.stdin.fileno(), "rb", closefd=False)
    path = Path(file.path)
    if path.exists() and not path.is_file() and not path.is_dir():
        # What has been read of a pipe is gone: a look at its header would cost rows.
        raise UsageError(file.place.problem(f"{file.name} is no regular file", "pipe it in, and write -"))
    return path.open("rb")


def _plain(file: File, raw: BinaryIO) -> BinaryIO:
    head = raw.peek(4)[:4]  # type: ignore[attr-defined]  # of io.BufferedReader, which every file here is
    if head.startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER)
    if head.startswith(_ZSTANDARD):
        return io.BufferedReader(zstd.ZstdFile(raw), _BUFFER)
    said = _COMPRESSED.get(Path(file.name).suffix)
    if said and head:
        reason = f"{file.name} is not what its name says: its content is not compressed so"
        raise UsageError(file.place.problem(reason, "rename it, or compress it"))
    return raw
