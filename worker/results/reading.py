"""Reading the results log of a job from a directory: all segments of all runs, in order."""

from collections.abc import Callable, Iterator
from pathlib import Path

from worker.batch.record import Record, SchemaError, decode
from worker.errors import Problem, ResultsError, UsageError


def read_records(job_directory: Path, warn: Callable[[str], None]) -> Iterator[Record]:
    """Every record of a job, in the order of run, segment and line. A job without a log has none.

    What follows the last valid line of a segment is the end of a write that was cut off: left out, with a warning.

    Raises:
        ResultsError: A segment cannot be read, or a bad line stands before a valid one.
        UsageError: A line was written by a later version of this program.
    """
    for segment in _segments(job_directory):
        try:
            yield from _read_segment(segment, warn)
        except OSError as error:
            message = f"results cannot be read: {segment}: {error.strerror or error}"
            raise ResultsError(message) from error


def _segments(job_directory: Path) -> list[Path]:
    # The checkpoint stands beside the runs, and is no segment.
    found = (path for path in job_directory.glob("*/*.jsonl") if path.parent.name != "checkpoint")
    return sorted(found, key=lambda path: (path.parent.name, _segment_order(path)))


def _segment_order(path: Path) -> tuple[str, int]:
    stem, _, seq = path.name.removesuffix(".jsonl").rpartition(".")
    return (stem, int(seq)) if seq.isascii() and seq.isdigit() else (path.name, 0)


def _read_segment(segment: Path, warn: Callable[[str], None]) -> Iterator[Record]:
    bad_line, bad_reason = 0, ""
    with segment.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = _read_line(line)
            except SchemaError as error:
                problem = Problem(
                    str(error), "read it with the version that wrote it, or later", str(segment), number, 1
                )
                raise UsageError(problem) from error
            except ValueError as error:
                if not bad_line:
                    bad_line, bad_reason = number, str(error)
                continue
            if bad_line:
                message = (
                    f"{segment}:{bad_line}: error: not a line of a results log: {bad_reason}\n"
                    f"    mend: take the line out of the file; its targets are then done again"
                )
                raise ResultsError(message)
            yield record
    if bad_line:
        warn(f"{segment}:{bad_line}: the end of this segment was cut off; what follows is left out ({bad_reason})")


def _read_line(line: bytes) -> Record:
    if not line.endswith(b"\n"):
        message = "the line has no end"
        raise ValueError(message)
    return decode(line)
