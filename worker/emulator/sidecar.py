"""What is known of a file beside its bytes: its checksums and what it was described as."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path
from typing import Annotated, BinaryIO, Self

import msgspec

from worker.emulator.bucket_folder import HEADERS, BucketFolder
from worker.emulator.store import ACL, Description, Digest, ObjectType, digest_of

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


Known = tuple[Digest, Description]


class _Described(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file in a sidecar. A person may have written there: what is no checksum and no header is not believed."""

    file: tuple[int, int, int]  # a fingerprint
    etag: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{32}\Z")]
    crc64: int
    headers: dict[Annotated[str, msgspec.Meta(pattern="^[!#$%&'*+.^_`|~0-9a-z-]+$")], str]
    # Files that were described before there were these have none of them.
    type: ObjectType = ObjectType.NORMAL
    own_etag: Annotated[str, msgspec.Meta(pattern=r"^([0-9A-F]{32}(-[0-9]{1,5})?)?\Z")] = ""
    acl: ACL = ACL.DEFAULT
    tags: tuple[tuple[str, str], ...] = ()


class _Sidecar(msgspec.Struct, frozen=True):
    files: list[_Described]


class Sidecars:
    """Descriptions of files, kept in JSON files beside and remembered in memory, the latest last.

    A description may change while its file does not: what is remembered counts while the sidecar is the same, and
    where the sidecar says nothing of the file, which was opened before it was replaced.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remembered: OrderedDict[tuple[Path, Fingerprint], tuple[Fingerprint | None, Known]] = OrderedDict()

    def describe(self, sidecar: Path, fingerprint: Fingerprint, file: BinaryIO) -> Known:
        """What is known of an open file; computed where nothing is. The file is left at its beginning."""
        version = _fingerprint(sidecar)
        with self._lock:
            then, known = self._remembered.get((sidecar, fingerprint), (None, None))
        if known is None or then != version:
            known = _read(sidecar, fingerprint) or known
            if known is None:
                known = digest_of(file), Description()
                file.seek(0)
            self._remember(sidecar, fingerprint, version, known)
        return known

    def write(
        self, folder: BucketFolder, key: str, fingerprint: Fingerprint, known: Known, current: Fingerprint | None = None
    ) -> None:
        """Describe the file of an object, in one step; it may be about to take its place.

        What the sidecar says of the file that is there now (`current`) is kept: a kill may come before it is replaced.
        """
        folder.make_own(HEADERS)
        sidecar = folder.sidecar(key)
        found = [(fingerprint, known)]
        if current is not None and (before := _read(sidecar, current)) is not None:
            found.append((current, before))
        status = folder.write(sidecar, msgspec.json.encode(_Sidecar([_described(*pair) for pair in found])))
        self._remember(sidecar, fingerprint, Fingerprint.of(status), known)

    def _remember(self, sidecar: Path, fingerprint: Fingerprint, version: Fingerprint | None, known: Known) -> None:
        with self._lock:
            self._remembered[sidecar, fingerprint] = version, known
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


def content_type(key: str) -> str:
    """The type that a key's extension suggests."""
    return _TYPES.guess_type(f"/{key}")[0] or "application/octet-stream"


def _fingerprint(path: Path) -> Fingerprint | None:
    try:
        return Fingerprint.of(path.lstat())
    except OSError:
        return None


def _described(fingerprint: Fingerprint, known: Known) -> _Described:
    digest, description = known
    return _Described(
        (fingerprint.size, fingerprint.mtime_ns, fingerprint.inode),
        digest.etag,
        digest.crc64,
        dict(description.headers),
        description.type,
        description.etag,
        description.acl,
        description.tags,
    )


def _read(sidecar: Path, fingerprint: Fingerprint) -> Known | None:
    try:
        for found in msgspec.json.decode(sidecar.read_bytes(), type=_Sidecar).files:
            if Fingerprint(*found.file) == fingerprint:
                description = Description(found.headers, found.type, found.own_etag, found.acl, found.tags)
                return Digest(found.etag, found.crc64), description
    except (OSError, ValueError, RecursionError):
        pass  # none was written, or it was damaged: all of it but the description can be computed again
    return None
