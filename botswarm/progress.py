"""Shows how a run is going: a live view on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live

from botswarm.happening import Happening
from botswarm.live import Frame, view
from botswarm.processes import Overview
from botswarm.saturation import load_of, reasons

LINE_S = 5.0
WINDOW = 4
"""Overviews (two a second) over which rates and percentiles are taken."""
HISTORY = 120
"""Overviews that the live view's curves reach back."""


class Display:
    """A context manager; call it with each overview. ``console`` decides what is possible.
    ``happenings``: what is going to befall the bots, ``span_s`` how long the load lasts, both for
    the live view."""

    def __init__(
        self,
        console: Console,
        *,
        bots: int,
        quiet: bool,
        title: str = "",
        span_s: float = 0.0,
        happenings: Sequence[Happening] = (),
    ) -> None:
        self._console = console
        self._bots = bots
        self._quiet = quiet
        self._title = title
        self._span_s = span_s
        self._happenings = happenings
        self._live: Live | None = None
        self._window: list[Overview] = []
        self._history: list[Frame] = []
        self._steady_at_s: float | None = None
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

    def say(self, text: str) -> None:
        """One line that stays, even if quiet: somebody may have to act."""
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)

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
        if overview.phase == "steady" and self._steady_at_s is None:
            self._steady_at_s = overview.at_s
        if self._live is not None:
            frame = self._frame()
            self._history = [*self._history[-HISTORY + 1 :], frame]
            steady_s = None if self._steady_at_s is None else overview.at_s - self._steady_at_s
            self._live.update(
                view(
                    self._history,
                    title=self._title,
                    bots=self._bots,
                    steady_s=steady_s,
                    span_s=self._span_s,
                    happenings=self._happenings,
                )
            )
        elif overview.at_s - self._last_line_s >= LINE_S:
            self._last_line_s = overview.at_s
            line = "  ".join(f"{name} {text}" for name, text in self._figures().items())
            self.say(line)

    def _frame(self) -> Frame:
        first, last = self._window[0], self._window[-1]
        seconds = last.at_s - first.at_s
        stats = last.stats
        recent = stats.since(first.stats)
        summary = recent.latency.summary()

        def rate(count: float) -> float:
            return count / seconds if seconds > 0 else 0.0

        cpu = [rate(now - then) for now, then in zip(last.cpu_s, first.cpu_s, strict=False)]
        return Frame(
            at_s=last.at_s,
            phase=last.phase,
            connected=stats.connected,
            playing=stats.playing,
            inputs=rate(recent.inputs),
            snapshots=rate(recent.snapshots),
            bytes_in=rate(recent.bytes_in),
            p50_ms=summary.p50_ms,
            p99_ms=summary.p99_ms,
            cpu=cpu,
            saturated=reasons([load_of(recent, cpu=max(cpu, default=0.0))]),
            errors=dict(stats.errors),
            recent_errors={kind: round(rate(count), 1) for kind, count in recent.errors.items()},
        )

    def _figures(self) -> dict[str, str]:
        frame = self._frame()
        total = sum(frame.errors.values())
        worst = sorted(frame.errors.items(), key=lambda item: -item[1])[:3]
        kinds = ", ".join(f"{kind} {count}" for kind, count in worst)
        return {
            "time": f"{frame.at_s:.0f} s ({frame.phase})",
            "connected": f"{frame.connected}/{self._bots}",
            "playing": str(frame.playing),
            "inputs/s": f"{frame.inputs:.0f}",
            "snapshots/s": f"{frame.snapshots:.0f}",
            "p50/p99": f"{frame.p50_ms:.1f}/{frame.p99_ms:.1f} ms",
            "errors": f"{total}" + (f" ({kinds})" if kinds else ""),
            "CPU": " ".join(f"{share:.0%}" for share in frame.cpu),
            "generator": "SATURATED: " + ", ".join(frame.saturated)
            if frame.saturated
            else "keeps up",
        }
