"""A store that keeps everything in memory, for tests and throw-away servers."""

import io
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from worker.emulator.store import (
    Bucket,
    Clock,
    Content,
    Digest,
    Digesting,
    ObjectExistsError,
    StoredObject,
    StoredStyle,
)


@dataclass(slots=True)
class _Shelf:
    bucket: Bucket
    objects: dict[str, tuple[StoredObject, bytes]] = field(default_factory=dict)
    styles: dict[str, StoredStyle] = field(default_factory=dict)
    # Replaced, never changed, so that a listing under way keeps its own; None where keys came or went since.
    ordered: list[bytes] | None = None


class MemoryStore:
    """Buckets in a dictionary. Bytes of objects are never changed, so they are shared, not copied."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}

    def buckets(self) -> Sequence[Bucket]:
        """All buckets, by name."""
        return [self._shelves[name].bucket for name in sorted(self._shelves)]

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, None where it does not exist."""
        shelf = self._shelves.get(name)
        return shelf.bucket if shelf else None

    def make_bucket(self, name: str, region: str = "") -> None:
        """Make the bucket if it is not there; it stays in the region it was made in."""
        self._shelves.setdefault(name, _Shelf(Bucket(name, self._clock(), region)))

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """The object without its bytes, None where it does not exist."""
        found = self._shelves[bucket].objects.get(key)
        return found[0] if found else None

    def open(self, bucket: str, key: str) -> Content | None:
        """The object opened for reading, None where it does not exist."""
        found = self._shelves[bucket].objects.get(key)
        return Content(found[0], io.BytesIO(found[1])) if found else None

    def upload(self, bucket: str, key: str) -> "_MemoryUpload":
        """Begin to write an object."""
        return _MemoryUpload(self, bucket, key)

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""
        with self._lock:
            shelf = self._shelves[bucket]
            if shelf.objects.pop(key, None):
                shelf.ordered = None

    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        """Keys with a prefix from `start` on, in the order of their UTF-8 bytes."""
        with self._lock:
            shelf = self._shelves[bucket]
            if shelf.ordered is None:
                shelf.ordered = sorted(key.encode() for key in shelf.objects)
            ordered = shelf.ordered
        first = prefix.encode()
        begin = bisect_left(ordered, max(first, start))
        following = (ordered[index] for index in range(begin, len(ordered)))
        return (key.decode() for key in takewhile(lambda key: key.startswith(first), following))

    def style(self, bucket: str, name: str) -> StoredStyle | None:
        """The style, None where it does not exist."""
        return self._shelves[bucket].styles.get(name)

    def styles(self, bucket: str) -> Sequence[StoredStyle]:
        """All styles, by name."""
        with self._lock:
            return sorted(self._shelves[bucket].styles.values(), key=lambda style: style.name)

    def put_style(self, bucket: str, name: str, content: str) -> None:
        """Define a style, or define it anew."""
        with self._lock:
            self._shelves[bucket].styles[name] = StoredStyle(name, content, self._clock())

    def delete_style(self, bucket: str, name: str) -> None:
        """Remove the style if it is there."""
        with self._lock:
            self._shelves[bucket].styles.pop(name, None)

    def _keep(self, bucket: str, stored: StoredObject, body: bytes, *, overwrite: bool) -> None:
        with self._lock:
            shelf = self._shelves[bucket]
            if stored.key not in shelf.objects:
                shelf.ordered = None
            elif not overwrite:
                raise ObjectExistsError
            shelf.objects[stored.key] = stored, body


class _MemoryUpload:
    def __init__(self, store: MemoryStore, bucket: str, key: str) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._body = bytearray()
        self._digesting = Digesting()

    def write(self, chunk: bytes) -> None:
        self._body += chunk
        self._digesting.update(chunk)

    def digest(self) -> Digest:
        return self._digesting.digest()

    def commit(self, headers: Mapping[str, str], *, overwrite: bool = True) -> StoredObject:
        now = self._store._clock()  # noqa: SLF001 - an upload is a part of its store
        stored = StoredObject(self._key, len(self._body), now, self.digest(), dict(headers))
        self._store._keep(self._bucket, stored, bytes(self._body), overwrite=overwrite)  # noqa: SLF001 - likewise
        return stored

    def discard(self) -> None:
        self._body.clear()
