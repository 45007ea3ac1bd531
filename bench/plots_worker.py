"""The worker's rates and memory → a PNG file. Runs under bench/.venv, which has matplotlib and
nothing of the server: so this file reads plain JSON.

    bench/.venv/bin/python bench/plots_worker.py bench/build/worker_plot.json worker.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("Agg")

from matplotlib import pyplot

COLOUR, GREY = "#d1495b", "#8d99ae"
_DPI = 120


def main(source: Path, target: Path) -> None:
    data = json.loads(source.read_text())
    figure, (rates, memory) = pyplot.subplots(1, 2, figsize=(11, 3.6))
    names, values = list(data["bars"]), list(data["bars"].values())
    colours = [COLOUR if name == "this worker" else GREY for name in names]
    bars = rates.barh(names, values, color=colours)
    rates.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3)
    rates.set_xscale("log")
    rates.set_xlim(right=max(values) * 6)
    rates.set_xlabel("events a second")
    if data["memory"]:
        seconds, mib, stored = zip(*data["memory"], strict=True)
        memory.plot(seconds, mib, color=COLOUR)
        memory.set_ylim(bottom=0)
        memory.set_ylabel("worker's RSS, MiB", color=COLOUR)
        memory.set_xlabel("seconds since its start")
        beside = memory.twinx()
        beside.plot(seconds, [each / 1e6 for each in stored], color=GREY, linestyle="--")
        beside.set_ylabel("million events stored", color=GREY)
        beside.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(target, dpi=_DPI, bbox_inches="tight")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
