"""A store on disk: buckets are folders, objects plain files; a person can drop pictures in and look at results.

What cannot be a path lies in `{bucket}/.oss/objects/`, what a file system cannot hold (headers, checksums) in
`{bucket}/.oss/headers/`, uploads in parts in `{bucket}/.oss/staging/`. All is written in `{bucket}/.oss/uploads/` and
renamed: a kill leaves the old or the new.
Reading writes nothing, so a folder that cannot be written can be served.
"""

import heapq
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import groupby, takewhile
from pathlib import Path
from uuid import uuid4

from worker.emulator.bucket_folder import OBJECTS, STAGING, STYLES, UPLOADS, BucketFolder, ObstructedError
from worker.emulator.bucket_record import DRAFT_PREFIX, make_recorded, put_acl, read_record, record, remove, remove_bare
from worker.emulator.drafts import Draft, drop_abandoned
from worker.emulator.folder_listing import Directories, walk
from worker.emulator.layout import RESERVED
from worker.emulator.notes import read_style, read_styles
from worker.emulator.sidecar import Fingerprint, Sidecars
from worker.emulator.store import (
    ACL,
    Bucket,
    Content,
    Description,
    Digest,
    Digesting,
    Guard,
    StoredObject,
    StoredStyle,
)
from worker.emulator.stowed_keys import StowedKeys
from worker.oss.names import bucket_problem, key_problem


class FolderStore:
    """Keeps each bucket as a folder under `root`; nothing is read or written outside it, and links are not followed."""

    def __init__(self, root: Path, *, folds: bool | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self._lock = threading.RLock()
        self._directories = Directories()
        self._stowed_keys = StowedKeys(self._directories)
        self._sidecars = Sidecars()
        self._folds = _folds_names(self.root) if folds is None else folds
        self._seen: dict[str, float] = {}  # when buckets were made whose folder does not say it, as first told
        drop_abandoned(self.root, DRAFT_PREFIX)
        self._stagings: dict[Path, FolderStore] = {}
        for bucket in self.buckets():
            drop_abandoned(self.root / bucket.name / RESERVED / UPLOADS)
            staging = self.staging(bucket.name)  # likewise
            if staging is not None:
                for begun in staging.buckets():
                    with suppress(OSError):  # it is not ours to clean
                        staging.delete_bucket(begun.name)  # empty: a kill came before it said what it is to become

    def buckets(self) -> Sequence[Bucket]:
        """All buckets, by name."""
        with os.scandir(self.root) as entries:
            names = sorted(entry.name for entry in entries if not bucket_problem(entry.name))
        return [bucket for bucket in map(self.bucket, names) if bucket]

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, None where it does not exist."""
        with suppress(OSError):
            status = (self.root / name).lstat()
            if not bucket_problem(name) and stat.S_ISDIR(status.st_mode):
                created, region, acl = read_record(self.root / name / RESERVED)
                if created is None:
                    created = self._seen.setdefault(name, min(status.st_ctime, status.st_mtime))
                return Bucket(name, created, region, acl)
        return None

    def make_bucket(self, name: str, region: str = "", acl: ACL = ACL.PRIVATE) -> None:
        """Make the bucket if it is not there; it stays in the region it was made in."""
        with self._lock:
            if self.bucket(name) is None:
                make_recorded(self.root / name, region, acl)

    def put_acl(self, bucket: str, acl: ACL) -> None:
        """Say who may do what with a bucket."""
        put_acl(self._folder(bucket), acl)
        self._record(bucket)

    def delete_bucket(self, bucket: str) -> bool:
        """Remove the bucket, unless there is anything in it; whether it was removed.

        Files that a person has put there are not removed either, even where they are no objects.
        """
        with self._lock:
            removed = remove_bare(self.root / bucket)
            if removed:
                self._seen.pop(bucket, None)
                self._stagings.pop(self.root / bucket / RESERVED / STAGING, None)
            return removed

    def remove_bucket(self, name: str) -> None:
        """Remove the bucket if it is there, with all that is in it, in one step."""
        remove(self.root / name)

    def staging(self, bucket: str, *, make: bool = False) -> "FolderStore | None":
        """Where uploads in parts lie until they are objects: a folder of folders."""
        folder = self._folder(bucket)
        path = folder.make_own(STAGING) if make else folder.own(STAGING)
        if path is None:
            return None
        with self._lock:
            if path not in self._stagings:
                self._stagings[path] = FolderStore(path, folds=self._folds)
            return self._stagings[path]

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """The object without its bytes, None where it does not exist."""
        content = self.open(bucket, key)
        if content is None:
            return None
        with content:
            return content.stored

    def open(self, bucket: str, key: str) -> Content | None:
        """The object opened for reading, None where it does not exist."""
        folder = self._folder(bucket)
        path = folder.find(key)
        if path is None:
            return None
        try:
            # O_NOFOLLOW: between looking and opening it could have become a link.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        except OSError:
            return None
        status = os.fstat(file.fileno())
        known = self._sidecars.describe(folder.sidecar(key), Fingerprint.of(status), file)
        return Content(StoredObject(key, status.st_size, status.st_mtime, *known), file)

    def upload(self, bucket: str, key: str) -> "_FolderUpload":
        """Begin to write an object."""
        draft = self._folder(bucket).draft()
        self._record(bucket)
        return _FolderUpload(self, bucket, key, draft)

    def describe(
        self, bucket: str, key: str, change: Callable[[Description], Description], *, touch: bool = False
    ) -> StoredObject | None:
        """Change what an object is beside its bytes, in one step; None where it does not exist."""
        folder = self._folder(bucket)
        with self._lock:
            content = self.open(bucket, key)
            if content is None:
                return None
            with content:
                stored = replace(content.stored, description=change(content.stored.description))
                known = stored.digest, stored.description
                before = Fingerprint.of(os.fstat(content.file.fileno()))
                if touch:
                    # As with new bytes the description comes first, and a kill in between costs nothing.
                    after = replace(before, mtime_ns=time.time_ns())
                    self._sidecars.write(folder, key, after, known, before)
                    os.utime(content.file.fileno(), ns=(after.mtime_ns, after.mtime_ns))
                    status = os.fstat(content.file.fileno())
                    if Fingerprint.of(status) != after:  # a disk that keeps no nanoseconds
                        self._sidecars.write(folder, key, Fingerprint.of(status), known)
                    stored = replace(stored, modified=status.st_mtime)
                else:
                    self._sidecars.write(folder, key, before, known)
            self._record(bucket)
            return stored

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""
        folder = self._folder(bucket)
        with self._lock:
            while (path := folder.find(key)) is not None:
                folder.remove(path)
            folder.unstow(key)
            folder.sidecar(key).unlink(missing_ok=True)

    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        """Keys with a prefix from `start` on, in the order of their UTF-8 bytes."""
        folder = self._folder(bucket)
        first = prefix.encode()
        plain = walk(self._directories, folder.path, first, start)
        own = folder.own(OBJECTS)
        stowed = self._stowed_keys.since(own, max(first, start)) if own else iter(())
        # A key that is there twice, dropped in by hand over a stowed one, is listed once.
        both = heapq.merge(plain, takewhile(lambda key: key.startswith(first), stowed))
        for encoded, _ in groupby(both):
            key = encoded.decode()
            if key_problem(key) is None:
                yield key

    def style(self, bucket: str, name: str) -> StoredStyle | None:
        """The style, None where it does not exist."""
        styles = self._folder(bucket).own(STYLES)
        return read_style(styles, name) if styles else None

    def styles(self, bucket: str) -> Sequence[StoredStyle]:
        """All styles, by name."""
        styles = self._folder(bucket).own(STYLES)
        return read_styles(styles) if styles else []

    def put_style(self, bucket: str, name: str, content: str) -> None:
        """Define a style, or define it anew."""
        folder = self._folder(bucket)
        folder.write(folder.make_own(STYLES) / name, content.encode())

    def delete_style(self, bucket: str, name: str) -> None:
        """Remove the style if it is there."""
        styles = self._folder(bucket).own(STYLES)
        if styles:
            (styles / name).unlink(missing_ok=True)

    def commit(self, upload: "_FolderUpload", description: Description, guard: Guard | None) -> StoredObject:
        """Make a finished upload the object of its key."""
        key, status, digest = upload.key, upload.draft.status(), upload.digest()
        folder = self._folder(upload.bucket)
        with self._lock:
            if guard is not None:
                guard(self.stat(upload.bucket, key))
            current = folder.find(key)
            before = None if current is None else Fingerprint.of(current.lstat())
            # Before the rename, which keeps the fingerprint: then the object is never seen without its description.
            self._sidecars.write(folder, key, Fingerprint.of(status), (digest, description), before)
            try:
                upload.draft.publish(folder.plain_place(key))
                folder.unstow(key)
            except ObstructedError:
                folder.stow(upload.draft, key)
        return StoredObject(key, status.st_size, status.st_mtime, digest, description)

    def _folder(self, bucket: str) -> BucketFolder:
        return BucketFolder(self.root / bucket, self._directories, self._folds)

    def _record(self, name: str) -> None:
        """From the first writing on a bucket whose folder a person made says when it was made."""
        with self._lock:
            bucket = self.bucket(name)
            if bucket is not None and name in self._seen:
                record(self.root / name / RESERVED, bucket.created)
                del self._seen[name]


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

    def commit(self, description: Description, guard: Guard | None = None) -> StoredObject:
        return self._store.commit(self, description, guard)

    def discard(self) -> None:
        self.draft.discard()


def _folds_names(root: Path) -> bool:
    """Whether this disk takes two spellings of a name for one: upper and lower case, or two forms of an accent."""
    name = f"{RESERVED}-probe-{uuid4().hex}-\u00e9"
    probe = root / name
    try:
        probe.touch()
    except OSError:
        return True  # it cannot be written, and nobody knows: names are compared
    try:
        return (root / name.upper()).exists() or (root / name.replace("\u00e9", "e\u0301")).exists()
    finally:
        probe.unlink()
