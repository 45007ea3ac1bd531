"""A run second by second: what was counted in each step of time, for plots. Bounded.

The steps are of all processes together, taken from the overviews that the display gets as well, so
that a bot costs nothing more.
"""

from __future__ import annotations

import msgspec

from botswarm.happening import BotStep, Happening, ReadSlowly, name_of
from botswarm.histogram import Histogram
from botswarm.processes import Overview
from botswarm.settings import Settings

POINTS_MAX = 600
STEP_S = 1.0
NEARLY = 0.9
"""Overviews come twice a second, sometimes a little early."""
LAST_S = 0.05
"""A shorter rest at the end has nothing to tell."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A step of time that ended at ``at_s`` after the start and took ``took_s``. Rates are per
    second; times in ms, 0 without a measurement; ``cpu``: of each process, 1.0 is a core;
    ``errors``: how many of each kind came in it."""

    at_s: float
    took_s: float
    phase: str
    connected: int
    playing: int
    joins: float
    inputs: float
    snapshots: float
    bytes_in: float
    bytes_out: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    ping_p99_ms: float
    late_p99_ms: float
    cpu: list[float]
    errors: dict[str, int]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, from ``at_s`` to ``until_s`` after the start."""

    at_s: float
    until_s: float
    label: str


class Timeline:
    """Call it with each overview. ``steady_at_s``: when the steady part began, once it has."""

    def __init__(self, settings: Settings) -> None:
        self.points: list[Point] = []
        self.steady_at_s: float | None = None
        self._step_s = step_s(settings)
        self._last: Overview | None = None

    def __call__(self, overview: Overview) -> None:
        if overview.phase == "steady" and self.steady_at_s is None:
            self.steady_at_s = overview.at_s
        last = self._last
        if last is None:
            self._last = overview
            return
        took_s = overview.at_s - last.at_s
        least_s = LAST_S if overview.phase == "stop" else self._step_s * NEARLY
        if took_s >= least_s:
            self.points.append(point(last, overview))
            self._last = overview

    def marks(self, happenings: list[Happening]) -> list[Mark]:
        """What befell the bots, as planned; none if the load never began."""
        begin = self.steady_at_s
        if begin is None:
            return []
        return [
            Mark(
                at_s=round(begin + step.at_s, 2),
                until_s=round(begin + step.ends_s, 2),
                label=_label(step),
            )
            for step in happenings
            if isinstance(step, BotStep)
        ]


def step_s(settings: Settings) -> float:
    """As fine as ``POINTS_MAX`` allow for the longest that the run can take."""
    longest_s = settings.ramp_s + settings.duration_s + settings.finish_s
    return max(STEP_S, longest_s / POINTS_MAX)


def point(earlier: Overview, later: Overview) -> Point:
    """What came between two overviews."""
    took_s = later.at_s - earlier.at_s
    stats = later.stats
    grown = stats.since(earlier.stats)

    def rate(count: int) -> float:
        return round(count / took_s, 1)

    return Point(
        at_s=round(later.at_s, 2),
        took_s=round(took_s, 2),
        phase=later.phase,
        connected=stats.connected,
        playing=stats.playing,
        joins=rate(grown.joins),
        inputs=rate(grown.inputs),
        snapshots=rate(grown.snapshots),
        bytes_in=rate(grown.bytes_in),
        bytes_out=rate(grown.bytes_out),
        p50_ms=_ms(grown.latency, 50),
        p90_ms=_ms(grown.latency, 90),
        p99_ms=_ms(grown.latency, 99),
        max_ms=_ms(grown.latency, 100),
        ping_p99_ms=_ms(grown.ping, 99),
        late_p99_ms=_ms(grown.late, 99),
        cpu=[
            round((now - then) / took_s, 3)
            for now, then in zip(later.cpu_s, earlier.cpu_s, strict=False)
        ],
        errors=grown.errors,
    )


def _ms(histogram: Histogram, percent: float) -> float:
    return round(histogram.percentile(percent) / 1000, 2) if histogram.count else 0.0


def _label(step: BotStep) -> str:
    share = "" if step.share == 1 else f" {step.share:.0%}"
    if isinstance(step, ReadSlowly):
        return f"{name_of(step)}{share}, {step.for_s:g} s"
    return name_of(step) + share
