"""``failover.json`` → a PNG file: how many players wait, around each fault. Runs under bench/.venv,
which has matplotlib and nothing of the server: so this file reads plain JSON.

    bench/.venv/bin/python bench/plots_failover.py bench/build/failover.json failover.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("Agg")

from matplotlib import pyplot

COLOUR = "#d1495b"
_DPI = 120


def main(source: Path, target: Path) -> None:
    data = json.loads(source.read_text())
    panels = data["panels"]
    figure, grid = pyplot.subplots(1, len(panels), figsize=(5.5 * len(panels), 3.8), sharey=True)
    for axes, panel in zip(grid, panels, strict=True):
        _panel(axes, panel, data)
    grid[0].set_ylabel(f"players whose next frame is late, of {data['bots']}")
    figure.tight_layout()
    figure.savefig(target, dpi=_DPI, bbox_inches="tight")


def _panel(axes: Any, panel: dict[str, Any], data: dict[str, Any]) -> None:
    for line in panel["lines"]:
        axes.plot(*zip(*line, strict=True), color=COLOUR, alpha=0.55, linewidth=1.3)
    axes.axvline(0, color="black", linewidth=0.8, linestyle="--")
    axes.set_xlabel("seconds since the signal; a line each time")
    axes.set_title(f"{panel['title']} (waits over {data['over_ms']:.0f} ms)", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.set_xlim(panel["lines"][0][0][0], panel["lines"][0][-1][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
