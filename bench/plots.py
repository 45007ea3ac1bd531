"""``latest.json`` → PNG files beside it, and the curves → PNG files in ``scaling``. Runs under
bench/.venv, which has matplotlib and nothing of the server: so this file reads plain JSON.

    bench/.venv/bin/python bench/plots.py bench/results/latest.json bench/build/curves.json
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


def main(path: Path, curves: Path) -> None:
    results = json.loads(path.read_text())
    for name, draw in (("cost", _cost), ("lateness", _lateness)):
        figure = draw(results)
        if figure is not None:
            _save(figure, path.with_name(f"{name}.png"))
            print(f"{name}.png")
    for curve in json.loads(curves.read_text()):
        _save(_curve(curve), path.parent / "scaling" / f"{curve['name']}.png")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=_DPI, bbox_inches="tight")
    pyplot.close(figure)


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


def _curve(curve: dict[str, Any]) -> Any:
    """A panel for each figure: bars of medians, with the least and the most as whiskers."""
    panels = curve["panels"]
    figure, grid = pyplot.subplots(1, len(panels), figsize=(5.2 * len(panels), 3.4), squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=True):
        lines = panel["lines"]
        settings = list(dict.fromkeys(point[0] for points in lines.values() for point in points))
        width = 0.7 / len(lines)
        for index, (series, points) in enumerate(lines.items()):
            shift = (index - (len(lines) - 1) / 2) * width
            axes.bar(
                [settings.index(point[0]) + shift for point in points],
                [point[1] for point in points],
                yerr=[
                    [point[1] - point[2] for point in points],
                    [point[3] - point[1] for point in points],
                ],
                width=width,
                color=(OWN, OTHERS, BARE)[index % 3],
                label=series,
                error_kw={"elinewidth": 1, "capsize": 3},
            )
        axes.set_xticks(range(len(settings)), settings, fontsize=8)
        axes.tick_params(axis="y", labelsize=8)
        axes.set_xlabel(curve["varied"], fontsize=8)
        axes.set_ylabel(panel["label"], fontsize=8)
        if len(lines) > 1:
            axes.legend(fontsize=7)
    figure.suptitle(curve["title"], fontsize=10)
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
