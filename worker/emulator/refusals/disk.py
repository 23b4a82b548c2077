"""Refusals of a folder store's disk: a machine's trouble is no bug. All are the local OSS's own.

They have codes after which nobody tries again.
"""

import errno

from worker.emulator.layout import UNWRITABLE
from worker.emulator.refusals.answering import refusal
from worker.oss.refusal import RefusedError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# A person has put a folder where one of the store's own files belongs, or a file where a folder does.
_OBSTRUCTED = frozenset({errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY})


def of_disk(error: OSError) -> RefusedError | None:
    """How an error of the system is told; None for one that says nothing of the folder."""
    if error.errno in UNWRITABLE:
        return refusal(403, "AccessDenied", "The folder of the local OSS cannot be written.")
    if error.errno in _FULL:
        message = "The disk of the local OSS is full; delete objects, or serve a folder on another disk."
        return refusal(400, "EntityTooLarge", message)
    if error.errno in _OBSTRUCTED:
        place = error.filename2 or error.filename
        return refusal(403, "AccessDenied", f"{place} is in the way of the local OSS's own files; move it away.")
    return None
