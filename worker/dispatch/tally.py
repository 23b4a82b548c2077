"""The tally: what a run has counted so far. What is told as done was counted from durable lines."""

from collections import Counter
from dataclasses import dataclass, field

from worker.batch.record import ErrorRecord, Record, Status


@dataclass(slots=True)
class Tally:
    """Counts of one process. Bytes are those of sources read and targets written by saved tasks."""

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
    def not_attempted(self) -> int:
        """Tasks that were planned and have no outcome."""
        return self.planned - self.already_saved - self.saved - self.skipped - self.failed

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

    def count(self, record: Record) -> None:
        """Take in a durable line."""
        self.lines[record.status] += 1
        self.attempts += record.attempts
        if record.tries:
            self.tries.update(record.tries)
        if record.status is Status.SAVED:
            self.source_bytes += record.source.size or 0
            self.target_bytes += (record.target.size if record.target else None) or 0
        if record.error is not None:
            self.first_error = self.first_error or record.error
