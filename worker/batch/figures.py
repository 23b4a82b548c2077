"""Figures: what the lines of a run add up to, in memory that does not grow with them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.batch.columns import Columns
from worker.batch.extremes import Greatest
from worker.batch.failures import Failures
from worker.batch.histogram import Histogram
from worker.batch.record import ErrorRecord, Record, Status, milliseconds
from worker.oss.codes import throttles

LISTED = 10
MOST_CLASSES = 100
OTHERS = "(others)"
PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(slots=True)
class PipelineFigures:
    """What became of a pipeline's tasks. Bytes are of the `sized` ones: saved, and both sizes are known."""

    saved: int = 0
    skipped: int = 0
    failed: int = 0
    sized: int = 0
    source_bytes: int = 0
    target_bytes: int = 0

    @property
    def saved_bytes(self) -> int:
        """How many bytes less the targets have than their sources; negative where they have more."""
        return self.source_bytes - self.target_bytes


@dataclass(slots=True)
class ErrorClass:
    """The failures with one code; the example is the first of them."""

    code: str
    example: Record
    error: ErrorRecord
    count: int = 0
    permanent: int = 0

    def take(self, line: Record, error: ErrorRecord) -> None:
        """Take in a failure."""
        self.count += 1
        self.permanent += error.permanent
        if line.at < self.example.at:
            self.example, self.error = line, error


@dataclass(slots=True)
class Figures:
    """What the lines of a run add up to. `lines` counts by status; `durations` are in ms, of tasks that were sent.

    `superseded` counts failures that a later process of the run has tried again: they are no part of `lines`.
    """

    lines: Counter[Status] = field(default_factory=Counter)
    superseded: int = 0
    attempts: int = 0
    tries: Counter[str] = field(default_factory=Counter)
    pipelines: dict[str, PipelineFigures] = field(default_factory=dict)
    errors: dict[str, ErrorClass] = field(default_factory=dict)
    durations: Histogram = field(default_factory=Histogram)
    columns: Columns = field(default_factory=Columns)
    slowest: Greatest[Record] = field(default_factory=lambda: Greatest(LISTED))
    largest: Greatest[Record] = field(default_factory=lambda: Greatest(LISTED))
    failures: Failures = field(default_factory=Failures)
    first_ms: float | None = None
    last_ms: float = 0.0

    def take(self, line: Record) -> None:
        """Take in a line of the run, of whatever process, in any order."""
        status, at_ms = line.status, milliseconds(line.at)
        self.lines[status] += 1
        pipeline = self.pipelines.get(line.pipeline)
        if pipeline is None:
            pipeline = self.pipelines[line.pipeline] = PipelineFigures()
        self.columns.at(at_ms).take(line)
        if status is Status.SAVED:
            pipeline.saved += 1
            self._take_sizes(line, pipeline)
        elif status is Status.FAILED:
            pipeline.failed += 1
            self._take_failure(line)
        else:
            pipeline.skipped += 1
        if line.attempts:
            self.attempts += line.attempts
            self.durations.add(line.duration_ms)
            self.slowest.offer(line.duration_ms, line)
        if line.tries:
            self.tries.update(line.tries)
        begun_ms = at_ms - line.duration_ms
        self.first_ms = begun_ms if self.first_ms is None else min(self.first_ms, begun_ms)
        self.last_ms = max(self.last_ms, at_ms)

    @property
    def throttled(self) -> int:
        """How many attempts were too many."""
        return sum(count for code, count in self.tries.items() if throttles(code))

    @property
    def seconds(self) -> float:
        """From the first attempt to the last verdict."""
        return 0.0 if self.first_ms is None else (self.last_ms - self.first_ms) / 1000

    @property
    def per_second(self) -> float | None:
        """Tasks in a second that were saved or have failed; None where there is nothing to divide by."""
        done = self.lines[Status.SAVED] + self.lines[Status.FAILED]
        return done / self.seconds if self.seconds else None

    @property
    def percentiles(self) -> dict[str, float | None]:
        """Of `durations`, by name."""
        return percentiles(self.durations)

    @property
    def classes(self) -> list[ErrorClass]:
        """The error classes, the most frequent first."""
        return sorted(self.errors.values(), key=lambda one: (-one.count, one.code))

    def _take_sizes(self, line: Record, pipeline: PipelineFigures) -> None:
        before, after = line.source.size, line.target.size if line.target else None
        if before is not None and after is not None:
            pipeline.sized += 1
            pipeline.source_bytes += before
            pipeline.target_bytes += after
        if after is not None:
            self.largest.offer(after, line)

    def _take_failure(self, line: Record) -> None:
        error = line.error or ErrorRecord(OTHERS, 0, "", "", permanent=False)
        # What is called an error comes from outside: no service can fill the memory with names.
        code = error.code if error.code in self.errors or len(self.errors) < MOST_CLASSES else OTHERS
        known = self.errors.get(code)
        if known is None:
            known = self.errors[code] = ErrorClass(code, line, error)
        known.take(line, error)
        self.failures.offer(code, line)


def percentiles(durations: Histogram) -> dict[str, float | None]:
    """Those that are told, by their names, and the greatest as `max`."""
    found = {name: durations.percentile(share) for name, share in PERCENTILES.items()}
    return found | {"max": durations.percentile(1.0)}
