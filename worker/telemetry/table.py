"""Rows of names and values, as plain text that can be read, copied and searched."""

from collections.abc import Iterable

from worker.escape import escape

_WIDTH = 14
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def table(rows: Iterable[tuple[str, object]]) -> str:
    """One row a line, indented; values are escaped."""
    return "\n".join(
        f"  {name if number == 0 else '':<{_WIDTH}} {escape(line)}"
        for name, value in rows
        for number, line in enumerate(str(value).split("\n"))
    )


def size(count: float) -> str:
    """A number of bytes in a unit that suits it."""
    for unit in _UNITS[:-1]:
        if count < _THOUSAND:
            return f"{count:.3g} {unit}"
        count /= _THOUSAND
    return f"{count:.3g} {_UNITS[-1]}"


def span(hours: float) -> str:
    """A length of time in the unit that suits it."""
    if hours >= 1:
        return f"{hours:.3g} hours"
    minutes = 60 * hours
    return f"{minutes:.3g} minutes" if minutes >= 1 else f"{60 * minutes:.3g} seconds"


def counts(pairs: Iterable[tuple[str, int]]) -> str:
    """Names with their counts, such as `3 filtered, 1 empty`."""
    return ", ".join(f"{count} {name}" for name, count in pairs if count)
