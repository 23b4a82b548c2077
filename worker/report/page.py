"""The report as a page: one file that asks nobody for anything."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from html import escape as escape_html
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from worker.batch.figures import percentiles
from worker.batch.record import Record, stamped
from worker.escape import escape
from worker.report.charts import (
    duration_chart,
    in_flight_limit_chart,
    rate_chart,
    requests_limit_chart,
    throttling_chart,
)
from worker.report.contents import Contents, explained
from worker.report.pictures import Pair, Picture

_FILES = resources.files("worker.report") / "templates"
_MOST_TEXT = 300
_CODE = re.compile("`([^`]+)`")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ROWS_BYTES = 900_000


def page(contents: Contents, pairs: Sequence[Pair], unseen: str = "") -> str:
    """The page. What came from outside is text on it, whatever it holds. `unseen`: why no pictures were to be had."""
    style, script = _read("page.css"), _read("page.js")
    figures = contents.figures
    rows = list(_fitting(figures.failures.lines))
    return (
        _environment()
        .get_template("page.html")
        .render(
            contents=contents,
            run=contents.run,
            counts=contents.run.counts,
            figures=figures,
            charts=_charts(contents),
            columns=[(stamped(begin_ms), one, percentiles(one.durations)) for begin_ms, one in figures.columns],
            failures=rows,
            failed=sum(one.count for one in figures.classes),
            pairs=pairs,
            unseen=unseen,
            explained=explained,
            # No markup of ours: an element's whole text is what a policy names by its digest.
            style=Markup(style),  # noqa: S704 - files of ours
            script=Markup(script),  # noqa: S704 - files of ours
            policy=(
                f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
                "base-uri 'none'; form-action 'none'"
            ),
        )
    )


def _charts(contents: Contents) -> list[tuple[str, str, Markup]]:
    columns = contents.figures.columns
    return [
        ("Tasks in a second", "Tasks saved and failed in a second, over time.", rate_chart(columns)),
        (
            "Milliseconds of a task",
            "Percentiles of how long tasks took in milliseconds, over time.",
            duration_chart(columns),
        ),
        (
            "Throttled attempts in a second",
            "Attempts in a second that the service declined because there were too many, over time.",
            throttling_chart(columns),
        ),
        (
            "Requests in a second, at most",
            "The limit of requests in a second that was in force, over time.",
            requests_limit_chart(columns),
        ),
        (
            "Tasks in flight, at most",
            "The limit of tasks in flight that was in force, over time.",
            in_flight_limit_chart(columns),
        ),
    ]


def _environment() -> Environment:
    found = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "short": _short,
        "number": _number,
        "rate": _rate,
        "data": _data,
        "object": _object,
        "words": _words,
        "time": _time,
    }
    return found


def _visible(value: object) -> object:
    """What a page shows of a value: all of it, in sight. That it is no markup Jinja sees to."""
    return value if isinstance(value, Markup) else escape(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def _words(text: str) -> Markup:
    """A sentence of ours, in which what stands between backticks is code. What it quotes is escaped like all else."""
    return Markup(_CODE.sub(r"<code>\1</code>", escape_html(escape(text))))  # noqa: S704 - escaped in this line


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"  # noqa: RUF001 - a dash where there is no number


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"  # noqa: RUF001 - likewise


def _time(at: str) -> str:
    """A moment as people write it, to the second; whatever is none stays as it is."""
    return f"{at[:10]} {at[11:19]}" if _MOMENT.fullmatch(at) else at


def _object(named: object) -> str:
    """An object's name as people write it."""
    return f"{getattr(named, 'bucket', '')}/{getattr(named, 'key', '')}" if named is not None else "–"  # noqa: RUF001 - a dash is meant


def _data(picture: Picture) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture.content).decode()}"


def _fitting(lines: Sequence[Record]) -> Iterator[Record]:
    """As many lines as a page holds that is opened on a phone."""
    left = _ROWS_BYTES
    for line in lines:
        texts = (_object(line.source), _object(line.target), _short(line.error.message if line.error else ""))
        left -= 300 + sum(len(escape_html(escape(text)).encode()) for text in texts)
        if left < 0:
            return
        yield line


def _read(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
