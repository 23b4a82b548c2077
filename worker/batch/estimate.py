"""The estimate of a run: how long it would take at each of the three limits, and which of them binds."""

from dataclasses import dataclass

from worker.batch.limits import Limits

_SECONDS_PER_HOUR = 3600
_BYTES_PER_MB = 1_000_000
# How long a picture takes where the log says nothing about it.
_ASSUMED_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long a run would take.

    `source_bytes` are those of the sources that would be read, without the `unknown_sizes`. `hours` is what each of
    the `limits` alone would take, None where no size is known, and `binds` names the one that takes longest.
    `seconds_per_picture` is the mean of the results log, or assumed.
    """

    posts: int
    source_bytes: int
    unknown_sizes: int
    limits: Limits
    hours: dict[str, float | None]
    binds: str
    seconds_per_picture: float
    seconds_assumed: bool


def estimate(
    posts: int, requests: int, source_bytes: float, sized: int, mean_seconds: float | None, limits: Limits
) -> Estimate:
    """What so many POSTs, of so many requests in all, would take.

    `source_bytes` are those of the `sized` sources; the others count as their mean, as they do in a run.
    """
    seconds = _ASSUMED_SECONDS if mean_seconds is None else mean_seconds
    all_bytes = source_bytes * posts / sized if sized else 0.0
    taken = {
        "requests_per_second": requests / limits.requests_per_second,
        "source_mb_per_second": all_bytes / (limits.source_mb_per_second * _BYTES_PER_MB),
        "concurrency": posts * seconds / limits.concurrency,
    }
    hours: dict[str, float | None] = {limit: _rounded(value / _SECONDS_PER_HOUR) for limit, value in taken.items()}
    if posts and not sized:
        hours["source_mb_per_second"] = None
    return Estimate(
        posts=posts,
        source_bytes=round(source_bytes),
        unknown_sizes=max(0, posts - sized),
        limits=limits,
        hours=hours,
        binds=max(taken, key=lambda limit: taken[limit]),
        seconds_per_picture=_rounded(seconds),
        seconds_assumed=mean_seconds is None,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
