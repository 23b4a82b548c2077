"""Charts of a run over time, as SVG that is markup and nothing else: its colours are those of the page."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import leather
from markupsafe import Markup

from worker.batch.columns import Column, Columns
from worker.batch.figures import PERCENTILES
from worker.batch.limits import Limits

_WIDTH, _HEIGHT = 720, 240
_TICKS = 5
_DAY_MS = 86_400_000
Point = tuple[datetime, float | None]


def rate_chart(columns: Columns) -> Markup:
    """Tasks in a second that were saved and that failed."""
    seconds = columns.width_ms / 1000
    return _chart(
        columns,
        [
            ("saved", "var(--good)", lambda column: column.saved / seconds),
            ("failed", "var(--bad)", lambda column: column.failed / seconds),
        ],
    )


def duration_chart(columns: Columns) -> Markup:
    """Percentiles of how long tasks took, in milliseconds."""
    colors = {"p50": "var(--good)", "p95": "var(--accent)", "p99": "var(--bad)"}

    def of(name: str) -> Callable[[Column], float | None]:
        return lambda column: column.durations.percentile(PERCENTILES[name])

    return _chart(columns, [(name, color, of(name)) for name, color in colors.items()])


def throttling_chart(columns: Columns) -> Markup:
    """Attempts in a second that the service declined because there were too many; nothing where there were none."""
    if not any(column.throttled for _, column in columns):
        return Markup()
    seconds = columns.width_ms / 1000
    return _chart(columns, [("throttled", "var(--accent)", lambda column: column.throttled / seconds)])


def requests_limit_chart(columns: Columns) -> Markup:
    """How many requests in a second were allowed; nothing where no summary tells."""
    return _limit_chart(columns, lambda limits: limits.requests_per_second)


def in_flight_limit_chart(columns: Columns) -> Markup:
    """How many tasks were allowed in flight; nothing where no summary tells."""
    return _limit_chart(columns, lambda limits: limits.concurrency)


def _limit_chart(columns: Columns, of: Callable[[Limits], float]) -> Markup:
    def value(column: Column) -> float | None:
        return None if column.limits is None else of(column.limits)

    return _chart(columns, [("allowed", "var(--accent)", value)])


def _chart(columns: Columns, series: Sequence[tuple[str, str, Callable[[Column], float | None]]]) -> Markup:
    """Lines over time; nothing where there are no values."""
    lines: list[tuple[str, str, list[Point]]] = []
    for name, color, value in series:
        points: list[Point] = [(_time(begin_ms), value(column)) for begin_ms, column in columns]
        if any(height is not None for _, height in points):
            # The last column has a width, too; a run within one column is a line all the same.
            points.append((_time(columns.end_ms), points[-1][1]))
            lines.append((name, color, points))
    if not lines:
        return Markup()
    chart = leather.Chart()
    for name, color, points in lines:
        chart.add_line(points, name=name, stroke_color=color)
    begin_ms, end_ms = next(iter(columns))[0], columns.end_ms
    ticks = [_time(begin_ms + (end_ms - begin_ms) * number / (_TICKS - 1)) for number in range(_TICKS)]
    form = "%d %b %H:%M" if end_ms - begin_ms > _DAY_MS else "%H:%M:%S"
    chart.add_x_axis(ticks=ticks, tick_formatter=lambda tick, *_: tick.strftime(form))
    chart.add_y_axis(tick_formatter=lambda tick, *_: f"{tick:,.10g}")
    most = max(height or 0.0 for _, _, points in lines for _, height in points)
    chart.add_y_scale(0, most * 1.05 or 1)
    svg = chart.to_svg(width=_WIDTH, height=_HEIGHT)
    # Nothing in it comes from outside. With a size of its own it would not shrink to the page's width.
    return Markup(svg.replace(f'width="{_WIDTH}" height="{_HEIGHT}"', f'viewBox="0 0 {_WIDTH} {_HEIGHT}"', 1))  # noqa: S704 - see above


def _time(at_ms: float) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)  # leather knows naive ones only
