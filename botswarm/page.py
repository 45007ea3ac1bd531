"""A report as one page of HTML that needs nothing else: pure, but for the style sheet it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import msgspec

from botswarm import charts
from botswarm.charts import Axis, Series
from botswarm.histogram import Summary
from botswarm.report import Report
from botswarm.timeline import Point

KINDS_MAX = 12
"""Kinds of errors with a row of their own; the rest shares one."""
STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def render(report: Report) -> str:
    """The page."""
    title = report.scenario.replace("_", " ") or f"{report.settings.game} under load"
    axis = Axis(
        ends=[point.at_s for point in report.timeline],
        marks=report.marks,
        steady_at=_steady_at(report.timeline),
    )
    body = [
        _header(title, report),
        _tiles(report),
        f'<div class="plots">{_plots(report, axis)}</div>',
        f'<div class="plots">{_errors(report.timeline, axis)}</div>' if report.errors else "",
        _durations(report),
        f'<div class="tables">{_tables(report)}</div>',
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: {verdict_of(report)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def verdict_of(report: Report) -> str:
    """``passed``, ``failed`` or ``invalid``."""
    return "passed" if report.passed else "failed" if report.valid else "invalid"


def _header(title: str, report: Report) -> str:
    settings = report.settings
    verdict = verdict_of(report)
    style = {"passed": "good", "failed": "bad", "invalid": "warn"}[verdict]
    mode = f" ({settings.mode})" if settings.mode else ""
    about = [f"{settings.bots} {settings.brain} bots", f"{settings.game}{mode}"]
    about += [
        f"{report.steady_s:.0f} s steady",
        report.started.replace("T", " ").replace("+00:00", " UTC"),
    ]
    notes = [report.bottleneck] if report.bottleneck else []
    notes += ["interrupted: this is a part of the run"] if report.interrupted else []
    return (
        f'<header><h1>{escape(title)}</h1><span class="badge {style}">{verdict}</span>'
        f'<p class="sub">{escape(" · ".join(part for part in about if part))}</p></header>'
        + "".join(f'<p class="banner">{escape(note)}</p>' for note in notes)
    )


def _tiles(report: Report) -> str:
    shown = {
        "input to snapshot, p50": f"{report.latency.p50_ms:.1f} ms",
        "input to snapshot, p99": f"{report.latency.p99_ms:.1f} ms",
        "playing at the end": f"{report.counts.playing_at_end} of {report.settings.bots}",
        "inputs a second": charts.short(report.rates.inputs),
        "snapshots a second": charts.short(report.rates.snapshots),
        "error rate": f"{report.error_rate:.3%}",
    }
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><small>{escape(name)}</small><b>{escape(value)}</b></div>'
            for name, value in shown.items()
        )
        + "</div>"
    )


def _plots(report: Report, axis: Axis) -> str:
    points = report.timeline

    def series(name: str, style: int, field: str, *, gaps: bool = False) -> Series:
        # While the bots say goodbye, a step is short and tells nothing of the load.
        values = [None if point.phase == "stop" else getattr(point, field) for point in points]
        return Series(
            name=name, style=style, values=[v or None for v in values] if gaps else values
        )

    late = series("sent late, p99", 2, "late_p99_ms")
    cpu = Series(
        name="busiest process",
        style=1,
        values=[100 * max(point.cpu, default=0.0) for point in points],
    )
    latency = [
        series(name, style, f"{name}_ms", gaps=True)
        for style, name in ((1, "p50"), (2, "p90"), (3, "p99"))
    ]
    players = [series("connected", 2, "connected"), series("playing", 1, "playing")]
    rates = [series("snapshots", 1, "snapshots"), series("inputs", 2, "inputs")]
    return "".join(
        [
            charts.lines("Input to snapshot over time", "ms", latency, axis),
            charts.curve("Input to snapshot by percentile, steady part", report.curve),
            charts.lines("Bots", "", players, axis),
            charts.lines("Messages", "per second", rates, axis),
            charts.lines("Generator: CPU", "% of a core", [cpu], axis),
            charts.lines("Generator: delay of its sends", "ms", [late], axis),
        ]
    )


def _errors(points: Sequence[Point], axis: Axis) -> str:
    """A row per kind; one for the rest."""
    totals: Counter[str] = Counter()
    for point in points:
        totals.update(point.errors)
    kinds = [kind for kind, _ in totals.most_common(KINDS_MAX)]
    rows = [(kind, [point.errors.get(kind, 0) for point in points]) for kind in kinds]
    if len(totals) > len(kinds):
        own = set(kinds)
        rest = [sum(n for k, n in point.errors.items() if k not in own) for point in points]
        rows.append(("all others", rest))
    return charts.rows("Errors over time, each kind by its own scale", rows, axis)


def _tables(report: Report) -> str:
    limits = [
        (
            escape(verdict.name.replace("_", " ")),
            f"{verdict.limit:g}",
            f"{verdict.value:g}",
            '<span class="good">kept</span>'
            if verdict.kept
            else '<strong class="bad">BROKEN</strong>',
        )
        for verdict in report.limits
    ]
    errors = [
        (escape(kind), str(count), "expected" if kind in report.expected else "")
        for kind, count in report.errors.items()
    ]
    settings = [
        (escape(name), escape(str(value)))
        for name, value in msgspec.to_builtins(report.settings).items()
        if name not in ("happenings", "ca_file") and value not in ("", None)
    ]
    counts = [
        (escape(name.replace("_", " ")), str(value))
        for name, value in msgspec.structs.asdict(report.counts).items()
    ]
    happened = [
        (escape(mark.label), f"{mark.at_s:.1f} s", f"{mark.until_s:.1f} s") for mark in report.marks
    ]
    parts = [
        _table("Limits", ("", "allowed", "was", ""), limits),
        _table("Errors by kind", ("", "count", ""), errors) if errors else "",
        _table("What happened", ("", "from", "to"), happened) if happened else "",
        _table("Counts", ("", ""), counts),
        _table("Settings", ("", ""), settings),
    ]
    return "".join(parts)


def _durations(report: Report) -> str:
    rows = [_row(name, each) for name, each in report.durations.items()]
    return _table("Milliseconds", _COLUMNS, rows, style="wide")


_COLUMNS = ("", "count", "mean", "p50", "p90", "p99", "p99.9", "max")


def _row(name: str, summary: Summary) -> tuple[str, ...]:
    if not summary.count:
        return (name, "0", *["–"] * 6)
    figures = (summary.mean_ms, summary.p50_ms, summary.p90_ms, summary.p99_ms)
    rest = (summary.p999_ms, summary.max_ms)
    return (name, str(summary.count), *[f"{ms:.1f}" for ms in (*figures, *rest)])


def _table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], style: str = ""
) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<section class="{style}"><h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></section>"
    )


def _steady_at(points: Sequence[Point]) -> float | None:
    """Where the ramp ends, as finely as the points tell."""
    ramp = [point.at_s for point in points if point.phase == "ramp"]
    return max(ramp, default=None)
