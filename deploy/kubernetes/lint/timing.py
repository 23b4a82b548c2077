"""Schedules and durations as Kubernetes and the worker read them."""

import re

_DAY_S = 86_400
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": _DAY_S}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])", re.ASCII)  # as the worker's --max-duration
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def seconds(duration: str) -> float:
    """A duration such as `22h`, in seconds.

    Raises:
        ValueError: It is not one.
    """
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration: write a number and s, m, h or d, such as 22h")
    return float(match[1]) * _UNITS_S[match[2]]


def shortest_period_s(cron: str) -> int:
    """The shortest time between two starts of a schedule, in seconds; days that are left out only make it longer.

    Raises:
        ValueError: It is no schedule.
    """
    fields = _NAMED.get(cron.strip(), cron).split()
    try:
        minutes, hours, _, _, _ = fields
        times = [60 * hour + minute for hour in _field(hours, 24) for minute in _field(minutes, 60)]
        gaps = [later - earlier for earlier, later in zip(times, [*times[1:], times[0] + 24 * 60], strict=True)]
    except (ValueError, IndexError):
        raise ValueError(f"{cron!r} is not understood: write five fields, or {', '.join(_NAMED)}") from None
    return 60 * min(gaps)


def _field(text: str, size: int) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"0-{size - 1}" if span in {"*", "?"} else span).partition("-")
        found |= set(range(int(first), int(last or (size - 1 if step else first)) + 1, int(step or 1)))
    if not found <= set(range(size)):
        raise ValueError(text)
    return sorted(found)
