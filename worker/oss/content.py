"""Content: the bytes of an object on their way from one request to another, too many to be held in memory perhaps."""

import base64
from collections.abc import AsyncIterator
from typing import Protocol


class Content(Protocol):
    """Bytes that were read, and can be read again as often as they are sent."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    @property
    def md5(self) -> bytes:
        """The MD5 of all bytes, 16 of them."""

    def chunks(self) -> AsyncIterator[bytes]:
        """All bytes from the beginning, piece by piece; one reading at a time."""

    def close(self) -> None:
        """Nobody reads them any more."""


def content_md5(digest: bytes) -> str:
    """The value of the header Content-MD5 for an MD5. Source: RFC 1864; OSS, PutObject."""
    return base64.b64encode(digest).decode()
