"""The points of the plot, as JSON takes them."""

from __future__ import annotations

from typing import Any

from deploy.capacity.model import PARTS, elastic, plan

PER_DECADE = 12
SHOWN = (
    "Valkey: the core of one node",
    "Valkey: what one node sends",
    "the core of a queue's master",
    "tickets of one queue",
    "a load balancer's targets",
    "a server's core, one server lost",
    "PostgreSQL's cores",
)
GROUPS = (
    ("log-ins (Cognito)", ("Cognito",)),
    ("bytes to players (CloudFront)", ("CloudFront",)),
    ("servers and workers", ("servers", "workers")),
    ("load balancers", ("load balancers",)),
    ("Valkey", ("Valkey", "between zones")),
    ("PostgreSQL", ("PostgreSQL", "its disk", "backups")),
    ("the rest", ("",)),
)
"""Of the estimate's lines, by how they begin; each line is in the first that fits."""


def points() -> dict[str, Any]:
    """``loads``: shares of the ceilings in a single cell; ``dollars``: of a player and month."""
    players = [round(10 ** (3 + step / PER_DECADE)) for step in range(4 * PER_DECADE + 1)]
    cell = elastic()
    loads = {
        part.name: [part.load(cell, count) / part.ceiling for count in players]
        for part in PARTS
        if part.name in SHOWN
    }
    dollars: dict[str, list[float]] = {name: [] for name, _ in GROUPS}
    for count in players:
        sums = dict.fromkeys(dollars, 0.0)
        for line in plan(count).lines:
            name = next(name for name, begins in GROUPS if line.what.startswith(begins))
            sums[name] += line.dollars / count
        for name, amount in sums.items():
            dollars[name].append(amount)
    return {"players": players, "loads": loads, "dollars": dollars}
