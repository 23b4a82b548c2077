"""The estimate of a run: how long it would take at each of the three limits, and which of them binds."""

from dataclasses import dataclass

from worker.batch.limits import Limits

_SECONDS_PER_HOUR = 3600
_BYTES_PER_MB = 1_000_000
# How long a picture takes where the log says nothing about it.
_ASSUMED_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long a run would take: so many `posts`, and so many `relays`, each of them a GET and a PUT.

    `source_bytes` are those of the sources that would be read, without the `unknown_sizes`. `hours` is what each of
    the `limits` alone would take, None where no size is known, and `binds` names the one that takes longest.
    `seconds_per_picture` is the mean of the results log, or assumed.
    """

    posts: int
    relays: int
    source_bytes: int
    unknown_sizes: int
    limits: Limits
    hours: dict[str, float | None]
    binds: str
    seconds_per_picture: float
    seconds_assumed: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What a run would send, of so many requests in all; `source_bytes` are those of the `sized` sources."""

    posts: int
    relays: int
    requests: int
    source_bytes: float
    sized: int


def estimate(work: Work, mean_seconds: float | None, limits: Limits) -> Estimate:
    """What it would take; sources of unknown size count as the mean of the others, as they do in a run."""
    seconds = _ASSUMED_SECONDS if mean_seconds is None else mean_seconds
    tasks = work.posts + work.relays
    all_bytes = work.source_bytes * tasks / work.sized if work.sized else 0.0
    taken = {
        "requests_per_second": work.requests / limits.requests_per_second,
        "source_mb_per_second": all_bytes / (limits.source_mb_per_second * _BYTES_PER_MB),
        "concurrency": tasks * seconds / limits.concurrency,
    }
    hours: dict[str, float | None] = {limit: _rounded(value / _SECONDS_PER_HOUR) for limit, value in taken.items()}
    if tasks and not work.sized:
        hours["source_mb_per_second"] = None
    return Estimate(
        posts=work.posts,
        relays=work.relays,
        source_bytes=round(work.source_bytes),
        unknown_sizes=max(0, tasks - work.sized),
        limits=limits,
        hours=hours,
        binds=max(taken, key=lambda limit: taken[limit]),
        seconds_per_picture=_rounded(seconds),
        seconds_assumed=mean_seconds is None,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
