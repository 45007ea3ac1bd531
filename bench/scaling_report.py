"""``latest.json`` → the tables of ``scaling/README.md``. Pure: no clock, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.curves import CURVES
from bench.report import facts_table, remarks, spread, table
from bench.results import Results, Scaled
from bench.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A column of a table, and what a plot shows. ``read`` gives ``None`` where there is none."""

    label: str
    read: Callable[[Sample], float | None]
    digits: int = 1


FIGURES = {
    "us_per_cycle": Figure(
        label="µs of CPU per cycle", read=lambda one: one.us_per_cycle if one.delivered else None
    ),
    "core_share": Figure(label="% of the core", read=lambda one: 100 * one.core_share, digits=0),
    "lateness_p99": Figure(
        label="lateness p99, ms", read=lambda one: one.lateness_ms.p99 if one.delivered else None
    ),
    "latency_p99": Figure(
        label="input→snapshot p99, ms",
        read=lambda one: one.latency_ms.p99 if one.latency_ms else None,
    ),
    "bytes": Figure(
        label="bytes per snapshot",
        read=lambda one: one.snapshot_bytes if one.delivered else None,
        digits=0,
    ),
    "rss_kib": Figure(label="KiB per player", read=lambda one: one.rss_kib_per_player),
    "beside": Figure(
        label="Valkey, µs per cycle", read=lambda one: one.beside_us_per_cycle.get("valkey")
    ),
    "connect_cpu_ms": Figure(
        label="CPU ms to connect", read=lambda one: one.connect_cpu_ms, digits=2
    ),
    "connects_per_s": Figure(label="connects per s", read=lambda one: one.connects_per_s, digits=0),
    "replaced": Figure(
        label="snapshots replaced",
        read=lambda one: one.counters.get("snapshots_replaced"),
        digits=0,
    ),
    "slow_closed": Figure(
        label="closed as slow", read=lambda one: one.counters.get("slow_consumers"), digits=0
    ),
    "rss_mib": Figure(label="MiB of the server", read=lambda one: one.rss_mib or None),
}
_USUAL = ("us_per_cycle", "core_share", "lateness_p99", "latency_p99", "bytes", "rss_kib")
_COLUMNS = {
    "checkpoint": (*_USUAL, "beside"),
    "recording": (*_USUAL, "beside"),
    "tls": (*_USUAL, "connect_cpu_ms"),
    "connects": ("connects_per_s", "connect_cpu_ms", "rss_kib"),
    "slow_readers": ("lateness_p99", "latency_p99", "us_per_cycle", "rss_mib", "replaced",
                     "slow_closed"),
}  # fmt: skip


def values(samples: Sequence[Sample], figure: str) -> list[float]:
    """Of all samples that have one."""
    found = (FIGURES[figure].read(sample) for sample in samples)
    return [value for value in found if value is not None]


def scaling_markdown(results: Results) -> str:
    """All curves, each with its table and its plot, ``<curve>.png`` beside the text."""
    parts = [
        "# How this server scales",
        "Made by `make bench ARGS=--scaling`; what is measured, and how, stands in "
        "[docs/benchmarks.md](../../../docs/benchmarks.md). Figures are medians, with the least "
        "and the most of the repetitions. A cycle is one snapshot delivered and one input taken.",
        facts_table(results.scaling_machine),
    ]
    for name, curve in CURVES.items():
        points = [one for one in results.scaled if one.suite == name]
        if points:
            parts += [f"## {curve.title}", _curve_table(name, points)]
            parts += [curve.note] if curve.note else []
            parts += remarks(sample for point in points for sample in point.samples)
            parts.append(f"![{curve.title}]({name}.png)")
        if why := results.not_scaled.get(name):
            parts.append(f"Not measured ({curve.title}): {' '.join(why.split())[:300]}.")
    return "\n\n".join(parts) + "\n"


def _curve_table(name: str, points: Sequence[Scaled]) -> str:
    shown = [
        key
        for key in _COLUMNS.get(name, _USUAL)
        if any(values(point.samples, key) for point in points)
    ]
    head = [CURVES[name].varied or "", "players", *(FIGURES[key].label for key in shown)]
    rows = [
        (
            ": ".join(filter(None, (point.series, point.setting))),
            str(point.samples[0].players),
            *(spread(values(point.samples, key), digits=FIGURES[key].digits) for key in shown),
        )
        for point in points
    ]
    return table(head, rows)


def plot_data(results: Results) -> list[dict[str, object]]:
    """What ``plots.py``, which knows nothing of this project, draws: a file for each curve, in it a
    panel for each figure shown, in that the lines with ``(setting, median, least, most)``."""
    files: list[dict[str, object]] = []
    for name, curve in CURVES.items():
        points = [one for one in results.scaled if one.suite == name]
        panels = []
        for key in curve.shown:
            lines: dict[str, list[tuple[str, float, float, float]]] = {}
            for point in points:
                if found := values(point.samples, key):
                    lines.setdefault(point.series, []).append(
                        (point.setting, median(found), min(found), max(found))
                    )
            if lines:
                panels.append({"label": FIGURES[key].label, "lines": lines})
        if panels:
            files.append(
                {"name": name, "title": curve.title, "varied": curve.varied, "panels": panels}
            )
    return files
