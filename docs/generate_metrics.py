"""Write docs/metrics.md from the code: `python -m docs.generate_metrics`.

Counters and histograms are tables in ``gameserver.metrics``, and the worker's are all registered at
its start. The server's gauges belong to its parts, so their names and words are read from the calls
of ``metrics.gauge`` and ``metrics.labelled_gauge`` in its source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gameserver import metrics as server
from persistence_worker.metrics import Metrics as WorkerMetrics

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "metrics.md"

HEAD = """# Metrics

Server and worker show these at `/metrics` in the Prometheus text format: the server on its HTTP
port (8081), the worker on its own (8082). Neither asks for a token there, because a load balancer
does not lead to it: keep it so.

Names begin with the program. Counters end with `_total`; everything else that has a unit ends with
it: `_seconds`, `_bytes`, `_ratio`, also the times that settings give in ms. A name without a unit
counts things. Labels have few values (a game, a reason), never a match or a player. What is counted
for every message costs an addition; the rest is made when it is asked for.
"""

PROCESS = """
## Both: the process

On Linux `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_virtual_memory_bytes`, `process_start_time_seconds`, `process_open_fds` and
`process_max_fds`, as in every program that uses a client of Prometheus.
"""

PROCESS_NAMES = {
    "process_cpu_seconds_total": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One metric. ``name``: as it is asked for, of a histogram without ``_bucket``."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def of_server() -> list[Described]:
    """All that a game server can show, whatever is configured."""
    found = [
        Described(name=f"gameserver_{name}_total", kind="counter", labels=(), meaning=meaning)
        for name, meaning in server.COUNTERS.items()
    ]
    found += [
        Described(name=server.exposed(name), kind="histogram", labels=(), meaning=meaning)
        for name, (meaning, _) in server.HISTOGRAMS.items()
    ]
    return found + sorted(_gauges(), key=lambda gauge: gauge.name)


def of_worker() -> list[Described]:
    """All that a worker can show."""
    found = []
    for collector in WorkerMetrics().registry._collector_to_names:
        labels = tuple(getattr(collector, "_labelnames", ()))
        for family in collector.collect():
            if family.name.startswith("worker_"):
                name = family.name + ("_total" if family.type == "counter" else "")
                found.append(
                    Described(
                        name=name, kind=family.type, labels=labels, meaning=family.documentation
                    )
                )
    order = ["counter", "histogram", "gauge"]
    return sorted(found, key=lambda one: (order.index(one.kind), one.name))


@cache
def samples() -> frozenset[str]:
    """Every name that a question to Prometheus may hold, ``up`` of its own among them."""
    names = {"up", *PROCESS_NAMES}
    for each in [*of_server(), *of_worker()]:
        if each.kind == "histogram":
            names.update(f"{each.name}_{part}" for part in ("bucket", "sum", "count"))
        else:
            names.add(each.name)
    return frozenset(names)


@cache
def _gauges() -> tuple[Described, ...]:
    return tuple(_gauges_in_source())


def _gauges_in_source() -> Iterator[Described]:
    for path in sorted((ROOT / "gameserver").rglob("*.py")):
        source = path.read_text()
        if "gauge(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="gauge" | "labelled_gauge"), args=[name, meaning, *more]
                ):
                    labels = ast.literal_eval(more[0]) if len(more) == 2 else ()
                    yield Described(
                        name=f"gameserver_{ast.literal_eval(name)}",
                        kind="gauge",
                        labels=labels,
                        meaning=ast.literal_eval(meaning),
                    )


def render() -> str:
    """The page."""
    parts = [HEAD]
    for title, found in (("Server", of_server()), ("Worker", of_worker())):
        for kind, plural in (
            ("counter", "counts"),
            ("histogram", "distributions"),
            ("gauge", "gauges"),
        ):
            parts.append(f"\n## {title}: {plural}\n\n| metric | meaning |\n|---|---|\n")
            parts += [
                f"| `{one.name}{_braced(one.labels)}` | {one.meaning} |\n"
                for one in found
                if one.kind == kind
            ]
    return "".join([*parts, PROCESS])


def _braced(labels: tuple[str, ...]) -> str:
    return f"{{{', '.join(labels)}}}" if labels else ""


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE.name}")
