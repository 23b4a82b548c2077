"""A spool: tasks of a run on disk, each target once, in the order in which they were found."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import msgspec

from worker.batch.planner import BadTask, PlannedTask
from worker.batch.task import Task
from worker.sources.enumeration import Planned

_PAGE = 100
_ENCODER = msgspec.msgpack.Encoder()
_TASK = msgspec.msgpack.Decoder(Task)
_BAD = msgspec.msgpack.Decoder(BadTask)


class Spool:
    """An SQLite file that outlives nothing: no journal, no syncing. `count` tasks are in it."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._batch: list[tuple[int, bytes | None, bytes]] = []
        self._sources: list[tuple[bytes]] = []
        self._last = 0
        self.count = 0

    @classmethod
    def create(cls, path: Path) -> "Spool":
        """A new spool; it can be read by others once it is `written`."""
        spool = cls(path)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -16384",
            "CREATE TABLE task (seq INTEGER PRIMARY KEY, target BLOB UNIQUE, data BLOB NOT NULL)",
            "CREATE TABLE source (target BLOB PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            spool._database.execute(statement)
        return spool

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def gathered(self) -> int:
        """How many tasks wait for `write`."""
        return len(self._batch)

    def add(self, item: Planned) -> None:
        """Take in a task with the next `write`."""
        self._last += 1
        if isinstance(item, BadTask):
            self._batch.append((self._last, None, _ENCODER.encode(item)))
        else:
            self._batch.append((self._last, item.digest, _ENCODER.encode(item.task)))

    def add_source(self, digest: bytes) -> None:
        """Take in, with the next `write`, that this is a source: `targets_that_are_sources` are found by it."""
        self._sources.append((digest,))

    def write(self) -> list[tuple[Task, Task]]:
        """Write what has gathered. Returns the tasks whose target was taken, each with the one that took it."""
        batch, self._batch = self._batch, []
        sources, self._sources = self._sources, []
        self._database.executemany("INSERT OR IGNORE INTO source VALUES (?)", sources)
        before = self._database.total_changes
        self._database.executemany("INSERT OR IGNORE INTO task VALUES (?, ?, ?)", batch)
        written = self._database.total_changes - before
        self.count += written
        return [] if written == len(batch) else list(self._left_out(batch))

    def _left_out(self, batch: list[tuple[int, bytes | None, bytes]]) -> Iterator[tuple[Task, Task]]:
        for seq, digest, data in batch:
            query = "SELECT seq, data FROM task WHERE target = ?"
            found, other_data = self._database.execute(query, (digest,)).fetchone() or (seq, data)
            if found != seq:
                yield _TASK.decode(data), _TASK.decode(other_data)

    def targets_that_are_sources(self) -> Iterator[Task]:
        """The tasks whose target is a source."""
        for (data,) in self._database.execute("SELECT data FROM task JOIN source USING (target)"):
            yield _TASK.decode(data)

    async def keep(self, wanted: Callable[[Planned], bool]) -> None:
        """Leave out what is not wanted."""
        async for seq, planned in self._numbered():
            if not wanted(planned):
                self._database.execute("DELETE FROM task WHERE seq = ?", (seq,))
                self.count -= 1

    def written(self) -> None:
        """Let others read it."""
        self._database.execute("COMMIT")

    async def tasks(self) -> AsyncGenerator[Planned, None]:
        """All tasks, in the order in which they were found."""
        async for _, planned in self._numbered():
            yield planned

    async def _numbered(self) -> AsyncGenerator[tuple[int, Planned], None]:
        last = 0
        query = "SELECT seq, target, data FROM task WHERE seq > ? ORDER BY seq LIMIT ?"
        while rows := self._database.execute(query, (last, _PAGE)).fetchall():
            last = rows[-1][0]
            await asyncio.sleep(0)  # signals and the results log get their turn where nothing has to be waited for
            for seq, target, data in rows:
                yield seq, _BAD.decode(data) if target is None else PlannedTask(_TASK.decode(data), target)

    def writer_of(self, target: bytes) -> str | None:
        """The pipeline that writes a target, by its digest; None where none does."""
        found = self._database.execute("SELECT data FROM task WHERE target = ?", (target,)).fetchone()
        return None if found is None else _TASK.decode(found[0]).pipeline
