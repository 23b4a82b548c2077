"""When a bucket was made, and in which region: two small texts in its folder, `.oss/created` and `.oss/region`."""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from worker.emulator.drafts import Draft
from worker.emulator.layout import RESERVED
from worker.emulator.notes import read_note

DRAFT_PREFIX = f"{RESERVED}-bucket-"  # of folders that are not yet buckets
_CREATED, _REGION = "created", "region"


def read_record(folder: Path) -> tuple[float | None, str]:
    """When (seconds since the epoch) and where the bucket was made whose `.oss` this is; None and empty if unknown."""
    created, region = read_note(folder / _CREATED), read_note(folder / _REGION)
    return _seconds(created[0]) if created else None, region[0] if region else ""


def record(folder: Path, created: float) -> None:
    """Write down when a bucket was made. The folder is there."""
    draft = Draft(folder)
    try:
        draft.write(_text(created))
        draft.publish(folder / _CREATED)
    finally:
        draft.discard()


def make_recorded(path: Path, region: str) -> None:
    """Make the folder of a bucket in one step: a kill leaves it with its record, or not at all."""
    draft = path.parent / f"{DRAFT_PREFIX}{secrets.token_hex(16)}"
    draft.mkdir()
    # Locked for as long as it is a draft, and a kill drops the lock.
    lock = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (draft / RESERVED).mkdir()
        (draft / RESERVED / _CREATED).write_bytes(_text(datetime.now(UTC).timestamp()))
        if region:
            (draft / RESERVED / _REGION).write_text(region, "utf-8")
        with suppress(FileExistsError, NotADirectoryError):  # somebody else has made it meanwhile
            draft.rename(path)
    finally:
        os.close(lock)
        shutil.rmtree(draft, ignore_errors=True)  # gone where it was renamed


def remove(path: Path) -> None:
    """Remove the folder of a bucket in one step: a kill leaves it whole, or as rubbish."""
    rubbish = path.parent / f"{DRAFT_PREFIX}{secrets.token_hex(16)}"
    with suppress(FileNotFoundError):
        path.rename(rubbish)
    shutil.rmtree(rubbish, ignore_errors=True)


def _text(created: float) -> bytes:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds").encode()


def _seconds(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC).timestamp() if found.tzinfo else None
    except (ValueError, OverflowError):  # no time, or in UTC outside the calendar
        return None
