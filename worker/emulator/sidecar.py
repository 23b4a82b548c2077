"""What is known of a file beside its bytes: its checksums and the headers it was stored with."""

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path
from typing import Annotated, BinaryIO, Self

import msgspec

from worker.emulator.store import Digest, digest_of

_REMEMBERED = 65_536
_TYPES = MimeTypes()  # the table of the library alone, not of this machine
for _name in ("avif", "heic", "webp"):  # too new for it
    _TYPES.add_type(f"image/{_name}", f".{_name}")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a file is told from its later self; a file changed by hand has another. Survives a rename."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The fingerprint in what `stat` says."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


Known = tuple[Digest, Mapping[str, str]]


class _Described(msgspec.Struct, frozen=True):
    """One file in a sidecar. A person may have written there: what is no checksum and no header is not believed."""

    file: tuple[int, int, int]  # a fingerprint
    etag: Annotated[str, msgspec.Meta(pattern="^[0-9A-F]{32}$")]
    crc64: int
    headers: dict[Annotated[str, msgspec.Meta(pattern="^[!#$%&'*+.^_`|~0-9a-z-]+$")], str]


class _Sidecar(msgspec.Struct, frozen=True):
    files: list[_Described]


class Sidecars:
    """Descriptions of files, kept in JSON files beside and remembered in memory, the latest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remembered: OrderedDict[tuple[Path, Fingerprint], Known] = OrderedDict()

    def describe(self, sidecar: Path, fingerprint: Fingerprint, file: BinaryIO) -> Known:
        """What is known of an open file; computed where nothing is. The file is left at its beginning."""
        with self._lock:
            known = self._remembered.get((sidecar, fingerprint))
        if known is None:
            known = _read(sidecar, fingerprint)
            if known is None:
                known = digest_of(file), {}
                file.seek(0)
            self._remember(sidecar, fingerprint, known)
        return known

    def written(self, sidecar: Path, fingerprint: Fingerprint, known: Known, current: Fingerprint | None) -> bytes:
        """What to write into the sidecar of a file that is about to take its place; it is remembered already.

        What the sidecar says of the file that is there now (`current`) is kept: a kill may come before it is replaced.
        """
        found = [(fingerprint, known)]
        if current is not None and (before := _read(sidecar, current)) is not None:
            found.append((current, before))
        self._remember(sidecar, fingerprint, known)
        return msgspec.json.encode(_Sidecar([_described(*pair) for pair in found]))

    def _remember(self, sidecar: Path, fingerprint: Fingerprint, known: Known) -> None:
        with self._lock:
            self._remembered[sidecar, fingerprint] = known
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


def content_type(key: str) -> str:
    """The type that a key's extension suggests."""
    return _TYPES.guess_type(f"/{key}")[0] or "application/octet-stream"


def _described(fingerprint: Fingerprint, known: Known) -> _Described:
    digest, headers = known
    return _Described(
        (fingerprint.size, fingerprint.mtime_ns, fingerprint.inode), digest.etag, digest.crc64, dict(headers)
    )


def _read(sidecar: Path, fingerprint: Fingerprint) -> Known | None:
    try:
        for described in msgspec.json.decode(sidecar.read_bytes(), type=_Sidecar).files:
            if Fingerprint(*described.file) == fingerprint:
                return Digest(described.etag, described.crc64), described.headers
    except (OSError, ValueError, RecursionError):
        pass  # none was written, or it was damaged: all of it but the headers can be computed again
    return None
