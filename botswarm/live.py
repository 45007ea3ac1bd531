"""The live view: figures, curves of the last minute, errors and what is to come. Pure rendering."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.columns import Columns
from rich.console import Group
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from botswarm.happening import Happening, name_of

BARS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 48
ERRORS_SHOWN = 6
STEPS_SHOWN = 5


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a moment. Rates are per second, over the last two; ``errors`` in all,
    ``recent_errors`` per second."""

    at_s: float
    phase: str
    connected: int
    playing: int
    inputs: float
    snapshots: float
    bytes_in: float
    p50_ms: float
    p99_ms: float
    cpu: list[float]
    saturated: list[str]
    errors: dict[str, int]
    recent_errors: dict[str, float]


def sparkline(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """The last ``width`` values as a line of bars from 0 to the greatest."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return BARS[0] * len(shown)
    return "".join(BARS[round(value / top * (len(BARS) - 1))] for value in shown)


def view(
    history: Sequence[Frame],
    *,
    title: str,
    bots: int,
    steady_s: float | None,
    span_s: float,
    happenings: Sequence[Happening],
) -> Panel:
    """``history``: frames, the newest last; ``steady_s``: since the ramp's end, ``None`` before;
    ``span_s``: how long the load lasts."""
    now = history[-1]
    errors, steps = _errors(now), _steps(happenings, steady_s)
    side: list[Table] = [table for table in (errors, steps) if table is not None]
    parts: list[Table | Columns] = [_clock(now, steady_s, span_s), _figures(history, bots)]
    if side:
        parts.append(Columns([Panel(table, border_style="dim") for table in side]))
    failing = bool(now.saturated)
    generator = Text(
        "generator " + ("SATURATED: " + ", ".join(now.saturated) if failing else "keeps up")
    )
    generator.stylize("bold yellow" if failing else "green")
    return Panel(Group(*parts, generator), title=Text(title or "botswarm"), border_style="cyan")


def _clock(now: Frame, steady_s: float | None, span_s: float) -> Table:
    table = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(span_s, 0.1), completed=min(steady_s or 0.0, span_s), width=40)
    left = f"{max(0.0, span_s - (steady_s or 0.0)):.0f} s of load to come"
    table.add_row(f"{now.at_s:.0f} s ({now.phase})", bar, Text(left, style="dim"))
    return table


def _figures(history: Sequence[Frame], bots: int) -> Table:
    now = history[-1]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right", min_width=10)
    table.add_column(style="cyan", no_wrap=True)

    def row(name: str, text: str, field: str) -> None:
        table.add_row(name, text, sparkline([getattr(frame, field) for frame in history]))

    row("connected", f"{now.connected}/{bots}", "connected")
    row("playing", str(now.playing), "playing")
    row("inputs/s", f"{now.inputs:.0f}", "inputs")
    row("snapshots/s", f"{now.snapshots:.0f}", "snapshots")
    row("kB/s in", f"{now.bytes_in / 1000:.0f}", "bytes_in")
    row("p50", f"{now.p50_ms:.1f} ms", "p50_ms")
    row("p99", f"{now.p99_ms:.1f} ms", "p99_ms")
    busiest = [max(frame.cpu, default=0.0) for frame in history]
    table.add_row("CPU", " ".join(f"{share:.0%}" for share in now.cpu[:8]), sparkline(busiest))
    return table


def _errors(now: Frame) -> Table | None:
    if not now.errors:
        return None
    table = Table("errors", "all", "per s", box=None)
    by_count = sorted(now.errors.items(), key=lambda item: (-item[1], item[0]))
    for kind, count in by_count[:ERRORS_SHOWN]:
        recent = now.recent_errors.get(kind, 0.0)
        table.add_row(Text(kind, style="red" if recent else ""), str(count), f"{recent:g}")
    if len(by_count) > ERRORS_SHOWN:
        rest = sum(count for _, count in by_count[ERRORS_SHOWN:])
        table.add_row(f"{len(by_count) - ERRORS_SHOWN} other kinds", str(rest), "")
    return table


def _steps(happenings: Sequence[Happening], steady_s: float | None) -> Table | None:
    """Those that go on or are to come, then what is over."""
    if not happenings:
        return None
    at = -1.0 if steady_s is None else steady_s
    table = Table("scenario", "", box=None)
    for step in sorted(happenings, key=lambda step: (step.ends_s < at, step.at_s))[:STEPS_SHOWN]:
        if at > step.ends_s:
            when, style = "done", "dim"
        elif at >= step.at_s:
            when, style = "now", "bold magenta"
        else:
            when, style = f"in {step.at_s - max(at, 0.0):.0f} s", ""
        table.add_row(Text(name_of(step), style=style), Text(when, style=style))
    return table
