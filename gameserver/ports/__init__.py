"""What the layers ask of each other, as Protocols and the values that cross them.

``match``, ``session`` and ``adapters`` never import one another: they import this package, and
``app`` puts them together. A plain method never blocks; an ``async`` one may.

    ws_server ──Gate, SessionPort──► session ──Matches, SeatHandle──► match ──MatchStore──► redis
        ◄──────Connection──────────         ◄──Subscriber───────────        ──EventQueue──► sqs
"""

from gameserver.ports.match import LocalMatches, Matches, Seated, SeatHandle, Subscriber
from gameserver.ports.nodes import (
    BusReceiver,
    Directory,
    MaintenanceControl,
    NodeBus,
    NodeInfo,
    OpenMatch,
    Vitals,
)
from gameserver.ports.player import (
    Admission,
    Connection,
    Credentials,
    Gate,
    Identity,
    Overloaded,
    SessionPort,
    SessionRecords,
    Tickets,
    TokenVerifier,
)
from gameserver.ports.store import (
    Acquired,
    Commit,
    EventQueue,
    Lease,
    MatchStore,
    OutboxEntry,
    Outcome,
    Page,
    Recordings,
    Replays,
    ReplaySection,
    ReplayShown,
    Sealer,
    Turn,
)
from gameserver.ports.world import Clock, Entropy

__all__ = [
    "Acquired",
    "Admission",
    "BusReceiver",
    "Clock",
    "Commit",
    "Connection",
    "Credentials",
    "Directory",
    "Entropy",
    "EventQueue",
    "Gate",
    "Identity",
    "Lease",
    "LocalMatches",
    "MaintenanceControl",
    "MatchStore",
    "Matches",
    "NodeBus",
    "NodeInfo",
    "OpenMatch",
    "OutboxEntry",
    "Outcome",
    "Overloaded",
    "Page",
    "Recordings",
    "ReplaySection",
    "ReplayShown",
    "Replays",
    "Sealer",
    "SeatHandle",
    "Seated",
    "SessionPort",
    "SessionRecords",
    "Subscriber",
    "Tickets",
    "TokenVerifier",
    "Turn",
    "Vitals",
]
