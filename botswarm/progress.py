"""Shows how a run is going: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from botswarm.processes import Overview
from botswarm.saturation import load_of, reasons

LINE_S = 5.0
WINDOW = 4
"""Overviews (two a second) over which rates and percentiles are taken."""


class Display:
    """A context manager; call it with each overview. ``console`` decides what is possible."""

    def __init__(self, console: Console, *, bots: int, quiet: bool) -> None:
        self._console = console
        self._bots = bots
        self._quiet = quiet
        self._live: Live | None = None
        self._window: list[Overview] = []
        self._last_line_s = -LINE_S

    def __enter__(self) -> Display:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, overview: Overview) -> None:
        if self._quiet:
            return
        # The stats of the running process go on changing: a window needs copies.
        kept = Overview(
            phase=overview.phase,
            at_s=overview.at_s,
            cpu_s=overview.cpu_s,
            stats=overview.stats.copy(),
        )
        self._window = [*self._window[-WINDOW:], kept]
        figures = self._figures()
        if self._live is not None:
            table = Table(show_header=False, box=None)
            for name, text in figures.items():
                table.add_row(name, text)
            self._live.update(table)
        elif overview.at_s - self._last_line_s >= LINE_S:
            self._last_line_s = overview.at_s
            line = "  ".join(f"{name} {text}" for name, text in figures.items())
            self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _figures(self) -> dict[str, str]:
        first, last = self._window[0], self._window[-1]
        seconds = last.at_s - first.at_s
        stats = last.stats
        recent = stats.since(first.stats)
        summary = recent.latency.summary()

        def rate(name: str) -> str:
            grown: int = getattr(stats, name) - getattr(first.stats, name)
            return f"{grown / seconds:.0f}" if seconds > 0 else "0"

        cpu = [
            (now - then) / seconds if seconds > 0 else 0.0
            for now, then in zip(last.cpu_s, first.cpu_s, strict=False)
        ]
        saturated = reasons([load_of(recent, cpu=max(cpu, default=0.0))])
        worst = sorted(stats.errors.items(), key=lambda item: -item[1])[:3]
        kinds = ", ".join(f"{kind} {count}" for kind, count in worst)
        return {
            "time": f"{last.at_s:.0f} s ({last.phase})",
            "connected": f"{stats.connected}/{self._bots}",
            "playing": str(stats.playing),
            "inputs/s": rate("inputs"),
            "snapshots/s": rate("snapshots"),
            "p50/p99": f"{summary.p50_ms:.1f}/{summary.p99_ms:.1f} ms",
            "errors": f"{stats.error_count}" + (f" ({kinds})" if kinds else ""),
            "CPU": " ".join(f"{share:.0%}" for share in cpu),
            "generator": "SATURATED: " + ", ".join(saturated) if saturated else "keeps up",
        }
