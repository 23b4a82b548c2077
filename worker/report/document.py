"""The report as one JSON object."""

from collections.abc import Mapping
from dataclasses import asdict

from worker.batch.comparison import Regression
from worker.batch.figures import ErrorClass, Figures, percentiles
from worker.batch.record import Record, stamped
from worker.batch.standing import COUNTS
from worker.report.contents import Comparison, Contents, explained


def document(contents: Contents) -> dict[str, object]:
    """All figures, as `--json` prints them; times are ISO 8601 in UTC, bytes and milliseconds whole numbers or not."""
    run, figures = contents.run, contents.figures
    return {
        "schema": 1,
        "job": contents.job,
        "run": run.run,
        "headline": contents.headline,
        "state": contents.standing.state,
        "exit": contents.ending.exit,
        "cause": contents.ending.cause,
        "mend": contents.ending.mend,
        "started": run.started,
        "last_at": run.last_at,
        "shards": len(run.shards),
        **{name: run.counts[name] for name in COUNTS},
        **_measured(figures),
        "superseded": figures.superseded,
        "errors": [_error(one) for one in figures.classes],
        "pipelines": {
            name: {
                "saved": one.saved,
                "skipped": one.skipped,
                "failed": one.failed,
                "sized": one.sized,
                "source_bytes": one.source_bytes,
                "target_bytes": one.target_bytes,
                "saved_bytes": one.saved_bytes,
            }
            for name, one in sorted(figures.pipelines.items())
        },
        "columns": [
            {
                "at": stamped(begin_ms),
                "saved": column.saved,
                "failed": column.failed,
                "throttled": column.throttled,
                "durations_ms": _rounded(percentiles(column.durations)),
                "limits": None if column.limits is None else asdict(column.limits),
            }
            for begin_ms, column in figures.columns
        ],
        "column_s": figures.columns.width_ms / 1000,
        "slowest": [_line(line) for line in figures.slowest.items],
        "largest": [_line(line) for line in figures.largest.items],
        "events": [{"at": one.at, "event": one.event} for one in contents.events],
        "notes": list(contents.notes),
        "against": None if contents.comparison is None else _comparison(contents.comparison),
    }


def _measured(figures: Figures) -> dict[str, object]:
    return {
        "lines": {str(status): count for status, count in sorted(figures.lines.items())},
        "seconds": round(figures.seconds, 3),
        "per_second": figures.per_second,
        "attempts": figures.attempts,
        "tries": dict(figures.tries.most_common()),
        "throttled": figures.throttled,
        "durations_ms": _rounded(figures.percentiles),
    }


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 1) for name, value in values.items()}


def _error(one: ErrorClass) -> dict[str, object]:
    return {
        "code": one.code,
        "count": one.count,
        "permanent": one.permanent,
        **explained(one.code),
        "example": _line(one.example),
    }


def _line(line: Record) -> dict[str, object]:
    error, target = line.error, line.target
    return {
        "at": line.at,
        "pipeline": line.pipeline,
        "source": {"bucket": line.source.bucket, "key": line.source.key, "size": line.source.size},
        "target": None if target is None else {"bucket": target.bucket, "key": target.key, "size": target.size},
        "duration_ms": line.duration_ms,
        "attempts": line.attempts,
        "request_id": line.request_id,
        "error": None if error is None else {"code": error.code, "http": error.http, "message": error.message},
    }


def _comparison(found: Comparison) -> dict[str, object]:
    return {
        "run": found.run,
        "regressions": [_regression(one) for one in found.regressions],
        "lost": found.lost.count,
        "lost_targets": [
            {"bucket": line.target.bucket, "key": line.target.key} for line in found.lost.lines if line.target
        ],
        "before": _measured(found.figures) | {"errors": {one.code: one.count for one in found.figures.classes}},
        "notes": list(found.notes),
    }


def _regression(one: Regression) -> dict[str, object]:
    return {"kind": one.kind, "name": one.name, "before": one.before, "now": one.now, "what": one.what}
