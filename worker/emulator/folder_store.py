"""A store on disk: buckets are folders, objects plain files; a person can drop pictures in and look at results.

What cannot be a path lies in `{bucket}/.oss/objects/`, and what a file system cannot hold (headers, checksums) in
`{bucket}/.oss/headers/`. All is written in `{bucket}/.oss/uploads/` and renamed: a kill leaves the old or the new.
"""

import heapq
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import dropwhile, groupby, takewhile
from pathlib import Path
from uuid import uuid4

from worker.emulator.drafts import Draft, drop_abandoned
from worker.emulator.folder_listing import Directories, walk
from worker.emulator.layout import RESERVED, plain_segments, stowed_name
from worker.emulator.notes import read_note, read_style, read_styles
from worker.emulator.sidecar import Fingerprint, Sidecars
from worker.emulator.store import Bucket, Content, Digest, Digesting, ObjectExistsError, StoredObject, StoredStyle
from worker.oss.names import bucket_problem, key_problem


class FolderStore:
    """Keeps each bucket as a folder under `root`; nothing is read or written outside it, and links are not followed."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self._lock = threading.RLock()
        self._directories = Directories()
        self._sidecars = Sidecars()
        self._folds = _folds_names(self.root)
        for bucket in self.buckets():
            drop_abandoned(self._folder(bucket.name) / RESERVED / "uploads")

    def buckets(self) -> Sequence[Bucket]:
        """All buckets, by name."""
        with os.scandir(self.root) as entries:
            names = sorted(entry.name for entry in entries if not bucket_problem(entry.name))
        return [bucket for bucket in map(self.bucket, names) if bucket]

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, None where it does not exist."""
        with suppress(OSError):
            status = self._folder(name).lstat()
            if not bucket_problem(name) and stat.S_ISDIR(status.st_mode):
                region = read_note(self._folder(name) / RESERVED / "region")
                return Bucket(name, status.st_ctime, region[0] if region else "")
        return None

    def make_bucket(self, name: str, region: str = "") -> None:
        """Make the bucket if it is not there; it stays in the region it was made in."""
        with suppress(FileExistsError):
            self._folder(name).mkdir()
            if region:
                self._write(name, self._folder(name) / RESERVED / "region", region.encode())

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """The object without its bytes, None where it does not exist."""
        content = self.open(bucket, key)
        if content is None:
            return None
        with content:
            return content.stored

    def open(self, bucket: str, key: str) -> Content | None:
        """The object opened for reading, None where it does not exist."""
        path = self._find(bucket, key)
        if path is None:
            return None
        try:
            # O_NOFOLLOW: between looking and opening it could have become a link.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        except OSError:
            return None
        status = os.fstat(file.fileno())
        digest, headers = self._sidecars.describe(self._sidecar(bucket, key), Fingerprint.of(status), file)
        return Content(StoredObject(key, status.st_size, status.st_mtime, digest, headers), file)

    def upload(self, bucket: str, key: str) -> "_FolderUpload":
        """Begin to write an object."""
        return _FolderUpload(self, bucket, key, self._draft(bucket))

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""
        with self._lock:
            while (path := self._find(bucket, key)) is not None:
                path.unlink(missing_ok=True)
                self._drop_empty_folders(bucket, path.parent)
            self._stowed(bucket, key).with_suffix(".key").unlink(missing_ok=True)
            self._sidecar(bucket, key).unlink(missing_ok=True)

    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        """Keys with a prefix from `start` on, in the order of their UTF-8 bytes."""
        first = prefix.encode()
        plain = walk(self._directories, self._folder(bucket), first, start)
        begin = max(first, start)
        stowed = takewhile(
            lambda key: key.startswith(first), dropwhile(lambda key: key < begin, self._stowed_keys(bucket))
        )
        # A key that is there twice, dropped in by hand over a stowed one, is listed once.
        for encoded, _ in groupby(heapq.merge(plain, stowed)):
            key = encoded.decode()
            if key_problem(key) is None:
                yield key

    def style(self, bucket: str, name: str) -> StoredStyle | None:
        """The style, None where it does not exist."""
        return read_style(self._own(bucket, "styles"), name)

    def styles(self, bucket: str) -> Sequence[StoredStyle]:
        """All styles, by name."""
        return read_styles(self._own(bucket, "styles"))

    def put_style(self, bucket: str, name: str, content: str) -> None:
        """Define a style, or define it anew."""
        self._write(bucket, self._own(bucket, "styles") / name, content.encode())

    def delete_style(self, bucket: str, name: str) -> None:
        """Remove the style if it is there."""
        (self._own(bucket, "styles") / name).unlink(missing_ok=True)

    def commit(self, upload: "_FolderUpload", headers: Mapping[str, str], *, overwrite: bool) -> StoredObject:
        """Make a finished upload the object of its key."""
        bucket, key, status, digest = upload.bucket, upload.key, upload.draft.status(), upload.digest()
        with self._lock:
            current = self._find(bucket, key)
            if current is not None and not overwrite:
                raise ObjectExistsError
            sidecar = self._sidecar(bucket, key)
            before = None if current is None else Fingerprint.of(current.lstat())
            # Before the rename, which keeps the fingerprint: then the object is never seen without its headers.
            known = digest, dict(headers)
            self._write(bucket, sidecar, self._sidecars.written(sidecar, Fingerprint.of(status), known, before))
            try:
                upload.draft.publish(self._plain_place(bucket, key))
                self._unstow(bucket, key)
            except _ObstructedError:
                place = self._stowed(bucket, key)
                self._write(bucket, place.with_suffix(".key"), key.encode())
                upload.draft.publish(place)
        return StoredObject(key, status.st_size, status.st_mtime, digest, dict(headers))

    def _folder(self, bucket: str) -> Path:
        return self.root / bucket

    def _draft(self, bucket: str) -> Draft:
        return Draft(self._own(bucket, "uploads"))

    def _write(self, bucket: str, path: Path, content: bytes) -> None:
        draft = self._draft(bucket)
        try:
            draft.write(content)
            draft.publish(path)
        finally:
            draft.discard()

    def _own(self, bucket: str, name: str) -> Path:
        path = self._folder(bucket)
        for part in (RESERVED, name):
            path /= part
            with suppress(FileExistsError):
                path.mkdir()
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise NotADirectoryError(f"{path} is in the way of the store's own files")
        return path

    def _stowed(self, bucket: str, key: str) -> Path:
        return self._own(bucket, "objects") / stowed_name(key)

    def _sidecar(self, bucket: str, key: str) -> Path:
        return self._own(bucket, "headers") / f"{stowed_name(key)}.json"

    def _unstow(self, bucket: str, key: str) -> None:
        stowed = self._stowed(bucket, key)
        stowed.unlink(missing_ok=True)
        stowed.with_suffix(".key").unlink(missing_ok=True)

    def _stowed_keys(self, bucket: str) -> list[bytes]:
        folder = self._own(bucket, "objects")
        names = (name.decode() for name in self._directories.names(folder))
        keys = []
        for name in names:
            if name.endswith(".key") and (folder / name.removesuffix(".key")).is_file():
                with suppress(OSError):
                    keys.append((folder / name).read_bytes())
        return sorted(keys)

    def _find(self, bucket: str, key: str) -> Path | None:
        """The file of an object: at its plain path, where a person may have put it, or else stowed away."""
        segments = plain_segments(key)
        if segments is not None and self._is_file(bucket, segments):
            return self._folder(bucket).joinpath(*segments)
        stowed = self._stowed(bucket, key)
        return stowed if _mode(stowed) == stat.S_IFREG else None

    def _is_file(self, bucket: str, segments: tuple[str, ...]) -> bool:
        path = self._folder(bucket)
        for segment in segments[:-1]:
            if not self._is_there(path, segment) or _mode(path / segment) != stat.S_IFDIR:
                return False
            path /= segment
        return self._is_there(path, segments[-1]) and _mode(path / segments[-1]) == stat.S_IFREG

    def _is_there(self, folder: Path, name: str) -> bool:
        """Whether a name is there as it is written, and not as another that the disk takes for the same."""
        return not self._folds or name in os.listdir(folder)  # noqa: PTH208 - names are what is compared

    def _plain_place(self, bucket: str, key: str) -> Path:
        segments = plain_segments(key)
        if segments is None:
            raise _ObstructedError
        path = self._folder(bucket)
        for index, segment in enumerate(segments):
            path /= segment
            wanted = stat.S_IFREG if index == len(segments) - 1 else stat.S_IFDIR
            try:
                mode = _mode(path)
                if mode is None and wanted == stat.S_IFDIR:
                    path.mkdir()
            except OSError as error:  # the whole path is too long for the system, say
                raise _ObstructedError from error
            if mode is not None and (mode != wanted or not self._is_there(path.parent, segment)):
                raise _ObstructedError
        return path

    def _drop_empty_folders(self, bucket: str, folder: Path) -> None:
        """An empty folder would stand in the way of an object of its name."""
        while folder not in (self._folder(bucket), self._own(bucket, "objects")):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent


class _ObstructedError(Exception):
    """A key cannot lie at its plain path."""


class _FolderUpload:
    def __init__(self, store: FolderStore, bucket: str, key: str, draft: Draft) -> None:
        self._store = store
        self._digesting = Digesting()
        self.bucket = bucket
        self.key = key
        self.draft = draft

    def write(self, chunk: bytes) -> None:
        self.draft.write(chunk)
        self._digesting.update(chunk)

    def digest(self) -> Digest:
        return self._digesting.digest()

    def commit(self, headers: Mapping[str, str], *, overwrite: bool = True) -> StoredObject:
        return self._store.commit(self, headers, overwrite=overwrite)

    def discard(self) -> None:
        self.draft.discard()


def _mode(path: Path) -> int | None:
    """What kind of file is there, links not followed; None for nothing."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _folds_names(root: Path) -> bool:
    """Whether this disk takes two spellings of a name for one: upper and lower case, or two forms of an accent."""
    name = f"{RESERVED}-probe-{uuid4().hex}-\u00e9"
    probe = root / name
    probe.touch()
    try:
        return (root / name.upper()).exists() or (root / name.replace("\u00e9", "e\u0301")).exists()
    finally:
        probe.unlink()
