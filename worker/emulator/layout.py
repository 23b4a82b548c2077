"""Where the folder store puts an object: the rules from key to path."""

import errno
import hashlib
import re
import unicodedata

RESERVED = ".oss"  # names that begin so belong to the store itself
MAX_SEGMENT_BYTES = 200  # file systems take 255; the store leaves room
_STYLE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}", re.ASCII)


def plain_segments(key: str) -> tuple[str, ...] | None:
    """The names of folders and file that a key is written as, None where it cannot be a path as it is."""
    segments = tuple(key.split("/"))
    return segments if all(map(is_plain, segments)) else None


def is_plain(segment: str) -> bool:
    """Whether one segment of a key is a safe file name on every system and not one of the store's own."""
    try:
        size = len(segment.encode())
    except UnicodeEncodeError:  # a file name on disk that is not UTF-8
        return False
    return (
        1 <= size <= MAX_SEGMENT_BYTES
        and segment not in (".", "..")
        and not segment.startswith(RESERVED)
        and not any(letter in "\\:" or unicodedata.category(letter) == "Cc" for letter in segment)
    )


def is_style_name(name: str) -> bool:
    """Whether a style can have this name: OSS, "Image styles". Two of them would be no file names."""
    return _STYLE_NAME.fullmatch(name) is not None and name not in (".", "..")


# What the system says where a folder cannot be written, whatever is done.
UNWRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def stowed_name(key: str) -> str:
    """The file name of an object, or of what is known about it, among the store's own files."""
    return hashlib.sha256(key.encode()).hexdigest()
