"""When the generator itself is the bottleneck: pure.

A process that is short of time sends late, leaves out inputs, and reads answers late, which looks
like a slow server. Each process is judged by itself, because the others' figures would hide it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from botswarm.stats import Stats

CPU_MAX = 0.9
LAG_P99_MS_MAX = 10.0
LATE_P99_MS_MAX = 10.0
MISSED_MAX = 0.01


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One process over a while. ``cpu``: 1.0 is a core. ``lag_p99_ms``: of its event loop's
    wake-ups. ``late_p99_ms``: of what it was to send. ``missed``: share of the inputs left out."""

    cpu: float
    lag_p99_ms: float
    late_p99_ms: float
    missed: float


def load_of(stats: Stats, *, cpu: float) -> Load:
    """``stats``: what was counted in the while, as of ``Stats.since``."""
    return Load(
        cpu=cpu,
        lag_p99_ms=stats.lag.percentile(99) / 1000,
        late_p99_ms=stats.late.percentile(99) / 1000,
        missed=stats.inputs_missed / max(1, stats.inputs_missed + stats.late.count),
    )


def reasons(loads: Sequence[Load]) -> list[str]:
    """Why the generator is saturated, by its worst process; empty if it is not."""
    found = []
    cpu = max((load.cpu for load in loads), default=0.0)
    late_ms = max((load.late_p99_ms for load in loads), default=0.0)
    missed = max((load.missed for load in loads), default=0.0)
    lag_ms = max((load.lag_p99_ms for load in loads), default=0.0)
    if cpu >= CPU_MAX:
        found.append(f"a process used {cpu:.0%} of a core")
    if late_ms > LATE_P99_MS_MAX:
        found.append(f"it sent {late_ms:.0f} ms late (p99)")
    if missed > MISSED_MAX:
        found.append(f"it left out {missed:.0%} of its inputs")
    if lag_ms > LAG_P99_MS_MAX:
        found.append(f"its event loop woke up {lag_ms:.0f} ms late (p99)")
    return found
