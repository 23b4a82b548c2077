"""A task: one source through one pipeline, with the identity that the results log knows it by."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

import msgspec

from worker.oss.names import ObjectRef

_DIGEST_BYTES = 16


class Task(msgspec.Struct, frozen=True, gc=False):
    """One source through one pipeline.

    `etag` is normal (see `worker.oss.answer.normal_etag`), empty where the manifest ignores it, None while nobody has
    told it: the service is asked when the task's turn comes. `size` is that of the source in bytes, None if unknown.
    `process` is what is sent, without saveas.
    """

    pipeline: str
    source: ObjectRef
    etag: str | None
    size: int | None
    process: str
    target: ObjectRef
    revision: str = ""

    def id(self, etag: str) -> bytes:
        """The 16 bytes that stand for this work on this content: another picture or recipe is another task."""
        return _digest(
            b"oss-saveas/1",
            _common(self.source.bucket),
            _framed(self.source.key),
            _framed(etag),
            _common(self.process),
            _common(self.revision),
            _common(self.target.bucket),
            _framed(self.target.key),
        )


class Named(Protocol):
    """What names an object, as an `ObjectRef` and a line of the log do."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    @property
    def key(self) -> str:
        """The object's key."""


def target_digest(target: Named) -> bytes:
    """The 16 bytes that stand for a target, whatever is saved there."""
    key = target.key.encode()
    return sha256(_targets_of(target.bucket) + len(key).to_bytes(4) + key).digest()[:_DIGEST_BYTES]


@lru_cache(maxsize=64)  # millions of targets are in a handful of buckets
def _targets_of(bucket: str) -> bytes:
    """What the digests of all targets in a bucket begin with."""
    return b"oss-saveas/target/1" + _framed(bucket)


def text_digest(text: str) -> bytes:
    """The 16 bytes that stand for a text: what shards go by where there is no target."""
    return _digest(b"oss-saveas/text/1", _framed(text))


@dataclass(frozen=True, slots=True)
class Shard:
    """The i-th of n disjoint parts of a job, by target: all tasks that can write one target are in one shard."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def holds(self, digest: bytes) -> bool:
        """Whether the target with this digest belongs to this shard."""
        return shard_index(digest, self.count) == self.index

    def divided(self, processes: int) -> list["Shard"]:
        """The parts of this shard for several processes of one machine."""
        return [Shard(self.index + k * self.count, self.count * processes) for k in range(processes)]

    def part_of(self, processes: int) -> Callable[[bytes], int]:
        """What tells which of several processes a target of this shard belongs to, by its digest."""
        return lambda digest: int.from_bytes(digest[:8]) // self.count % processes


def shard_index(digest: bytes, count: int) -> int:
    """Which of so many shards the target with this digest belongs to."""
    return int.from_bytes(digest[:8]) % count


def _digest(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()[:_DIGEST_BYTES]


def _framed(field: str) -> bytes:
    # Each field is framed by its length, so that no two lists of fields give the same bytes.
    data = field.encode()
    return len(data).to_bytes(4) + data


_common = lru_cache(maxsize=128)(_framed)  # of millions of tasks, a handful of buckets, processes and revisions
