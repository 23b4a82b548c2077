"""The folder of one bucket: where the files of an object lie, and finding them without following a link.

Looking creates nothing; the store's own folders are made when something is to be written into them.
"""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.emulator.drafts import Draft
from worker.emulator.folder_listing import Directories
from worker.emulator.layout import RESERVED, UNWRITABLE, plain_segments, stowed_name

# The store's own folders.
OBJECTS, HEADERS, STYLES, UPLOADS, STAGING = "objects", "headers", "styles", "uploads", "staging"


class ObstructedError(Exception):
    """A key cannot lie at its plain path."""


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A bucket's folder. `folds`: the disk takes several spellings of a name for one, so that they must be compared."""

    path: Path
    directories: Directories
    folds: bool

    def own(self, name: str) -> Path | None:
        """One of the store's own folders, None where there is none."""
        reserved = self.path / RESERVED
        return reserved / name if mode_of(reserved) == mode_of(reserved / name) == stat.S_IFDIR else None

    def make_own(self, name: str) -> Path:
        """One of the store's own folders, made where there is none."""
        path = self.path
        for part in (RESERVED, name):
            path /= part
            with suppress(FileExistsError):
                path.mkdir()
            if mode_of(path) != stat.S_IFDIR:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        return path

    def draft(self) -> Draft:
        """A new file, to be published somewhere in this folder."""
        return Draft(self.make_own(UPLOADS))

    def write(self, path: Path, content: bytes) -> os.stat_result:
        """Write a file in one step. Answers what `stat` says of it."""
        draft = self.draft()
        try:
            draft.write(content)
            status = draft.status()
            draft.publish(path)
            return status
        finally:
            draft.discard()

    def find(self, key: str) -> Path | None:
        """The file of an object: at its plain path, where a person may have put it, or else stowed away."""
        segments = plain_segments(key)
        try:
            if segments is not None and self._is_file(segments):
                return self.path.joinpath(*segments)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # the whole path: such an object is stowed away
                raise
        folder = self.own(OBJECTS)
        stowed = folder / stowed_name(key) if folder else None
        return stowed if stowed and mode_of(stowed) == stat.S_IFREG else None

    def sidecar(self, key: str) -> Path:
        """Where the headers of an object are, or would be."""
        return self.path / RESERVED / HEADERS / f"{stowed_name(key)}.json"

    def plain_place(self, key: str) -> Path:
        """Where an object is to be written; its folders are made.

        Raises:
            ObstructedError: The key is no path, or something is in the way.
        """
        segments = plain_segments(key)
        if segments is None:
            raise ObstructedError
        path = self.path
        for index, segment in enumerate(segments):
            path /= segment
            wanted = stat.S_IFREG if index == len(segments) - 1 else stat.S_IFDIR
            try:
                mode = mode_of(path)
                if mode is None and wanted == stat.S_IFDIR:
                    path.mkdir()
            except OSError as error:  # the whole path is too long for the system, say
                if error.errno in UNWRITABLE:
                    raise
                raise ObstructedError from error
            if mode is not None and (mode != wanted or not self._is_there(path.parent, segment)):
                raise ObstructedError
        return path

    def stow(self, draft: Draft, key: str) -> None:
        """Publish an object away from its plain path, with its key beside it."""
        place = self.make_own(OBJECTS) / stowed_name(key)
        self.write(place.with_suffix(".key"), key.encode())
        draft.publish(place)

    def unstow(self, key: str) -> None:
        """Remove what is stowed away under a key."""
        folder = self.own(OBJECTS)
        if folder is not None:
            (folder / stowed_name(key)).unlink(missing_ok=True)
            (folder / stowed_name(key)).with_suffix(".key").unlink(missing_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file of an object, and the folders that are empty then: they would be in the way of their names."""
        path.unlink(missing_ok=True)
        folder = path.parent
        while folder not in (self.path, self.path / RESERVED / OBJECTS):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _is_file(self, segments: tuple[str, ...]) -> bool:
        path = self.path
        for segment in segments[:-1]:
            if not self._is_there(path, segment) or mode_of(path / segment) != stat.S_IFDIR:
                return False
            path /= segment
        return self._is_there(path, segments[-1]) and mode_of(path / segments[-1]) == stat.S_IFREG

    def _is_there(self, folder: Path, name: str) -> bool:
        """Whether a name is there as it is written, and not as another that the disk takes for the same."""
        return not self.folds or name in os.listdir(folder)  # noqa: PTH208 - names are what is compared


def mode_of(path: Path) -> int | None:
    """What kind of file is there, links not followed; None for nothing."""
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
