"""Limits: how many requests and bytes in a second, and how many tasks in flight, are allowed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a run, or the share of one process in them. `source_mb_per_second` counts 1,000,000 bytes."""

    requests_per_second: float = 0.0
    source_mb_per_second: float = 0.0
    concurrency: int = 0

    def __add__(self, other: "Limits") -> "Limits":
        """Those of two processes together."""
        return Limits(
            self.requests_per_second + other.requests_per_second,
            self.source_mb_per_second + other.source_mb_per_second,
            self.concurrency + other.concurrency,
        )

    def narrowest(self, other: "Limits") -> "Limits":
        """The smaller one of each."""
        return Limits(
            min(self.requests_per_second, other.requests_per_second),
            min(self.source_mb_per_second, other.source_mb_per_second),
            min(self.concurrency, other.concurrency),
        )
