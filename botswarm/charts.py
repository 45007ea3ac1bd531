"""Plots as inline SVG: pure. Colours and sizes of text are the page's (``page.css``).

┌─ TOP ────────────────┐
│ y     plot           │   x runs from the start of the run to its end
└─ x ──────────────────┘
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import msgspec

from botswarm.timeline import Mark

WIDTH, WIDE = 720.0, 1240.0
HEIGHT = 240.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 22.0, 28.0
ROW = 26.0
NAMES = 190.0
"""Where the names of rows stand."""
COUNTS = 64.0
TICKS = 5


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A line; ``None`` is a gap in it. ``style``: 1 to 4, a colour of the page."""

    name: str
    style: int
    values: Sequence[float | None]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """The time of a run. ``ends``: of each step, in seconds; ``marks``: what happened in it;
    ``steady_at``: where the ramp ends."""

    ends: Sequence[float]
    marks: Sequence[Mark] = ()
    steady_at: float | None = None
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT

    @property
    def until(self) -> float:
        return max(self.ends, default=0.0) or 1.0

    def x(self, at_s: float) -> float:
        """Where a time stands."""
        inner = self.width - self.left - self.right
        return self.left + inner * min(max(at_s / self.until, 0.0), 1.0)


def nice_ticks(top: float, count: int = TICKS) -> list[float]:
    """From 0 on, steps of 1, 2 or 5 times a power of ten; the last is not below ``top``."""
    if not top > 0 or not math.isfinite(top):
        return [0.0, 1.0]
    rough = top / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    return [index * step for index in range(math.ceil(top / step - 1e-9) + 1)]


def short(value: float) -> str:
    """``1500`` as ``1.5k``."""
    for bound, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= bound:
            return f"{value / bound:.3g}{letter}"
    return f"{value:.3g}"


def lines(title: str, unit: str, series: Sequence[Series], axis: Axis) -> str:
    """Values over the time of a run, as a figure with a legend."""
    top = max((value for each in series for value in each.values if value is not None), default=0.0)
    ticks = nice_ticks(top)
    bottom = HEIGHT - BOTTOM

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * value / ticks[-1]

    parts = [*_ramp(axis, bottom), *_grid(ticks, y), *_times(axis, bottom)]
    parts += _marks(axis, bottom)
    parts += [
        f'<path class="line s{each.style}" d="{_path(each.values, axis, y)}"/>' for each in series
    ]
    parts += _hits(series, axis, bottom, unit)
    return _figure(title, unit, series, parts, HEIGHT)


def curve(title: str, points: Sequence[tuple[float, float]]) -> str:
    """A latency by its percentiles, (percent, ms). The axis stretches what is near 100 %."""
    found = [(percent, ms) for percent, ms in points if percent < 100]
    ticks = nice_ticks(max((ms for _, ms in found), default=0.0))
    bottom = HEIGHT - BOTTOM
    end = _nines(max((percent for percent, _ in found), default=99.0))

    def x(percent: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT - 20) * _nines(percent) / end

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * value / ticks[-1]

    parts = _grid(ticks, y)
    for percent in (0, 50, 90, 99, 99.9, 99.99):
        if _nines(percent) <= end + 1e-9:
            parts.append(f'<line class="grid" x1="{x(percent):.1f}" x2="{x(percent):.1f}" ')
            parts.append(f'y1="{TOP}" y2="{bottom}"/>')
            parts.append(_text(x(percent), bottom + 18, f"{percent:g} %", "tick middle"))
    path = "".join(
        f"{'L' if index else 'M'}{x(percent):.1f},{y(ms):.1f}"
        for index, (percent, ms) in enumerate(found)
    )
    parts.append(f'<path class="line s1" d="{path}"/>')
    for percent, ms in found:
        tip = f"<title>{percent:g} % within {ms:.1f} ms</title>"
        parts.append(f'<circle class="dot s1" cx="{x(percent):.1f}" cy="{y(ms):.1f}" r="4">{tip}')
        parts.append("</circle>")
    return _figure(title, "ms", [], parts, HEIGHT)


def rows(title: str, counts: Sequence[tuple[str, Sequence[int]]], axis: Axis) -> str:
    """A row per kind with a bar for each step in which it came, by its own scale."""
    axis = msgspec.structs.replace(axis, width=WIDE, left=NAMES, right=COUNTS)
    height = TOP + ROW * len(counts) + BOTTOM
    bottom = height - BOTTOM
    parts = _marks(axis, bottom)
    for index, (name, values) in enumerate(counts):
        base = TOP + ROW * (index + 1) - 4
        top = max(values, default=0) or 1
        parts.append(_text(NAMES - 8, base - 4, name, "name end"))
        parts.append(f'<line class="grid" x1="{NAMES}" x2="{WIDE - COUNTS}" y1="{base}" ')
        parts.append(f'y2="{base}"/>')
        began = 0.0
        for end, value in zip(axis.ends, values, strict=True):
            if value:
                x = axis.x(began)
                wide = max(1.5, axis.x(end) - x - 0.5)
                high = max(2.0, (ROW - 8) * value / top)
                parts.append(
                    f'<rect class="bar" x="{x:.1f}" y="{base - high:.1f}" width="{wide:.1f}" '
                    f'height="{high:.1f}"><title>{end:.0f} s: {escape(name)} {value}</title></rect>'
                )
            began = end
        parts.append(_text(WIDE - COUNTS + 8, base - 4, short(sum(values)), "name"))
    parts += _times(axis, bottom)
    return _figure(title, "", [], parts, height, width=WIDE)


# ── parts ────────────────────────────────────────────────────────────────────────────────────────


def _nines(percent: float) -> float:
    """90 % is 1, 99 % is 2, 99.9 % is 3."""
    return -math.log10(1 - percent / 100)


def _figure(
    title: str,
    unit: str,
    series: Sequence[Series],
    parts: Sequence[str],
    height: float,
    width: float = WIDTH,
) -> str:
    legend = "".join(
        f'<span class="key"><i class="s{each.style}"></i>{escape(each.name)}</span>'
        for each in series
    )
    what = f"{title}, {unit}" if unit else title
    small = f" <small>{escape(unit)}</small>" if unit else ""
    wide = ' class="wide"' if width > WIDTH else ""
    return (
        f"<figure{wide}><figcaption><h2>{escape(title)}{small}"
        f'</h2><div class="legend">{legend}</div></figcaption>'
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(what)}">'
        + "".join(parts)
        + "</svg></figure>"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _grid(ticks: Sequence[float], y: object) -> list[str]:
    assert callable(y)
    found = []
    for tick in ticks:
        at = y(tick)
        found.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        found.append(_text(LEFT - 8, at + 4, short(tick), "tick end"))
    return found


def _times(axis: Axis, bottom: float) -> list[str]:
    return [
        _text(axis.x(tick), bottom + 18, f"{tick:g} s", "tick middle")
        for tick in nice_ticks(axis.until, 8)
        if tick <= axis.until
    ]


def _ramp(axis: Axis, bottom: float) -> list[str]:
    if not axis.steady_at:
        return []
    wide = axis.x(axis.steady_at) - LEFT
    shade = f'<rect class="ramp" x="{LEFT}" y="{TOP}" width="{wide:.1f}" height="{bottom - TOP}"/>'
    return [shade, _text(LEFT + 4, TOP + 13, "ramp", "note")] if wide > 34 else [shade]


def _marks(axis: Axis, bottom: float) -> list[str]:
    found = []
    taken = -math.inf
    for mark in axis.marks:
        x = axis.x(mark.at_s)
        wide = max(1.5, axis.x(mark.until_s) - x)
        tip = f"<title>{mark.at_s:.1f} s: {escape(mark.label)}</title>"
        found.append(
            f'<rect class="mark" x="{x:.1f}" y="{TOP}" width="{wide:.1f}" '
            f'height="{bottom - TOP:.1f}">{tip}</rect>'
        )
        if x > taken:
            end = x + 6.5 * len(mark.label) > axis.width
            found.append(_text(x, TOP - 7, mark.label, "note end" if end else "note"))
            taken = x + 6.5 * len(mark.label) + 8
    return found


def _path(values: Sequence[float | None], axis: Axis, y: object) -> str:
    assert callable(y)
    path, drawing = [], False
    for end, value in zip(axis.ends, values, strict=True):
        if value is not None:
            path.append(f"{'L' if drawing else 'M'}{axis.x(end):.1f},{y(value):.1f}")
        drawing = value is not None
    return "".join(path)


def _hits(series: Sequence[Series], axis: Axis, bottom: float, unit: str) -> list[str]:
    """What the mouse finds: a column per step with its figures."""
    found = []
    began = 0.0
    for index, end in enumerate(axis.ends):
        told = [
            f"{each.name} {value:.4g}"
            for each in series
            if (value := each.values[index]) is not None
        ]
        x = axis.x(began)
        began = end
        if told:
            tip = escape(f"{end:.0f} s: " + ", ".join(told) + f" {unit}")
            found.append(
                f'<rect class="hit" x="{x:.1f}" y="{TOP}" width="{axis.x(end) - x:.1f}" '
                f'height="{bottom - TOP}"><title>{tip}</title></rect>'
            )
    return found
