"""Names of buckets and objects, and the rules OSS has for them."""

import re
from functools import lru_cache

import msgspec

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])", re.ASCII)
MAX_KEY_BYTES = 1023


class ObjectRef(msgspec.Struct, frozen=True, gc=False, order=True):
    """An object, by its bucket and its key."""

    bucket: str
    key: str

    def __str__(self) -> str:
        # For messages: a key may hold line breaks, a message is read line by line.
        return f"oss://{self.bucket}/{''.join(map(_plain, self.key))}"


def _plain(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


@lru_cache(maxsize=64)  # every row is asked about, and most name the same
def bucket_problem(name: str) -> str | None:
    """Why OSS would refuse this bucket name, or None. Source: OSS, "Bucket naming conventions"."""
    if _BUCKET.fullmatch(name):
        return None
    return "a bucket name has 3 to 63 lower-case letters, digits and '-', and begins and ends with a letter or digit"


def key_problem(key: str) -> str | None:
    """Why OSS would refuse this object key, or None. Source: OSS, "Object naming conventions"."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "an object key is UTF-8 text"
    if size == 0:
        return "an object key cannot be empty"
    if size > MAX_KEY_BYTES:
        return f"an object key has at most {MAX_KEY_BYTES} bytes of UTF-8, this one has {size}"
    if key[0] in "/\\":
        return "an object key cannot begin with '/' or '\\'"
    return None
