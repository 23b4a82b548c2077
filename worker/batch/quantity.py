"""Quantities of a manifest: sizes in bytes, and moments as a duration before now or a timestamp."""

import re
from datetime import datetime, timedelta

from worker.batch.findings import MendableError, shown

_SIZE = re.compile(r"([0-9]{1,15})\s*([A-Za-z]*)", re.ASCII)
# Decimal and binary units as in IEC 80000-13.
_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 50 * 365 * 86_400


def size(text: str) -> int:
    """Bytes: `500000`, `10MB` (of 1,000,000 bytes), `1MiB` (of 1,048,576 bytes).

    Raises:
        MendableError: It is none of these.
    """
    match = _SIZE.fullmatch(text)
    if not match or match[2] not in _UNITS:
        raise MendableError(
            f"{shown(text)} is no size", "write bytes, or a whole number and KB MB GB TB KiB MiB GiB TiB"
        )
    return int(match[1]) * _UNITS[match[2]]


def moment(text: str, now: datetime) -> datetime:
    """A moment: `7d` is seven days before now, and `2026-01-01T00:00:00+08:00` is itself.

    Raises:
        MendableError: It is neither, or a timestamp without a zone.
    """
    if match := _DURATION.fullmatch(text):
        seconds = int(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST_S:
            raise MendableError(f"{text} is longer than 50 years", "write a shorter duration")
        return now - timedelta(seconds=seconds)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        mend = "write 30m, 12h, 7d or 2w, or a timestamp as 2026-01-01T00:00:00Z"
        raise MendableError(f"{shown(text)} is no duration and no timestamp", mend) from None
    if found.tzinfo is None:
        raise MendableError(f"the timestamp {text} has no zone", f"write {found.isoformat()}Z, or +08:00 for Z")
    return found
