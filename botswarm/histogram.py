"""A histogram of durations that costs little to record, to send and to merge.

Buckets are logarithmic with 32 steps per power of two (as in HdrHistogram), so a percentile is at
most 3.2 % above the true value at any size, and histograms of several processes add up exactly.

    value      0 … 63       each value has a bucket of its own
    value      64 …         bucket = (bits - 6) * 32 + the 6 leading bits
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_LEADING_BITS = 6
_STEPS = 1 << (_LEADING_BITS - 1)
VALUE_MAX = (1 << 40) - 1
"""In µs this is twelve days; larger values count as this one."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram in a few numbers, in milliseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Histogram(msgspec.Struct, kw_only=True):
    """Counts of whole numbers from 0 (here: microseconds)."""

    buckets: dict[int, int] = {}
    count: int = 0
    total: int = 0
    max: int = 0

    def record(self, value: int, times: int = 1) -> None:
        """Count a value that was found so many times; below 0 counts as 0."""
        if value < 0:
            value = 0
        elif value > VALUE_MAX:
            value = VALUE_MAX
        shift = value.bit_length() - _LEADING_BITS
        bucket = value if shift <= 0 else (shift << (_LEADING_BITS - 1)) + (value >> shift)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + times
        self.count += times
        self.total += value * times
        if value > self.max:
            self.max = value

    def merge(self, other: Histogram) -> None:
        """Add the counts of ``other``."""
        _add(self.buckets, other.buckets)
        self.count += other.count
        self.total += other.total
        self.max = max(self.max, other.max)

    def since(self, earlier: Histogram) -> Histogram:
        """What was recorded after ``earlier``, a former copy of this one. ``max`` stays overall."""
        left = {
            bucket: count - earlier.buckets.get(bucket, 0)
            for bucket, count in self.buckets.items()
            if count > earlier.buckets.get(bucket, 0)
        }
        return Histogram(
            buckets=left,
            count=self.count - earlier.count,
            total=self.total - earlier.total,
            max=self.max,
        )

    def copy(self) -> Histogram:
        """An independent copy."""
        return Histogram(
            buckets=dict(self.buckets), count=self.count, total=self.total, max=self.max
        )

    def percentile(self, percent: float) -> int:
        """The smallest recorded bound that ``percent`` (0 to 100) of the values do not exceed;
        0 if nothing was recorded."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_upper_bound(bucket), self.max)
        return self.max

    def summary(self) -> Summary:
        """The figures of a report, for values in microseconds."""

        def ms(percent: float) -> float:
            return round(self.percentile(percent) / 1000, 3)

        return Summary(
            count=self.count,
            mean_ms=round(self.total / self.count / 1000, 3) if self.count else 0.0,
            p50_ms=ms(50),
            p90_ms=ms(90),
            p99_ms=ms(99),
            p999_ms=ms(99.9),
            max_ms=round(self.max / 1000, 3),
        )


def _upper_bound(bucket: int) -> int:
    """The largest value that falls into ``bucket``."""
    if bucket < 2 * _STEPS:
        return bucket
    shift = (bucket >> (_LEADING_BITS - 1)) - 1
    leading = bucket - (shift << (_LEADING_BITS - 1))
    return ((leading + 1) << shift) - 1


def _add(into: dict[int, int], counts: Mapping[int, int]) -> None:
    for bucket, count in counts.items():
        into[bucket] = into.get(bucket, 0) + count
