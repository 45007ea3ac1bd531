"""``latest.json`` → PNG files beside it. Runs under bench/.venv, which has matplotlib and nothing
of the server: so this file reads plain JSON.

    bench/.venv/bin/python bench/plots.py bench/results/latest.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("Agg")

from matplotlib import pyplot

OWN, OTHERS, BARE = "#d1495b", "#30638e", "#8d99ae"
LATENESS_MS_MAX = 10
_DPI = 120


def main(path: Path) -> None:
    results = json.loads(path.read_text())
    for name, draw in (("cost", _cost), ("lateness", _lateness), ("scaling", _scaling)):
        figure = draw(results)
        if figure is not None:
            figure.savefig(path.with_name(f"{name}.png"), dpi=_DPI, bbox_inches="tight")
            print(f"{name}.png")


def _colour(key: str) -> str:
    return OWN if key == "gameserver" else BARE if key.startswith("floor") else OTHERS


def _cost(results: dict[str, Any]) -> Any:
    """µs per cycle at the largest size, with the least and the most as whiskers."""
    samples = [one["sample"] for one in results["compared"]]
    if not samples:
        return None
    size = max(sample["players"] for sample in samples)
    costs: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        if sample["players"] == size:
            costs[sample["subject"]].append(sample["us_per_cycle"])
    labels = {entry["key"]: entry["label"] for entry in results["entries"]}
    keys = sorted(costs, key=lambda key: -median(costs[key]))
    middles = [median(costs[key]) for key in keys]
    whiskers = [
        [middle - min(costs[key]) for key, middle in zip(keys, middles, strict=True)],
        [max(costs[key]) - middle for key, middle in zip(keys, middles, strict=True)],
    ]
    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(keys) + 1.2))
    bars = axes.barh(
        [labels.get(key, key) for key in keys],
        middles,
        xerr=whiskers,
        color=[_colour(key) for key in keys],
        error_kw={"elinewidth": 1, "capsize": 3},
    )
    axes.bar_label(bars, fmt="%.1f", padding=8)
    axes.set_xlabel("µs of server CPU per input→snapshot cycle (less is better)")
    axes.set_title(f"{size} clients, rooms of 8, 20 Hz, one core")
    axes.margins(x=0.12)
    return figure


def _lateness(results: dict[str, Any]) -> Any:
    """Lateness p99 over clients, of all steps."""
    steps = [one["sample"] for one in results["steps"] + results["compared"]]
    if not results["steps"]:
        return None
    labels = {entry["key"]: entry["label"] for entry in results["entries"]}
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for key in labels:
        by_clients: dict[int, list[float]] = defaultdict(list)
        for sample in steps:
            if sample["subject"] == key and sample["seated"] == sample["players"]:
                by_clients[sample["players"]].append(sample["lateness_ms"]["p99"])
        clients = sorted(by_clients)
        axes.plot(
            clients,
            [max(0.01, median(by_clients[one])) for one in clients],
            marker="o",
            markersize=3,
            linewidth=2.5 if key == "gameserver" else 1.2,
            linestyle=":" if key.startswith("floor") else "-",
            label=labels[key],
        )
    axes.axhline(LATENESS_MS_MAX, color="black", linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    axes.set_xlabel("clients on one core")
    axes.set_ylabel("lateness of snapshots, p99, ms")
    axes.legend(fontsize=8)
    return figure


def _scaling(results: dict[str, Any]) -> Any:
    """A small panel of µs per cycle for each suite."""
    suites: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in results["scaled"]:
        suites[one["suite"]].append(one)
    if not suites:
        return None
    rows = (len(suites) + 2) // 3
    figure, grid = pyplot.subplots(rows, 3, figsize=(12, 3.2 * rows), squeeze=False)
    panels = list(grid.flat)
    for axes, (suite, points) in zip(panels, suites.items(), strict=False):
        middles = [
            median(sample["us_per_cycle"] for sample in point["samples"]) for point in points
        ]
        axes.bar([point["setting"] for point in points], middles, color=OWN, width=0.6)
        axes.set_title(results["titles"].get(suite, suite), fontsize=9)
        axes.tick_params(labelsize=8)
        axes.set_ylabel("µs per cycle", fontsize=8)
    for axes in panels[len(suites) :]:
        axes.axis("off")
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]))
