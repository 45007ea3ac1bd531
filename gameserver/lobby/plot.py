"""The picture of a simulated rule set, as SVG: waits, spread and queue beside one another."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.lobby.simulate import Run

WIDTH, HEIGHT = 300, 220
LEFT, TOP, GAP = 48, 40, 36
BARS = 24
_INK, _FILL, _PALE = "#222", "#3b6ea5", "#c8d6e5"


def plot(run: Run, title: str) -> str:
    """The file's text."""
    waits = [one.waited_s for one in run.tickets if one.matched]
    spreads = [one.spread for one in run.matches if not one.is_backfill]
    panels = [
        _bars(0, "wait of matched tickets, s", waits),
        _bars(1, "spread of skill in a match", spreads),
        _dots(2, "skill and wait, s", [(t.skill, t.waited_s) for t in run.tickets if t.matched]),
        _line(3, "tickets waiting, over time in s", [(at, float(n)) for at, n in run.queued]),
    ]
    columns = 4
    width = columns * (LEFT + WIDTH + GAP)
    height = TOP + HEIGHT + 60
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{_INK}">'
    )
    return "\n".join(
        [head, f'<rect width="{width}" height="{height}" fill="white"/>',
         f'<text x="{LEFT}" y="18" font-size="14">{_escaped(title)}</text>', *panels, "</svg>", ""]
    )  # fmt: skip


def _bars(column: int, name: str, values: Sequence[float]) -> str:
    """A histogram up to the 99th percentile; what lies above is in the last bar."""
    ordered = sorted(values) or [0.0]
    top = ordered[int(len(ordered) * 0.99)] if len(ordered) > 1 else ordered[0]
    top = top or 1.0
    counts = [0] * BARS
    for value in ordered:
        counts[min(BARS - 1, int(value / top * BARS))] += 1
    most = max(counts) or 1
    width = WIDTH / BARS
    drawn = [
        _rect(n * width, HEIGHT * (1 - count / most), width - 1, HEIGHT * count / most)
        for n, count in enumerate(counts)
    ]
    return _panel(column, name, drawn, (0.0, top), (0.0, float(most)))


def _dots(column: int, name: str, points: Sequence[tuple[float, float]]) -> str:
    step = max(1, len(points) // 2000)
    shown = points[::step] or [(0.0, 0.0)]
    (left, right), (_, top) = _span([x for x, _ in shown]), _span([y for _, y in shown])
    drawn = [
        f'<circle cx="{(x - left) / (right - left) * WIDTH:.1f}" '
        f'cy="{HEIGHT * (1 - y / top):.1f}" r="1" fill="{_FILL}" fill-opacity="0.4"/>'
        for x, y in shown
    ]
    return _panel(column, name, drawn, (left, right), (0.0, top))


def _line(column: int, name: str, points: Sequence[tuple[float, float]]) -> str:
    shown = points or [(0.0, 0.0)]
    (_, right), (_, top) = _span([x for x, _ in shown]), _span([y for _, y in shown])
    path = " ".join(f"{x / right * WIDTH:.1f},{HEIGHT * (1 - y / top):.1f}" for x, y in shown)
    drawn = [f'<polyline points="{path}" fill="none" stroke="{_FILL}"/>']
    return _panel(column, name, drawn, (0.0, right), (0.0, top))


def _panel(
    column: int, name: str, drawn: list[str], x: tuple[float, float], y: tuple[float, float]
) -> str:
    left = LEFT + column * (LEFT + WIDTH + GAP)
    frame = f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="{_PALE}"/>'
    labels = [
        f'<text x="0" y="-6">{_escaped(name)}</text>',
        f'<text x="0" y="{HEIGHT + 15}">{x[0]:.4g}</text>',
        f'<text x="{WIDTH}" y="{HEIGHT + 15}" text-anchor="end">{x[1]:.4g}</text>',
        f'<text x="-4" y="{HEIGHT}" text-anchor="end">{y[0]:.4g}</text>',
        f'<text x="-4" y="8" text-anchor="end">{y[1]:.4g}</text>',
    ]
    inside = "\n".join([frame, *drawn, *labels])
    return f'<g transform="translate({left} {TOP})">\n{inside}\n</g>'


def _rect(x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{_FILL}"/>'
    )


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
