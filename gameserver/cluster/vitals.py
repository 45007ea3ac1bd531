"""How this node fares, as it says with every heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gameserver.metrics import Histogram, Metrics
from gameserver.ports import Clock, Vitals

WINDOW_S = 5.0
"""A figure of the last seconds is one of the last to twice that many."""


class Lately:
    """A quantile of what a histogram has counted lately, without a cost where it counts."""

    def __init__(self, histogram: Histogram, *, now_s: Callable[[], float]) -> None:
        self._histogram = histogram
        self._now_s = now_s
        self._turned_s = now_s()
        self._since = self._before = list(histogram.counts)

    def quantile(self, share: float) -> float:
        """As ``Histogram.quantile``; 0 where nothing was counted. Above the last bound: that."""
        now_s, histogram = self._now_s(), self._histogram
        if now_s - self._turned_s >= WINDOW_S:
            self._turned_s = now_s
            self._since, self._before = self._before, list(histogram.counts)
        lately = Histogram(histogram.bounds)
        lately.counts = [
            now - then for now, then in zip(histogram.counts, self._since, strict=True)
        ]
        lately.count = sum(lately.counts)
        return min(lately.quantile(share), histogram.bounds[-1])


class NodeVitals:
    """Called with every heartbeat. ``events`` and ``age_s``: of what the queue does not have."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        version: str,
        clock: Clock,
        events: Callable[[], int],
        age_s: Callable[[], float],
    ) -> None:
        self._lateness = Lately(metrics.tick_lateness_ms, now_s=asyncio.get_running_loop().time)
        self._version = version
        self._started_ms = int(clock.wall_ms())
        self._events = events
        self._age_s = age_s

    def __call__(self) -> Vitals:
        return Vitals(
            version=self._version,
            started_ms=self._started_ms,
            lateness_p99_ms=self._lateness.quantile(0.99),
            outbox_events=self._events(),
            outbox_age_ms=int(self._age_s() * 1000),
        )
