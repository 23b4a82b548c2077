"""The tally: what a run has counted so far. What is told as done was counted from durable lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from worker.batch.columns import Columns
from worker.batch.figures import OTHERS
from worker.batch.record import ErrorRecord, Record, Status
from worker.snapshot import FailureCount, PipelineCounts

# What is called an error comes from outside: no service can fill the memory with names.
_MOST_CODES = 100


@dataclass(slots=True)
class Tally:
    """Counts of one process. Bytes are those of sources read and targets written by saved tasks.

    `pipelines` and `failures`, by code, have what was met so far; `columns` are of the lines over time.
    """

    planned: int = 0
    already_saved: int = 0
    failed_before: int = 0
    repeated_bad_rows: int = 0
    lines: Counter[Status] = field(default_factory=Counter)
    attempts: int = 0
    tries: Counter[str] = field(default_factory=Counter)
    source_bytes: int = 0
    target_bytes: int = 0
    first_error: ErrorRecord | None = None
    pipelines: dict[str, PipelineCounts] = field(default_factory=dict)
    failures: dict[str, FailureCount] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns, compare=False)

    @property
    def saved(self) -> int:
        """Targets saved by this run."""
        return self.lines[Status.SAVED]

    @property
    def skipped(self) -> int:
        """Targets that were there and are none of this job's."""
        return self.lines[Status.SKIPPED]

    @property
    def failed(self) -> int:
        """Tasks that failed, in this run or for good in an earlier one."""
        return self.lines[Status.FAILED] + self.failed_before + self.repeated_bad_rows

    @property
    def done(self) -> int:
        """Tasks with an outcome."""
        return self.already_saved + self.saved + self.skipped + self.failed

    @property
    def not_attempted(self) -> int:
        """Tasks that were planned and have no outcome."""
        return self.planned - self.done

    @property
    def most_failures(self) -> Sequence[tuple[str, FailureCount]]:
        """The codes with which tasks have failed, the most frequent first."""
        return sorted(self.failures.items(), key=lambda one: (-one[1].count, one[0]))

    @property
    def counts(self) -> "Tally":
        """All but the columns, which are large."""
        return replace(self, columns=Columns())

    def of(self, pipeline: str) -> PipelineCounts:
        """The counts of a pipeline."""
        found = self.pipelines.get(pipeline)
        if found is None:
            found = self.pipelines[pipeline] = PipelineCounts()
        return found

    def add(self, other: "Tally") -> None:
        """Take in the counts of another process of the run."""
        self.planned += other.planned
        self.already_saved += other.already_saved
        self.failed_before += other.failed_before
        self.repeated_bad_rows += other.repeated_bad_rows
        self.lines.update(other.lines)
        self.attempts += other.attempts
        self.tries.update(other.tries)
        self.source_bytes += other.source_bytes
        self.target_bytes += other.target_bytes
        self.first_error = self.first_error or other.first_error
        for name, counts in other.pipelines.items():
            self.of(name).add(counts)
        for code, failures in other.failures.items():
            self._fail(code, failures.example, failures.count)
        self.columns.add(other.columns)

    def pass_over(self, pipeline: str, *, saved: bool) -> None:
        """A task was saved, or has failed for good, before this run."""
        if saved:
            self.already_saved += 1
            self.of(pipeline).already_saved += 1
        else:
            self.failed_before += 1
            self.of(pipeline).failed += 1

    def repeat_bad_row(self, pipeline: str) -> None:
        """A row is as bad as it was before this run."""
        self.repeated_bad_rows += 1
        self.of(pipeline).failed += 1

    def count(self, record: Record) -> None:
        """Take in a durable line."""
        status, pipeline = record.status, self.of(record.pipeline)
        self.lines[status] += 1
        self.attempts += record.attempts
        self.columns.take(record)
        if record.tries:
            self.tries.update(record.tries)
        if status is Status.SAVED:
            pipeline.saved += 1
            self.source_bytes += record.source.size or 0
            self.target_bytes += (record.target.size if record.target else None) or 0
        elif status is Status.SKIPPED:
            pipeline.skipped += 1
        elif status is Status.FAILED:
            pipeline.failed += 1
        if record.error is not None:
            self.first_error = self.first_error or record.error
            self._fail(record.error.code, record, 1)

    def _fail(self, code: str, example: Record, count: int) -> None:
        if code not in self.failures and len(self.failures) >= _MOST_CODES:
            code = OTHERS
        found = self.failures.get(code)
        if found is None:
            found = self.failures[code] = FailureCount(example)
        found.count += count
