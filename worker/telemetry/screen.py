"""The screen: how a run goes, on the last lines of a terminal of any size. What came from outside is escaped."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.text import Text

from worker.escape import escape
from worker.snapshot import FailureCount, PipelineCounts, Snapshot
from worker.telemetry.pace import Pace
from worker.telemetry.table import counts

# Wider lines are harder to read, and a terminal that is made narrower breaks fewer of these.
_WIDEST = 100
_LABEL = 13
_NUMBER = 11
_HEADS = tuple(f"{head:>{max(_NUMBER, len(head) + 2)}}" for head in ("saved", "failed", "skipped", "already saved"))
_SHOWN_ERRORS = 3
_HEADING = "bold"
_QUIET = "dim"


@dataclass(frozen=True, slots=True)
class _Section:
    """Some lines after an empty one; `build` makes do with fewer than are `wanted`, but not with fewer than `least`."""

    wanted: int
    least: int
    build: Callable[[int], list[Text]]


def screen(now: Snapshot, pace: Pace, columns: int, height: int) -> list[Text]:
    """The lines of the screen: fewer than `height`, for the cursor has one, none wider than `columns`."""
    width = min(columns, _WIDEST)
    lines = _facts(now, pace, width)[: max(1, height - 1)]
    pipelines = _Section(1 + len(now.pipelines), 2, lambda room: _pipelines(now, width, room))
    parts = _Section(1 + len(now.parts), 2, lambda room: _parts(now, pace, room))
    met = 2 * min(len(now.failures), _SHOWN_ERRORS + 1) + bool(now.tries)
    errors = _Section(1 + met, min(3, 1 + met), lambda room: _errors(now, room))
    rooms = _rooms([one for one in (errors, pipelines, parts) if one.wanted > 1], height - 1 - len(lines))
    for section in (pipelines, parts, errors):
        if (room := rooms.get(section)) is not None:
            lines += [Text(), *section.build(room)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _rooms(sections: Sequence[_Section], room: int) -> dict[_Section, int]:
    """How many lines each section gets: the first ones before the others, and who wants little all of it."""
    kept: list[_Section] = []
    for section in sections:
        if 1 + section.least <= room:
            kept.append(section)
            room -= 1 + section.least
    found: dict[_Section, int] = {}
    for number, section in enumerate(sorted(kept, key=lambda one: one.wanted)):
        more = min(section.wanted - section.least, room // (len(kept) - number))
        found[section] = section.least + more
        room -= more
    return found


def _facts(now: Snapshot, pace: Pace, width: int) -> list[Text]:
    flow = now.flow
    limits, most, event = flow.limits, flow.most, flow.event
    changed = f"{event.at[11:19]} {event.event}" if event else "none"
    return [
        _bar(now, width),
        _fact("progress", _progress(now, pace)),
        _fact("requests", f"{pace.requests_per_s:.1f}/s", limits.requests_per_second, most.requests_per_second),
        _fact("sources", f"{pace.source_mb_per_s:.1f} MB/s", limits.source_mb_per_second, most.source_mb_per_second),
        _fact("in flight", f"{flow.in_flight}", limits.concurrency, most.concurrency),
        _fact("last change", changed, style="yellow" if flow.paused else ""),
    ]


def _fact(label: str, text: str, limit: float | None = None, most: float | None = None, style: str = "") -> Text:
    """A row; what has a limit says what that is now, and what it may be where that is more."""
    if limit is not None and most:
        text = f"{text:<10} of {_number(limit)}" + (f" now, {_number(most)} at most" if limit < most else "")
    return Text.assemble((f"{label:<{_LABEL}}", _QUIET), (escape(text), style))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _bar(now: Snapshot, width: int) -> Text:
    filled = int(width * now.done / now.total) if now.total else 0
    return Text.assemble(("━" * filled, "green"), ("─" * (width - filled), _QUIET))


def _progress(now: Snapshot, pace: Pace) -> str:
    whole = f"{now.planned:,} so far" if now.total is None else f"{now.total:,}"
    share = f" ({100 * now.done // now.total} %)" if now.total else ""
    left = "" if (left_s := pace.left_s) is None else f", {_clock(left_s)} left"
    return f"{now.done:,} of {whole}{share}{left}, {pace.tasks_per_s:.1f}/s, {_clock(now.elapsed_s)} gone"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))


def _pipelines(now: Snapshot, width: int, room: int) -> list[Text]:
    """Each pipeline, or those with most failures and the sum of the others; in the order of the manifest."""
    name_width = max(_LABEL, width - sum(map(len, _HEADS)))
    found = list(now.pipelines.items())
    rows = [_pipeline(name, one, name_width) for name, one in found]

    def others(hidden: Sequence[int]) -> Text:
        total = PipelineCounts()
        for number in hidden:
            total.add(found[number][1])
        return _pipeline(f"and {len(hidden)} more", total, name_width)

    heading = Text(f"{'pipeline':<{name_width}}{''.join(_HEADS)}", _HEADING)
    return [heading, *_fitting(rows, room - 1, lambda number: found[number][1].failed, others)]


def _pipeline(name: str, found: PipelineCounts, width: int) -> Text:
    label = Text(escape(name))
    label.truncate(width, overflow="ellipsis", pad=True)
    counted = (found.saved, found.failed, found.skipped, found.already_saved)
    saved, failed, *others = (f"{count:>{len(head)},}" for count, head in zip(counted, _HEADS, strict=True))
    return Text.assemble(label, saved, (failed, "red" if found.failed else ""), *others)


def _parts(now: Snapshot, pace: Pace, room: int) -> list[Text]:
    """Each process, or the first ones."""
    rows = [
        Text(
            f"{number:<8}{part.done:>10,}{pace.part_per_s(number):>8.1f}/s{part.flow.in_flight:>5}"
            f" of {part.flow.limits.concurrency:<5}" + escape(part.flow.event.event if part.flow.event else "")
        )
        for number, part in enumerate(now.parts)
    ]
    heading = "process       done      rate   in flight  last change"
    more = _fitting(rows, room - 1, lambda number: -number, lambda hidden: Text(f"and {len(hidden)} more"))
    return [Text(heading, _HEADING), *more]


def _fitting(
    rows: Sequence[Text], room: int, weight: Callable[[int], int], others: Callable[[Sequence[int]], Text]
) -> Iterable[Text]:
    """All rows where there is room, or the weightiest in their order and a last one for the others."""
    if len(rows) <= room:
        return rows
    shown = sorted(sorted(range(len(rows)), key=lambda number: (-weight(number), number))[: room - 1])
    return [*(rows[number] for number in shown), others([number for number in range(len(rows)) if number not in shown])]


def _errors(now: Snapshot, room: int) -> list[Text]:
    """The most frequent errors, each with an example; and what became of attempts, whatever became of their tasks."""
    lines = [Text(f"{'failed':>{_NUMBER}} error, and one of its tasks", _HEADING)]
    tried = Text(f"{'attempts':>{_NUMBER}} {escape(counts(_most(now)))}", _QUIET) if now.tries else None
    room -= 1 + (tried is not None)
    shown = min(len(now.failures), room // 2, _SHOWN_ERRORS)
    for code, found in now.failures[:shown]:
        lines += _error(code, found)
    if now.failures and not shown:
        lines += _error(*now.failures[0])[:room]
    elif len(now.failures) > shown and room > 2 * shown:
        hidden = now.failures[shown:]
        lines.append(Text(f"{sum(one.count for _, one in hidden):>{_NUMBER},} with {len(hidden)} other errors"))
    return [*lines, *([tried] if tried else [])]


def _most(now: Snapshot) -> list[tuple[str, int]]:
    return sorted(now.tries.items(), key=lambda one: -one[1])


def _error(code: str, found: FailureCount) -> list[Text]:
    example = found.example
    request = f", request {example.request_id}" if example.request_id else ""
    message = f": {example.error.message}" if example.error else ""
    return [
        Text.assemble((f"{found.count:>{_NUMBER},} {escape(code)}", "red"), escape(f" in {example.pipeline}{request}")),
        Text(" " * (_NUMBER + 1) + escape(f"{example.source.bucket}/{example.source.key}{message}")),
    ]
