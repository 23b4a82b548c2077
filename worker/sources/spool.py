"""The spool: all tasks of a run on disk before the first of them is sent, with the proof that no two collide."""

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from worker.batch.document import Place
from worker.batch.entry import BucketSource
from worker.batch.planner import BadTask, PlannedTask
from worker.batch.selection import SourceObject
from worker.batch.task import Task, target_digest
from worker.errors import CollisionError, Problem
from worker.oss.names import ObjectRef, key_problem
from worker.sources.enumeration import Enumeration, Planned

# More than anybody reads: a template that collides mostly collides everywhere.
_MAX_PROBLEMS = 20
_BATCH = 1000
_PAGE = 100
_ENCODER = msgspec.msgpack.Encoder()
_TASK = msgspec.msgpack.Decoder(Task)
_BAD = msgspec.msgpack.Decoder(BadTask)


class Spool:
    """Tasks in a temporary SQLite file below `$TMPDIR`. Use as a context manager.

    `guarded` are the prefixes of sources that no target may lie below. `apart`: it is proven that no target is a
    source, and sources are not kept.
    """

    def __init__(self, guarded: Sequence[BucketSource], *, apart: bool = False) -> None:
        self._guarded = guarded
        self._apart = apart
        self._batch: list[tuple[int, bytes | None, bytes]] = []
        self._sources: list[tuple[bytes]] = []
        self._last = 0
        self._directory = tempfile.TemporaryDirectory(prefix="oss-saveas-")
        self._database = sqlite3.connect(Path(self._directory.name) / "spool.sqlite", isolation_level=None)
        self._problems: list[Problem] = []
        self._collides: Counter[str] = Counter()
        self._places: dict[str, Place] = {}
        self.count = 0

    def __enter__(self) -> Self:
        # Nothing here outlives the run: no journal, no syncing.
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -16384",
            "CREATE TABLE task (seq INTEGER PRIMARY KEY, target BLOB UNIQUE, data BLOB NOT NULL)",
            "CREATE TABLE source (target BLOB PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._directory.cleanup()

    async def fill(self, enumeration: Enumeration, *, to_end: bool = False) -> None:
        """Read all sources, and prove the plan; `to_end`: where the proof fails, all that collides is counted.

        Raises:
            CollisionError: Two tasks write one target, or a target is a source.
        """
        self._places = {pipeline.name: pipeline.key_place for pipeline in enumeration.manifest.pipelines}
        async with aclosing(enumeration.planned()) as sources:
            async for source, planned in sources:
                if not self._apart and isinstance(source, SourceObject) and not key_problem(source.key):
                    self._sources.append((target_digest(ObjectRef(source.bucket, source.key)),))
                for item in planned:
                    self._add(item)
                if len(self._batch) >= _BATCH:
                    enumeration.duplicates += self._write()
                    if len(self._problems) >= _MAX_PROBLEMS and not to_end:
                        break
        enumeration.duplicates += self._write()
        self._find_targets_that_are_sources()
        if self._problems:
            if (collide := self._collides.total()) > len(self._problems) and to_end:
                self._problems.append(Problem(f"in all, {collide:,} tasks collide"))
            raise CollisionError(self._problems, self._collides)

    async def tasks(self) -> AsyncGenerator[Planned, None]:
        """All tasks, in the order in which they were found."""
        last = 0
        query = "SELECT seq, target, data FROM task WHERE seq > ? ORDER BY seq LIMIT ?"
        while rows := self._database.execute(query, (last, _PAGE)).fetchall():
            last = rows[-1][0]
            await asyncio.sleep(0)  # signals and the results log get their turn where nothing has to be waited for
            for _, target, data in rows:
                yield _BAD.decode(data) if target is None else PlannedTask(_TASK.decode(data), target)

    def writer_of(self, target: bytes) -> str | None:
        """The pipeline that writes a target, by its digest; None where none does."""
        found = self._database.execute("SELECT data FROM task WHERE target = ?", (target,)).fetchone()
        return None if found is None else _TASK.decode(found[0]).pipeline

    def _add(self, item: Planned) -> None:
        self._last += 1
        if isinstance(item, BadTask):
            self._batch.append((self._last, None, _ENCODER.encode(item)))
            return
        task = item.task
        for entry in self._guarded:
            if task.target.bucket == entry.bucket and task.target.key.startswith(entry.prefix):
                reason = (
                    f"pipeline {task.pipeline!r} makes {task.target} of {task.source}, which lies below a source prefix"
                )
                mend = "choose a target outside the sources, or set `allow: [target-in-source]`"
                self._collide(task, entry.place.problem(reason, mend))
        self._batch.append((self._last, item.digest, _ENCODER.encode(task)))

    def _collide(self, task: Task, problem: Problem) -> None:
        self._collides[task.pipeline] += 1
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)

    def _write(self) -> int:
        """Write what has gathered. Returns how many tasks of it were there; two that share a target are a problem."""
        batch, self._batch = self._batch, []
        sources, self._sources = self._sources, []
        self._database.executemany("INSERT OR IGNORE INTO source VALUES (?)", sources)
        before = self._database.total_changes
        self._database.executemany("INSERT OR IGNORE INTO task VALUES (?, ?, ?)", batch)
        written = self._database.total_changes - before
        self.count += written
        if written == len(batch):
            return 0
        # Some were left out, for their targets are taken: by which tasks?
        duplicates = 0
        for seq, digest, data in batch:
            query = "SELECT seq, data FROM task WHERE target = ?"
            found, other_data = self._database.execute(query, (digest,)).fetchone() or (seq, data)
            if found == seq:
                continue
            task, other = _TASK.decode(data), _TASK.decode(other_data)
            if (other.source, other.pipeline, other.process) == (task.source, task.pipeline, task.process):
                duplicates += 1
            else:
                self._collide(task, self._collision(task, other))
        return duplicates

    def _find_targets_that_are_sources(self) -> None:
        for (data,) in self._database.execute("SELECT data FROM task JOIN source USING (target)"):
            task = _TASK.decode(data)
            same = task.source == task.target
            what = "is its own source" if same else "is a source of this job, too"
            reason = f"the target {task.target} of pipeline {task.pipeline!r} {what}"
            mend = "choose a target outside the sources: a repeat would process the result"
            self._collide(task, self._places[task.pipeline].problem(reason, mend))

    def _collision(self, task: Task, other: Task) -> Problem:
        reason = (
            f"two tasks write {task.target}: {other.source} by pipeline {other.pipeline!r}, "
            f"and {task.source} by pipeline {task.pipeline!r}"
        )
        mend = "tell them apart in the target's key, with {key}, {ext}, {pipeline} or {hash}"
        return self._places[task.pipeline].problem(reason, mend)
