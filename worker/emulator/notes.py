"""The small texts that a folder store keeps of a bucket: its region, its styles. A person may write them too."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from worker.emulator.layout import is_style_name
from worker.emulator.store import StoredStyle


def read_note(path: Path) -> tuple[str, float] | None:
    """The text of a file and when it was changed; None where no such file is, or one that is no text."""
    try:
        status = path.lstat()
        return (path.read_text("utf-8").strip(), status.st_mtime) if stat.S_ISREG(status.st_mode) else None
    except (OSError, UnicodeDecodeError):
        return None


def read_style(folder: Path, name: str) -> StoredStyle | None:
    """The style in a folder of styles, None where it does not exist."""
    note = read_note(folder / name)
    return None if note is None else StoredStyle(name, *note)


def read_styles(folder: Path) -> Sequence[StoredStyle]:
    """All styles in a folder of styles, by name."""
    names = sorted(filter(is_style_name, os.listdir(folder)))  # noqa: PTH208 - names are what is due
    return [style for style in (read_style(folder, name) for name in names) if style]
