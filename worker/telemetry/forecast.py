"""The forecast of a run in words."""

from collections.abc import Iterator

from worker.batch.estimate import Estimate
from worker.escape import escape
from worker.summary import Forecast
from worker.telemetry.table import counts, size, span, table

_SHOWN_SAMPLES = 3
_LIMITS = {
    "requests_per_second": ("requests/s", "at {:g} requests a second"),
    "source_mb_per_second": ("bytes/s", "at {:g} MB of sources a second"),
    "concurrency": ("in flight", "with {:g} in flight"),
}
# In this order, where there are any; what else there is are codes of failures.
_COLUMNS = (
    "new",
    "changed_source",
    "changed_recipe",
    "changed",
    "retry",
    "unknown",
    "exists",
    "already_saved",
    "failed_before",
    "bad_row",
)
_EXISTS = {"replace": "exists, replaced", "skip": "exists, kept", "fail": "exists, fails"}


def describe_forecast(forecast: Forecast) -> str:
    """What a run would do: how much, how long, and of which kind."""
    estimate = forecast.estimate
    tasks = f"{forecast.planned:,}"
    if forecast.duplicates:
        tasks += f"; {forecast.duplicates:,} more are duplicates"
    rows: list[tuple[str, object]] = [("endpoint", forecast.endpoint), *_sources(forecast), ("tasks", tasks)]
    top = [f"Plan of {forecast.job}, shard {forecast.shard}", table(rows)]
    if forecast.planned:
        top += ["", *_by_pipeline(forecast), ""]
    unknown = f"; {estimate.unknown_sizes:,} sizes unknown" if estimate.unknown_sizes else ""
    rows = [("would send", f"{_work(estimate)} for {size(estimate.source_bytes)} of sources{unknown}")]
    rows += _hours(estimate) if estimate.posts or estimate.relays else []
    run, sent = forecast.run_requests, {"POST": 0} | forecast.requests
    puts = "LIST, PUT" if estimate.relays else "LIST"
    rows.append(
        ("billed as", f"{run['put']:,} PUT-class requests ({puts}), {run['get']:,} GET-class (POST, HEAD, GET)")
    )
    rows.append(
        ("sent now", ", ".join(f"{count:,} {method}" for method, count in sorted(_now(forecast, sent).items())))
    )
    if forecast.orphans:
        rows.append(
            ("orphans", f"{forecast.orphans:,} saved targets that no task writes any more; nothing deletes them")
        )
    rows += [("nothing", f"{place}: this entry selected nothing") for place in forecast.empty]
    rows += [("note", note) for note in forecast.notes]
    return "\n".join([*top, table(rows), *_samples(forecast)])


def _sources(forecast: Forecast) -> Iterator[tuple[str, object]]:
    yield "sources", f"{forecast.selected:,} of {forecast.listed:,} objects found"
    reasons = []
    for reason, count in sorted(forecast.not_selected.items(), key=lambda pair: -pair[1]):
        words = f"{count:,} {reason.replace('_', ' ')}"
        if reason == "not_an_image":
            shown = forecast.other_extensions
            words += f" ({counts((f'.{name}' if name else 'without extension', many) for name, many in shown.items())})"
        reasons.append(words)
    if reasons:
        yield "not selected", "\n".join(reasons)


def _by_pipeline(forecast: Forecast) -> Iterator[str]:
    """A table with a row for each pipeline and a column for each outcome that there is."""
    met = {outcome for outcomes in forecast.outcomes.values() for outcome in outcomes}
    columns = [name for name in _COLUMNS if name in met] + sorted(met - set(_COLUMNS))
    heads = [_EXISTS[forecast.existing] if name == "exists" else name.replace("_", " ") for name in columns]
    rows = [["pipeline", *heads]]
    for pipeline, outcomes in forecast.outcomes.items():
        rows.append([pipeline, *(f"{outcomes.get(name, 0):,}" for name in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield f"  {escape(first.ljust(widths[0]))}   {'   '.join(cells)}"


def _hours(estimate: Estimate) -> Iterator[tuple[str, object]]:
    for limit, hours in estimate.hours.items():
        name, at = _LIMITS[limit]
        words = at.format(getattr(estimate.limits, limit))
        words += ": unknown, for no size is known" if hours is None else f": {span(hours)}"
        if limit == "concurrency":
            basis = "assumed" if estimate.seconds_assumed else "the mean of the log"
            words += f", {estimate.seconds_per_picture:.3g} s a picture ({basis})"
        yield f"  {name}", words + ("  <- binds" if limit == estimate.binds else "")


def _now(forecast: Forecast, sent: dict[str, int]) -> dict[str, int]:
    """What was sent, with listings apart from other GETs."""
    lists = forecast.requests_by_class["put"]
    return {"LIST": lists, **sent, "GET": sent.get("GET", 0) - lists}


def _samples(forecast: Forecast) -> Iterator[str]:
    if forecast.samples:
        yield "\nSample requests, before signing:"
    for sample in forecast.samples[:_SHOWN_SAMPLES]:
        yield f"  {escape(sample['source'])} -> {escape(sample['target'])}"
        yield f"    {escape(sample['request'])}"
        yield f"    {escape(sample['then'] if 'then' in sample else sample['body'])}"


def _work(estimate: Estimate) -> str:
    posts, relays = f"{estimate.posts:,} POSTs", f"{estimate.relays:,} relays (a GET and a PUT each)"
    if not estimate.relays:
        return posts
    return f"{posts} and {relays}" if estimate.posts else relays
