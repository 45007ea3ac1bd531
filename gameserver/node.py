"""The life of a node, as a table.

STARTING ──started──► READY ──drain──► DRAINING ──stopped──► STOPPED
    └──────────────────┴───────failed──────┴────────────────────▲
"""

from __future__ import annotations

from enum import Enum, auto


class NodeState(Enum):
    """Where the process stands."""

    STARTING = auto()
    READY = auto()  # takes sockets and matches
    DRAINING = auto()  # gives its matches and sessions away
    STOPPED = auto()


class NodeChange(Enum):
    """What can happen to the process."""

    STARTED = auto()
    DRAIN = auto()
    STOPPED = auto()


TRANSITIONS: dict[tuple[NodeState, NodeChange], NodeState] = {
    (NodeState.STARTING, NodeChange.STARTED): NodeState.READY,
    (NodeState.STARTING, NodeChange.STOPPED): NodeState.STOPPED,
    (NodeState.READY, NodeChange.DRAIN): NodeState.DRAINING,
    (NodeState.READY, NodeChange.STOPPED): NodeState.STOPPED,
    (NodeState.DRAINING, NodeChange.DRAIN): NodeState.DRAINING,
    (NodeState.DRAINING, NodeChange.STOPPED): NodeState.STOPPED,
    (NodeState.STOPPED, NodeChange.STOPPED): NodeState.STOPPED,
}


class Node:
    """The state of this process; what the load balancer is told follows from it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = NodeState.STARTING

    def change(self, change: NodeChange) -> None:
        """Go to the next state; raises ``RuntimeError`` for a change the table does not hold."""
        try:
            self.state = TRANSITIONS[self.state, change]
        except KeyError:
            raise RuntimeError(f"{change.name} in state {self.state.name}") from None

    def not_ready(self) -> str | None:
        """Why new sockets should go elsewhere, or ``None``: the answer to ``/readyz``.

        Redis and SQS are not asked: while they are away the node still serves its players, and
        taking every node out of the load balancer would turn a pause into an outage.
        """
        return None if self.state is NodeState.READY else self.state.name.lower()
