"""Two runs side by side: pure but for ``rich``'s rendering.

A figure is *worse* if it moved the wrong way by more than its tolerance: a share of what it was,
and at least a floor below which a difference says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from botswarm.report import Report
from gameserver.errors import ConfigError

DIFFERENT = ("url", "seed", "happenings", "ca_file", "pause_s", "record_events")
"""Settings that may differ between runs that are compared."""


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """``share`` of the first run's figure, for times and rates alike."""

    share: float = 0.1


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both runs. ``worse``: beyond tolerance; ``better`` likewise."""

    name: str
    first: float
    second: float
    worse: bool
    better: bool

    @property
    def change(self) -> float | None:
        """As a share of the first; ``None`` where that is 0."""
        return (self.second - self.first) / self.first if self.first else None


class Figure(msgspec.Struct, frozen=True):
    """``floor``: a smaller difference says nothing. ``more_is_worse``: as with times."""

    name: str
    of: Callable[[Report], float]
    floor: float
    more_is_worse: bool = True


FIGURES = (
    Figure("latency p50 ms", lambda report: report.latency.p50_ms, 2.0),
    Figure("latency p90 ms", lambda report: report.latency.p90_ms, 3.0),
    Figure("latency p99 ms", lambda report: report.latency.p99_ms, 5.0),
    Figure("ping p99 ms", lambda report: report.ping.p99_ms, 5.0),
    Figure("connect p99 ms", lambda report: report.connect.p99_ms, 20.0),
    Figure("stalls", lambda report: report.errors.get("stall", 0), 0.0),
    Figure("error rate", lambda report: report.error_rate, 0.0005),
    Figure("given up", lambda report: report.counts.given_up, 0.0),
    Figure("inputs/s", lambda report: report.rates.inputs, 1.0, False),
    Figure("snapshots/s", lambda report: report.rates.snapshots, 1.0, False),
    Figure(
        "bytes in per snapshot",
        lambda report: report.rates.bytes_in / max(1.0, report.rates.snapshots),
        4.0,
    ),
)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """``doubts``: why the two cannot be compared as they are. ``errors``: kinds with their counts
    in each run, where those differ."""

    rows: list[Row]
    errors: dict[str, tuple[int, int]]
    doubts: list[str]

    @property
    def worse(self) -> list[str]:
        return [row.name for row in self.rows if row.worse]


def compare(first: Report, second: Report, tolerance: Tolerance) -> Comparison:
    """``first`` is what ``second`` is held against."""
    rows = [_row(figure, first, second, tolerance) for figure in FIGURES]
    kinds = sorted(first.errors.keys() | second.errors.keys())
    counts = {kind: (first.errors.get(kind, 0), second.errors.get(kind, 0)) for kind in kinds}
    return Comparison(
        rows=rows,
        errors={kind: both for kind, both in counts.items() if both[0] != both[1]},
        doubts=_doubts(first, second),
    )


def _row(figure: Figure, first: Report, second: Report, tolerance: Tolerance) -> Row:
    was, now = figure.of(first), figure.of(second)
    moved = now - was if figure.more_is_worse else was - now
    allowed = max(figure.floor, abs(was) * tolerance.share)
    return Row(
        name=figure.name,
        first=round(was, 4),
        second=round(now, 4),
        worse=moved > allowed,
        better=moved < -allowed,
    )


def _doubts(first: Report, second: Report) -> list[str]:
    found = []
    for name, report in (("first", first), ("second", second)):
        if report.interrupted:
            found.append(f"the {name} run was interrupted")
        if report.saturated:
            found.append(f"the generator of the {name} run was saturated")
        if not report.latency.count:
            found.append(f"the {name} run has no latency")
    if first.scenario != second.scenario:
        found.append(f"scenario: {first.scenario or 'none'} and {second.scenario or 'none'}")
    for name in first.settings.__struct_fields__:
        was, now = getattr(first.settings, name), getattr(second.settings, name)
        if name not in DIFFERENT and was != now:
            found.append(f"{name}: {was} and {now}")
    return found


def read(path: Path) -> Report:
    """What ``--report`` wrote. Raises ``ConfigError``."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: not a report of botswarm ({error})") from error


def render(comparison: Comparison) -> Group:
    """The comparison as a table."""
    table = Table(box=None)
    for column in ("", "first", "second", "change", ""):
        table.add_column(column, justify="right" if column else "left")
    for row in comparison.rows:
        change = "" if row.change is None else f"{row.change:+.1%}"
        verdict = Text("")
        if row.worse or row.better:
            verdict = Text("WORSE", style="red") if row.worse else Text("better", style="green")
        table.add_row(row.name, f"{row.first:g}", f"{row.second:g}", change, verdict)
    parts: list[Any] = [table]
    if comparison.errors:
        errors = Table("error", "first", "second", title="errors that differ", box=None)
        for kind, (was, now) in comparison.errors.items():
            errors.add_row(Text(kind), str(was), str(now))
        parts += [Text(), errors]
    parts += [Text(f"not alike: {doubt}", style="yellow") for doubt in comparison.doubts]
    worse = comparison.worse
    verdict = Text("worse: " + ", ".join(worse), style="red") if worse else Text("not worse")
    return Group(*parts, verdict)
