"""The forecast of a run in words."""

from worker.summary import Forecast
from worker.telemetry.escape import escape
from worker.telemetry.table import counts, size, span, table


def describe_forecast(forecast: Forecast) -> str:
    """What a run would do, by pipeline and outcome."""
    selected = f"{forecast.selected} of {forecast.listed} objects found"
    if left_out := counts(sorted(forecast.not_selected.items())):
        selected += f"; not selected: {left_out}"
    rows: list[tuple[str, object]] = [
        ("endpoint", forecast.endpoint),
        ("sources", selected),
        (
            "tasks",
            f"{forecast.planned}" + (f"; {forecast.duplicates} more are duplicates" if forecast.duplicates else ""),
        ),
    ]
    rows += [
        (f"  {pipeline}", counts((outcome.replace("_", " "), count) for outcome, count in sorted(outcomes.items())))
        for pipeline, outcomes in forecast.outcomes.items()
    ]
    unknown = f"; {forecast.unknown_sizes} sizes unknown" if forecast.unknown_sizes else ""
    rows.append(("would send", f"{forecast.posts} POSTs for {size(forecast.source_bytes)} of sources{unknown}"))
    rows += [
        (f"  at {limit}", span(hours) + ("  (binds)" if limit == forecast.binds and forecast.posts else ""))
        for limit, hours in forecast.hours.items()
    ]
    sent = {"POST": 0} | forecast.requests
    rows.append(("sent now", ", ".join(f"{count} {method}" for method, count in sorted(sent.items()))))
    rows += [("nothing", f"{place}: this entry selected nothing") for place in forecast.empty]
    rows += [("note", note) for note in forecast.notes]
    samples = "\n".join(
        f"  {escape(sample['source'])} -> {escape(sample['target'])}\n"
        f"    {escape(sample['request'])}\n    {escape(sample['body'])}"
        for sample in forecast.samples
    )
    title = f"Plan of {forecast.job}, shard {forecast.shard}"
    return f"{title}\n{table(rows)}" + (f"\nSample requests, before signing:\n{samples}" if samples else "")
