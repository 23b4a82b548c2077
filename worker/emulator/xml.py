"""Writing XML: the few elements that answers are made of."""

import re
from datetime import UTC, datetime
from xml.sax.saxutils import escape  # writes only: nothing is parsed here

# XML 1.0 has no way to write these characters. As a reference a parser refuses them loudly, so that a listing without
# `encoding-type=url` cannot pass off another key; S3-compatible servers do the same.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_UNENCODABLE = re.compile("[\ud800-\udfff]")  # bytes of a header that are not UTF-8


def leaf(name: str, text: str) -> str:
    """An element that holds a text."""
    # A bare carriage return would be read back as a line feed.
    escaped = escape(text, {"\r": "&#xD;"})
    return f"<{name}>{_UNWRITABLE.sub(lambda match: f'&#x{ord(match[0]):X};', escaped)}</{name}>"


def time_leaf(name: str, seconds: float) -> str:
    """An element that holds a moment, in seconds since the epoch."""
    return leaf(name, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))


def printable(text: str) -> str:
    """The text with a replacement character for each one that XML cannot hold."""
    return _UNENCODABLE.sub("\ufffd", _UNWRITABLE.sub("\ufffd", text))


def branch(name: str, *children: str) -> str:
    """An element that holds elements."""
    return f"<{name}>{''.join(children)}</{name}>"


def document(root: str, *children: str) -> bytes:
    """A whole document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{branch(root, *children)}\n'.encode()
