"""A histogram of lengths of time: percentiles in bounded memory, whatever the number of values."""

from bisect import bisect_left
from itertools import accumulate
from math import ceil, exp, floor, log

# A bucket is 2 % wide, so its middle is at most 1 % off any value in it.
_WIDTH = log(1.02)
_LEAST = 0.1


class Histogram:
    """Positive values, counted in buckets that grow with them: some 900 cover a tenth of a millisecond to an hour."""

    __slots__ = ("buckets", "count", "greatest")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.greatest = 0.0

    def add(self, value: float) -> None:
        """Count a value; those below 0.1 are told as 0.1."""
        bucket = floor(log(max(value, _LEAST)) / _WIDTH)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1
        self.greatest = max(self.greatest, value)

    def merge(self, other: "Histogram") -> None:
        """Take in what another has counted."""
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += other.count
        self.greatest = max(self.greatest, other.greatest)

    def percentile(self, share: float) -> float | None:
        """The least value that this share of all does not exceed, to 1 %; None of nothing. The greatest is exact."""
        rank = max(1, ceil(share * self.count))
        if rank >= self.count:
            return self.greatest if self.count else None
        buckets, counts = zip(*sorted(self.buckets.items()), strict=True)
        middle = buckets[bisect_left(list(accumulate(counts)), rank)] + 0.5
        return min(self.greatest, exp(middle * _WIDTH))
