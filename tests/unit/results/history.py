"""Histories of a job: lines in segments, and what they say by the rule alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes import error, numbered, record
from tests.unit.results.objects import Objects
from worker.batch.ledger import Ledger
from worker.batch.record import Record, Status, encode
from worker.batch.segment import in_order
from worker.batch.task import Shard, Task, target_digest

PLACE = "logs/copies/"
TARGETS = 4
TASKS = [[replace(numbered(target), etag=etag) for etag in ("A", "B")] for target in range(TARGETS)]
SEGMENTS = [f"run-{run}/0-of-1.{proc}.{seq}.jsonl" for run in "123" for proc in "ab" for seq in (0, 9, 10)]


@dataclass(frozen=True)
class Line:
    """What the ledger looks at."""

    target: int
    recipe: int
    status: Status
    at_s: int
    permanent: bool
    touched: bool

    @property
    def record(self) -> Record:
        failed = self.status is Status.FAILED
        changes = {"error": error(permanent=self.permanent), "touched": self.touched} if failed else {}
        return record(TASKS[self.target][self.recipe], self.status, self.at_s, **changes)

    @property
    def counts(self) -> bool:
        return self.status is not Status.SKIPPED and (self.status is not Status.FAILED or self.touched)


def lines(times: st.SearchStrategy[int]) -> st.SearchStrategy[Line]:
    return st.builds(
        Line,
        st.integers(0, TARGETS - 1),
        st.integers(0, 1),
        st.sampled_from(Status),
        times,
        st.booleans(),
        st.booleans(),
    )


@dataclass
class History:
    """A job's log in a bucket, and all lines that were ever written to it."""

    objects: Objects = field(default_factory=Objects)
    written: dict[str, list[Line]] = field(default_factory=dict)

    def write(self, segment: str, written: Sequence[Line]) -> None:
        """Append to a segment, as a process does on a disk."""
        content = b"".join(encode(line.record) for line in written)
        self.objects.contents[PLACE + segment] = self.objects.contents.get(PLACE + segment, b"") + content
        self.written.setdefault(segment, []).extend(written)

    def check(self, ledger: Ledger, shard: Shard) -> None:
        """Compare a ledger with the rule."""
        in_turn = [line for name in sorted(self.written, key=in_order) for line in self.written[name]]
        ordered = sorted(in_turn, key=lambda line: line.at_s)  # stable
        known = 0
        for number, tasks in enumerate(TASKS):
            digest = target_digest(tasks[0].target)
            mine = [line for line in ordered if line.target == number] if shard.holds(digest) else []
            counting = [line for line in mine if line.counts]
            known += bool(mine)
            assert ledger.knows(digest) is bool(counting)
            for recipe, task in enumerate(tasks):
                done = bool(counting) and (counting[-1].status, counting[-1].recipe) == (Status.SAVED, recipe)
                assert ledger.is_done(digest, identity(task)) is done, (number, recipe)
                last = mine[-1] if mine else None
                final = last is not None and last.status is Status.FAILED and last.permanent and last.recipe == recipe
                assert ledger.failed_for_good(digest, identity(task)) is final, (number, recipe)
        assert len(ledger) == known


def identity(task: Task) -> bytes:
    return task.id(task.etag or "")
