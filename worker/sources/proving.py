"""Proving by enumeration: all tasks of a run on disk before the first of them is sent, and no two collide."""

import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.batch.document import Place
from worker.batch.entry import BucketSource
from worker.batch.planner import BadTask
from worker.batch.selection import SourceObject
from worker.batch.task import Task, target_digest
from worker.errors import CollisionError, Problem
from worker.oss.names import ObjectRef, key_problem
from worker.sources.enumeration import Enumeration, Planned
from worker.sources.spool import Spool

# More than anybody reads: a template that collides mostly collides everywhere.
_MAX_PROBLEMS = 20
_BATCH = 1000


class Proof:
    """The tasks of a plan in temporary spools below `$TMPDIR`, one for each process. Use as a context manager.

    `guarded` are the prefixes of sources that no target may lie below. `apart`: it is proven that no target is a
    source, and sources are not kept. `part_of` gives the number of the process that a target belongs to, by its digest:
    what can collide belongs to one.
    """

    def __init__(
        self,
        guarded: Sequence[BucketSource],
        *,
        apart: bool = False,
        parts: int = 1,
        part_of: Callable[[bytes], int] = lambda _: 0,
    ) -> None:
        self._guarded = guarded
        self._apart = apart
        self._part_of = part_of
        self._directory = tempfile.TemporaryDirectory(prefix="oss-saveas-")
        self.paths = [Path(self._directory.name) / f"spool-{part}.sqlite" for part in range(parts)]
        self._spools: list[Spool] = []
        self._problems: list[Problem] = []
        self._collides: Counter[str] = Counter()
        self._places: dict[str, Place] = {}
        self._bad = 0

    def __enter__(self) -> Self:
        self._spools = [Spool.create(path) for path in self.paths]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for spool in self._spools:
            spool.close()
        self._directory.cleanup()

    @property
    def count(self) -> int:
        """How many tasks there are."""
        return sum(spool.count for spool in self._spools)

    async def fill(self, enumeration: Enumeration, *, to_end: bool = False) -> None:
        """Read all sources, and prove the plan; `to_end`: where the proof fails, all that collides is counted.

        Raises:
            CollisionError: Two tasks write one target, or a target is a source.
        """
        self._places = {pipeline.name: pipeline.key_place for pipeline in enumeration.manifest.pipelines}
        async with aclosing(enumeration.planned()) as sources:
            async for source, planned in sources:
                if not self._apart and isinstance(source, SourceObject) and not key_problem(source.key):
                    digest = target_digest(ObjectRef(source.bucket, source.key))
                    self._spools[self._part_of(digest)].add_source(digest)
                for item in planned:
                    self._add(item, enumeration)
                if len(self._problems) >= _MAX_PROBLEMS and not to_end:
                    break
        for spool in self._spools:
            self._write(spool, enumeration)
            self._find_targets_that_are_sources(spool)
        if self._problems:
            if (collide := self._collides.total()) > len(self._problems) and to_end:
                self._problems.append(Problem(f"in all, {collide:,} tasks collide"))
            raise CollisionError(self._problems, self._collides)

    async def keep(self, wanted: Callable[[Planned], bool]) -> None:
        """Leave out what is proven, and not wanted."""
        for spool in self._spools:
            await spool.keep(wanted)

    def written(self) -> None:
        """Let other processes read the spools at `paths`."""
        for spool in self._spools:
            spool.written()

    async def tasks(self) -> AsyncGenerator[Planned, None]:
        """All tasks; those of one process in the order in which they were found."""
        for spool in self._spools:
            async with aclosing(spool.tasks()) as tasks:
                async for planned in tasks:
                    yield planned

    def writer_of(self, target: bytes) -> str | None:
        """The pipeline that writes a target, by its digest; None where none does."""
        return self._spools[self._part_of(target)].writer_of(target)

    def _add(self, item: Planned, enumeration: Enumeration) -> None:
        if isinstance(item, BadTask):
            # It has no target, and collides with nothing: the processes take turns.
            self._bad += 1
            spool = self._spools[self._bad % len(self._spools)]
        else:
            spool = self._spools[self._part_of(item.digest)]
            self._guard(item.task)
        spool.add(item)
        if spool.gathered >= _BATCH:
            self._write(spool, enumeration)

    def _guard(self, task: Task) -> None:
        for entry in self._guarded:
            if task.target.bucket == entry.bucket and task.target.key.startswith(entry.prefix):
                reason = (
                    f"pipeline {task.pipeline!r} makes {task.target} of {task.source}, which lies below a source prefix"
                )
                mend = "choose a target outside the sources, or set `allow: [target-in-source]`"
                self._collide(task, entry.place.problem(reason, mend))

    def _write(self, spool: Spool, enumeration: Enumeration) -> None:
        for task, other in spool.write():
            if (other.source, other.pipeline, other.process) == (task.source, task.pipeline, task.process):
                enumeration.duplicates += 1
            else:
                self._collide(task, self._collision(task, other))

    def _find_targets_that_are_sources(self, spool: Spool) -> None:
        for task in spool.targets_that_are_sources():
            same = task.source == task.target
            what = "is its own source" if same else "is a source of this job, too"
            reason = f"the target {task.target} of pipeline {task.pipeline!r} {what}"
            mend = "choose a target outside the sources: a repeat would process the result"
            self._collide(task, self._places[task.pipeline].problem(reason, mend))

    def _collide(self, task: Task, problem: Problem) -> None:
        self._collides[task.pipeline] += 1
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)

    def _collision(self, task: Task, other: Task) -> Problem:
        reason = (
            f"two tasks write {task.target}: {other.source} by pipeline {other.pipeline!r}, "
            f"and {task.source} by pipeline {task.pipeline!r}"
        )
        mend = "tell them apart in the target's key, with {key}, {ext}, {pipeline} or {hash}"
        return self._places[task.pipeline].problem(reason, mend)
