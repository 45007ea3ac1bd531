"""The model's points → a PNG file. Runs under bench/.venv, which has matplotlib and nothing of the
server: so this file reads plain JSON.

    bench/.venv/bin/python deploy/capacity/plot.py points.json docs/images/capacity.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("Agg")

from matplotlib import pyplot

_DPI = 120
_LINES = ("#d1495b", "#e58c4a", "#30638e", "#6aa5c9", "#5b8c5a", "#8d99ae", "#3d405b")
_AREAS = ("#d1495b", "#30638e", "#5b8c5a", "#8d99ae", "#e58c4a", "#6aa5c9", "#d9d9d9")


def main(source: Path, target: Path) -> None:
    data = json.loads(source.read_text())
    players = data["players"]
    figure, (loads, dollars) = pyplot.subplots(1, 2, figsize=(13, 4.8))
    for colour, (name, shares) in zip(_LINES, data["loads"].items(), strict=True):
        loads.plot(players, shares, color=colour, label=name)
    loads.axhline(1, color="black", linewidth=0.8)
    loads.axvline(100_000, color="black", linewidth=0.8, linestyle=":")
    loads.text(106_000, 0.0012, "a cell of large", fontsize=8)
    loads.set_ylim(0.001, 1_000)
    loads.set_yscale("log")
    loads.set_ylabel("load, of what the part may bear")
    loads.set_title("If everybody were in one cell")
    loads.legend(fontsize=8, loc="upper left")
    areas = data["dollars"]
    dollars.stackplot(players, *areas.values(), labels=list(areas), colors=_AREAS)
    dollars.set_ylim(0, None)
    dollars.set_ylabel("dollars a month, for each player at the peak")
    dollars.set_title("Cells as planned")
    handles, labels = dollars.get_legend_handles_labels()
    dollars.legend(handles[::-1], labels[::-1], fontsize=8, loc="upper right")
    for axes in (loads, dollars):
        axes.set_xscale("log")
        axes.set_xlim(players[0], players[-1])
        axes.set_xlabel("players at the same time")
        axes.grid(alpha=0.2)
    figure.tight_layout()
    figure.savefig(target, dpi=_DPI, bbox_inches="tight")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
