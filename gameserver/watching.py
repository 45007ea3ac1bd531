"""What operators look at: the cluster's figures over time, and who is where. Values and ports.

HTTP API ──Figures──► one sample of the whole cluster every ``SAMPLE_MS``, for ``KEPT_MS``
         ──People───► every node: who has a socket there, who has a seat
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from gameserver.ids import MatchId, PlayerId

SAMPLE_MS = 5_000
KEPT_MS = 3_600_000
SAMPLES_MAX = KEPT_MS // SAMPLE_MS


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """The cluster at ``at_ms`` (wall time, a multiple of ``SAMPLE_MS``). ``players``: seats taken;
    ``lateness_p99_ms`` and ``load``: of the node that is worst off; ``outbox_events``: of all
    nodes; ``outbox_age_ms``: of the oldest."""

    at_ms: int
    nodes: int
    sessions: int
    players: int
    matches: int
    lateness_p99_ms: float
    load: float
    outbox_events: int
    outbox_age_ms: int


class FigureStore(Protocol):
    """The samples, in one place for all nodes; both may raise ``StoreUnavailable``."""

    async def add(self, sample: Sample) -> None:
        """Keep it, unless there is one of that time or a later one."""

    async def since(self, after_ms: int) -> list[Sample]:
        """Those that are younger than ``after_ms`` and ``KEPT_MS``, oldest first."""


class SeatOf(msgspec.Struct, frozen=True, array_like=True):
    """A seat of a player. ``connected``: false in the grace period."""

    match: MatchId
    game: str
    node: str
    connected: bool


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A player who is there now. ``sockets``: the nodes of their sessions."""

    player: PlayerId
    name: str
    sockets: list[str]
    seats: list[SeatOf]


class Gathered(msgspec.Struct, frozen=True):
    """``silent``: nodes that have not answered, whose players may be missing; ``more``: there are
    others beyond the limit."""

    people: Sequence[Seen]
    silent: Sequence[str]
    more: bool


class People(Protocol):
    """Who is there now, on all nodes. Names are those of tokens and seats."""

    async def find(self, text: str, *, limit: int) -> Gathered:
        """Whose id or name holds ``text``, in any case; by name."""

    async def get(self, player_id: PlayerId) -> Gathered:
        """This player, or nobody."""
