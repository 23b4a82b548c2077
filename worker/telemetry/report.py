"""What `report` says beside what it writes: the verdict, and where the rest is."""

from collections.abc import Sequence
from pathlib import Path

from worker.batch.comparison import Regression
from worker.escape import escape
from worker.telemetry.table import table


def describe_report(
    run: str, headline: str, mend: str, regressions: Sequence[Regression] | None, written: Sequence[Path]
) -> str:
    """What `report` says; `regressions` are None where there was nothing to compare with."""
    rows: list[tuple[str, object]] = [("run", run), ("to do", mend)]
    if regressions is not None:
        rows += [("got worse" if number == 0 else "", _regression(one)) for number, one in enumerate(regressions)] or [
            ("got worse", "nothing")
        ]
    rows += [("written" if number == 0 else "", path) for number, path in enumerate(written)]
    return f"{escape(headline)}\n{table(rows)}"


def _regression(one: Regression) -> str:
    return f"{one.name + ': ' if one.name else ''}{one.what}: {one.before:.6g} then, {one.now:.6g} now"
