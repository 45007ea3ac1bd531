"""What is done to which process when: pure, from a seed.

The same seed gives the same plan. What the processes make of it depends on the machine, so a plan
is no history: a violation is looked for in the logs, which are kept.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What may happen to a process."""

    KILL = "kill"  # SIGKILL, and started again after `for_s`
    STOP = "stop"  # SIGSTOP, and SIGCONT after `for_s`
    DRAIN = "drain"  # SIGTERM, and started again when it has ended


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds from the beginning."""

    at_s: float
    kind: Kind
    target: str
    for_s: float


GAP_S = 1.5, 6.0
KILLED_S = 0.2, 4.0
STOPPED_S = 0.5, 6.0
"""Up to three leases: what goes on after that is a zombie."""
STORE_AWAY_S = 0.2, 3.0
_NODE_KINDS = (Kind.KILL, Kind.STOP, Kind.DRAIN)
_STORE_KINDS = (Kind.KILL, Kind.KILL, Kind.STOP)


def make_plan(
    seed: int,
    *,
    seconds: float,
    nodes: Sequence[str],
    workers: Sequence[str],
    stores: Sequence[str],
) -> list[Fault]:
    """Faults until ``seconds``. Half of them meet a node, a quarter a worker, a quarter a store."""
    chance = random.Random(seed)
    plan: list[Fault] = []
    at_s = chance.uniform(*GAP_S)
    while at_s < seconds:
        group = chance.choice((nodes, nodes, workers, stores))
        kind = chance.choice(_STORE_KINDS if group is stores else _NODE_KINDS)
        span = STORE_AWAY_S if group is stores else STOPPED_S if kind is Kind.STOP else KILLED_S
        plan.append(
            Fault(at_s=at_s, kind=kind, target=chance.choice(group), for_s=chance.uniform(*span))
        )
        at_s += chance.uniform(*GAP_S)
    return plan
