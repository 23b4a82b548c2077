"""The two encodings of the wire: percent-encoding of URLs and URL-safe base64 of process values."""

import base64
import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

_TO_STANDARD = str.maketrans("-_", "+/")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/-]*", re.ASCII)


def percent(text: str, safe: str = "") -> str:
    """Percent-encode UTF-8 text as signing needs it: all but `A-Za-z0-9-_.~` and `safe`, in upper-case hex."""
    return quote(text, safe=safe)


def percent_path(path: str) -> str:
    """Percent-encode a path, whose slashes stay. Most need no encoding, and a look costs a fifth of encoding them."""
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe="/")


@lru_cache(maxsize=64)
def percent_query(query: tuple[tuple[str, str], ...], *, ordered: bool = False) -> str:
    """A query as it stands in a URL or, `ordered`, as V4 signs it. All tasks of a run have the same one."""
    pairs: Sequence[tuple[str, str]] = [(percent(name), percent(value)) for name, value in query]
    if ordered:
        pairs = sorted(pairs)
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def to_base64(text: str) -> str:
    """URL-safe base64 of the UTF-8 text, without padding (OSS, "Add watermarks": encoding of parameters)."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def from_base64(value: str) -> str:
    """The text of a base64 value in either alphabet, padded or not, as the service accepts them.

    Raises:
        ValueError: The value is not base64, or not of UTF-8 text.
    """
    stripped = value.rstrip("=").translate(_TO_STANDARD)
    padded = stripped + "=" * (-len(stripped) % 4)
    try:
        return base64.b64decode(padded, validate=True).decode()
    except ValueError as error:  # binascii.Error and those of Unicode, too
        message = "not base64 of UTF-8 text"
        raise ValueError(message) from error
