"""A store that keeps everything in memory, for tests and throw-away servers."""

import io
import threading
import time
import weakref
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from worker.emulator.store import (
    ACL,
    Bucket,
    Clock,
    Content,
    Description,
    Digest,
    Digesting,
    Guard,
    StoredObject,
    StoredStyle,
    StoreFullError,
)

_BATCH = 100  # keys of a listing
OVERHEAD = 2 << 10  # bytes that an object takes beside its own and those of its headers and tags
CAPACITY = 256 << 20  # bytes of all objects together: with the memory that pictures are drawn in, less than a gigabyte


@dataclass(slots=True)
class _Shelf:
    bucket: Bucket
    objects: dict[str, tuple[StoredObject, "_Body"]] = field(default_factory=dict)
    styles: dict[str, StoredStyle] = field(default_factory=dict)
    ordered: list[bytes] = field(default_factory=list)  # the keys
    staging: "MemoryStore | None" = None


class MemoryStore:
    """Buckets in a dictionary. Bytes of objects are never changed, so they are shared, not copied."""

    def __init__(self, clock: Clock = time.time, *, capacity: int = CAPACITY, room: "_Room | None" = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._room = room or _Room(capacity)
        self._shelves: dict[str, _Shelf] = {}

    def buckets(self) -> Sequence[Bucket]:
        """All buckets, by name."""
        with self._lock:
            return [self._shelves[name].bucket for name in sorted(self._shelves)]

    def bucket(self, name: str) -> Bucket | None:
        """The bucket, None where it does not exist."""
        shelf = self._shelves.get(name)
        return shelf.bucket if shelf else None

    def make_bucket(self, name: str, region: str = "", acl: ACL = ACL.PRIVATE) -> None:
        """Make the bucket if it is not there; it stays in the region it was made in."""
        with self._lock:
            self._shelves.setdefault(name, _Shelf(Bucket(name, self._clock(), region, acl)))

    def put_acl(self, bucket: str, acl: ACL) -> None:
        """Say who may do what with a bucket."""
        with self._lock:
            shelf = self._shelves[bucket]
            shelf.bucket = replace(shelf.bucket, acl=acl)

    def delete_bucket(self, bucket: str) -> bool:
        """Remove the bucket, unless there is anything in it; whether it was removed."""
        with self._lock:
            shelf = self._shelves[bucket]
            if shelf.objects or (shelf.staging is not None and shelf.staging.buckets()):
                return False
            del self._shelves[bucket]
            return True

    def remove_bucket(self, name: str) -> None:
        """Remove the bucket if it is there, with all that is in it, in one step."""
        with self._lock:
            self._shelves.pop(name, None)

    def staging(self, bucket: str, *, make: bool = False) -> "MemoryStore | None":
        """Where uploads in parts lie until they are objects; in the same room as these."""
        with self._lock:
            shelf = self._shelves[bucket]
            if shelf.staging is None and make:
                shelf.staging = MemoryStore(self._clock, room=self._room)
            return shelf.staging

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """The object without its bytes, None where it does not exist."""
        found = self._shelves[bucket].objects.get(key)
        return found[0] if found else None

    def open(self, bucket: str, key: str) -> Content | None:
        """The object opened for reading, None where it does not exist."""
        found = self._shelves[bucket].objects.get(key)
        return Content(found[0], _Opened(found[1])) if found else None

    def upload(self, bucket: str, key: str) -> "_MemoryUpload":
        """Begin to write an object."""
        return _MemoryUpload(self, bucket, key, self._room)

    def describe(
        self, bucket: str, key: str, change: Callable[[Description], Description], *, touch: bool = False
    ) -> StoredObject | None:
        """Change what an object is beside its bytes, in one step; None where it does not exist."""
        with self._lock:
            objects = self._shelves[bucket].objects
            if key not in objects:
                return None
            stored, body = objects[key]
            modified = self._clock() if touch else stored.modified
            stored = replace(stored, description=change(stored.description), modified=modified)
            objects[key] = stored, body
            return stored

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""
        with self._lock:
            shelf = self._shelves[bucket]
            if shelf.objects.pop(key, None):
                del shelf.ordered[bisect_left(shelf.ordered, key.encode())]

    def keys(self, bucket: str, prefix: str, start: bytes) -> Iterator[str]:
        """Keys with a prefix from `start` on, in the order of their UTF-8 bytes."""
        first, position = prefix.encode(), start
        ordered = self._shelves[bucket].ordered
        while True:
            with self._lock:  # found anew: keys may come and go between the batches
                begin = bisect_left(ordered, max(first, position))
                batch = ordered[begin : begin + _BATCH]
            for key in batch:
                if not key.startswith(first):
                    return
                yield key.decode()
            if not batch:
                return
            position = batch[-1] + b"\0"

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

    def _keep(self, bucket: str, stored: StoredObject, body: "_Body", guard: Guard | None) -> None:
        with self._lock:
            shelf = self._shelves[bucket]
            current = shelf.objects.get(stored.key)
            if guard is not None:
                guard(current[0] if current else None)
            if current is None:
                insort(shelf.ordered, stored.key.encode())
            shelf.objects[stored.key] = stored, body


class _Room:
    """How many bytes a store may still take. A body takes its room until nobody holds it, readers included."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._left = capacity
        self._lock = threading.RLock()  # bodies are forgotten at any moment, even in here

    def take(self, size: int) -> None:
        with self._lock:
            if size > self._left:
                raise StoreFullError(self._capacity)
            self._left -= size

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class _Body:
    """The bytes of an object, for as long as anybody holds them; `taken` is all of its room."""

    def __init__(self, data: bytes, room: _Room, taken: int) -> None:
        self.data = data
        weakref.finalize(self, room.give, taken)


class _Opened(io.BytesIO):
    """An object being read."""

    def __init__(self, body: _Body) -> None:
        super().__init__(body.data)  # not copied
        self._body = body


class _MemoryUpload:
    def __init__(self, store: MemoryStore, bucket: str, key: str, room: _Room) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._room = room
        self._taken = 0  # of the room, until it is that of a body
        self._file = io.BytesIO()
        self._digesting = Digesting()

    def write(self, chunk: bytes) -> None:
        self._room.take(len(chunk))
        self._taken += len(chunk)
        self._file.write(chunk)
        self._digesting.update(chunk)

    def digest(self) -> Digest:
        return self._digesting.digest()

    def commit(self, description: Description, guard: Guard | None = None) -> StoredObject:
        now = self._store._clock()  # noqa: SLF001 - an upload is a part of its store
        stored = StoredObject(self._key, self._taken, now, self.digest(), description)
        beside = OVERHEAD + _size(description)
        self._room.take(beside)
        body = _Body(self._file.getvalue(), self._room, self._taken + beside)  # not copied
        self._taken = 0
        self._store._keep(self._bucket, stored, body, guard)  # noqa: SLF001 - likewise
        return stored

    def discard(self) -> None:
        self._file.close()
        self._room.give(self._taken)
        self._taken = 0


def _size(description: Description) -> int:
    pairs = [*description.headers.items(), *description.tags]
    return sum(len(name) + len(value) for name, value in pairs)
