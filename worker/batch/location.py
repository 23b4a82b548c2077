"""Endpoints and regions as a person writes them, in settings and in manifests."""

import re

from worker.batch.findings import MendableError, shown
from worker.oss.endpoint import parse_endpoint

_REGION = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
_BARE_HOST = re.compile(r"[A-Za-z0-9.-]+\.[a-z]+", re.ASCII)
_EXAMPLE = "https://oss-cn-hangzhou.aliyuncs.com"


def check_endpoint(value: str, *, otherwise: str = "") -> None:
    """Raise `MendableError` for what is no URL of an endpoint; `otherwise` is a word that may stand there, too."""
    try:
        parse_endpoint(value)
    except ValueError as error:
        # Not shown where it may hold a password.
        named = shown(value) if "@" not in value else "this"
        write = f"write {otherwise}, or a URL as {_EXAMPLE}" if otherwise else f"write a URL as {_EXAMPLE}"
        mend = f"did you mean 'https://{value}'?" if _BARE_HOST.fullmatch(value) else write
        raise MendableError(f"{named} is no endpoint: {error}", mend) from None


def check_region(value: str) -> None:
    """Raise `MendableError` for what is no region."""
    if value.startswith("oss-"):
        raise MendableError(f"{shown(value)} is no region", f"did you mean {value.removeprefix('oss-')!r}?")
    if not _REGION.fullmatch(value):
        raise MendableError(f"{shown(value)} is no region", "write its ID, as cn-hangzhou")
