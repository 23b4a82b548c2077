"""When a bucket was made, its region and its ACL: small texts in its folder, in `.oss`."""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from worker.emulator.bucket_folder import OBJECTS, STAGING, BucketFolder
from worker.emulator.drafts import Draft
from worker.emulator.layout import RESERVED
from worker.emulator.notes import read_note
from worker.emulator.store import ACL

DRAFT_PREFIX = f"{RESERVED}-bucket-"  # of folders that are not yet buckets
_CREATED, _REGION, _ACL = "created", "region", "acl"


def read_record(folder: Path) -> tuple[float | None, str, ACL]:
    """When (seconds since the epoch) and where the bucket was made whose `.oss` this is, and its ACL.

    None, empty and private where it is not known.
    """
    created, region, acl = (read_note(folder / name) for name in (_CREATED, _REGION, _ACL))
    return _seconds(created[0]) if created else None, region[0] if region else "", _acl(acl[0] if acl else "")


def record(folder: Path, created: float) -> None:
    """Write down when a bucket was made. The folder is there."""
    draft = Draft(folder)
    try:
        draft.write(_text(created))
        draft.publish(folder / _CREATED)
    finally:
        draft.discard()


def put_acl(folder: BucketFolder, acl: ACL) -> None:
    """Write down the ACL of a bucket, in one step."""
    folder.write(folder.path / RESERVED / _ACL, acl.encode())


def make_recorded(path: Path, region: str, acl: ACL) -> None:
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
        if acl is not ACL.PRIVATE:
            (draft / RESERVED / _ACL).write_text(acl, "utf-8")
        with suppress(FileExistsError, NotADirectoryError):  # somebody else has made it meanwhile
            draft.rename(path)
    finally:
        os.close(lock)
        shutil.rmtree(draft, ignore_errors=True)  # gone where it was renamed


def remove_bare(path: Path) -> bool:
    """Remove the folder of a bucket, unless it holds anything but empty folders and the store's own; whether it went.

    It is renamed first, so that nothing can be written there any more: a kill leaves it as it was, or gone.
    """
    if not _is_bare(path):
        return False
    draft = path.parent / f"{DRAFT_PREFIX}{secrets.token_hex(16)}"
    lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path.rename(draft)
        if not _is_bare(draft):  # another process has come before
            draft.rename(path)
            return False
        shutil.rmtree(draft, ignore_errors=True)
        return True
    finally:
        os.close(lock)


def _is_bare(path: Path) -> bool:
    stowed, staging = path / RESERVED / OBJECTS, path / RESERVED / STAGING
    if stowed.is_dir() and any(file.suffix != ".key" for file in stowed.iterdir()):
        return False
    # Each upload in parts is a bucket there; one that holds nothing was only half begun when its process was killed.
    uploads = staging.iterdir() if staging.is_dir() else iter(())
    if not all(folder.name.startswith(DRAFT_PREFIX) or _is_bare(folder) for folder in uploads):
        return False
    for folder, names, files in os.walk(path):
        if folder == str(path) and RESERVED in names:
            names.remove(RESERVED)
        if files or any(Path(folder, name).is_symlink() for name in names):
            return False
    return True


def _acl(text: str) -> ACL:
    return ACL(text) if text in (ACL.PUBLIC_READ, ACL.PUBLIC_READ_WRITE) else ACL.PRIVATE


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
