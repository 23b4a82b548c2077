"""Selection: which of the objects found are sources of the job, and why the others are not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from worker.batch.entry import BucketSource, Filters, Source
from worker.batch.template import split_key
from worker.oss.names import ObjectRef

# What IMG reads. Source: OSS, "Image processing overview"; HEIC and AVIF are read, too.
IMAGE_EXTENSIONS = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "gif", "tiff", "tif", "heic", "heif", "avif"})
# Keys may hold anything after their last dot; what is longer, or one too many, is counted together.
_MAX_EXTENSION, _MAX_EXTENSIONS = 16, 1000
OTHER_EXTENSION = "..."
# Objects of these classes have to be restored before anything reads them. Source: OSS, "Storage classes".
ARCHIVE_CLASSES = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})


class NotSelected(StrEnum):
    """Why an object is no source of the job."""

    DIRECTORY = "directory"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    ARCHIVED = "archived"
    OLD_VERSION = "old_version"
    DELETE_MARKER = "delete_marker"
    OWN_TARGET = "own_target"
    FILTERED = "filtered"


class SourceObject(msgspec.Struct, frozen=True, gc=False):
    """An object as a source entry found it; None is what is not known. `place` says where it was named.

    `left_out` is what an inventory says of it by itself: an old version, or no object at all.

    A Struct and no dataclass: one is made for every row, at an eighth of the time.
    """

    bucket: str
    key: str
    etag: str | None = None
    size: int | None = None
    modified: datetime | None = None
    storage_class: str | None = None
    row: Mapping[str, str] | None = None
    place: str = ""
    left_out: NotSelected | None = None


class Extensions:
    """How often which extension was met, in lower case; in little memory, whatever the keys are."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, key: str) -> None:
        """Count the extension of a key."""
        extension = (split_key(key)[2] or "").lower()
        if len(extension) > _MAX_EXTENSION or (extension not in self._counts and len(self._counts) >= _MAX_EXTENSIONS):
            extension = OTHER_EXTENSION
        self._counts[extension] += 1

    def commonest(self, count: int) -> dict[str, int]:
        """The commonest ones, at most so many; the empty one is that of keys without extension."""
        return dict(self._counts.most_common(count))


def not_selected(source: SourceObject, entry: Source, own_targets: Sequence[ObjectRef] = ()) -> NotSelected | None:
    """Why an object is left out, by the first reason there is; None where it is selected.

    A listing and an inventory are judged whole; keys named one by one, in a list or in a table are meant. `own_targets`
    are the buckets and key prefixes that the job itself writes to (`worker.batch.proof.own_targets`).
    """
    filters = entry.filters if isinstance(entry, BucketSource) else None
    if filters and (reason := _unusable(source, filters)):
        return reason
    for own in own_targets:
        if own.bucket in {"", source.bucket} and source.key.startswith(own.key):
            return NotSelected.OWN_TARGET
    if filters and not passes(source, filters):
        return NotSelected.FILTERED
    return None


def _unusable(source: SourceObject, filters: Filters) -> NotSelected | None:
    if source.left_out:
        return source.left_out
    if source.key.endswith("/"):
        return NotSelected.DIRECTORY
    if source.size == 0:
        return NotSelected.EMPTY
    if not filters.include and (split_key(source.key)[2] or "").lower() not in IMAGE_EXTENSIONS:
        return NotSelected.NOT_AN_IMAGE
    if source.storage_class in ARCHIVE_CLASSES:
        return NotSelected.ARCHIVED
    return None


def passes(source: SourceObject, filters: Filters) -> bool:
    """Whether an object meets all filters. What is not known of it is not held against it."""
    key = source.key.lower() if filters.ignore_case else source.key
    if filters.include and not _matches(key, filters.include, filters):
        return False
    if _matches(key, filters.exclude, filters):
        return False
    return _within(source.modified, filters.modified_after, filters.modified_before) and _sized(source.size, filters)


def _matches(key: str, patterns: Sequence[str], filters: Filters) -> bool:
    return any(fnmatchcase(key, pattern.lower() if filters.ignore_case else pattern) for pattern in patterns)


def _within(moment: datetime | None, after: datetime | None, before: datetime | None) -> bool:
    # Half open, so that windows that adjoin neither lose nor repeat an object.
    return moment is None or ((after is None or after <= moment) and (before is None or moment < before))


def _sized(size: int | None, filters: Filters) -> bool:
    low, high = filters.min_size, filters.max_size
    return size is None or ((low is None or low <= size) and (high is None or size <= high))
