"""Finds out where players are, for their friends: by the sessions of all nodes, and the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from gameserver.errors import TicketRefused
from gameserver.ids import PlayerId
from gameserver.matchmaking import ACTIVE
from gameserver.matchmaking_ports import Matchmaking
from gameserver.whereabouts import Connected, ConnectedStore, Where, Whereabouts

OFFLINE = Whereabouts(where=Where.OFFLINE)
ONLINE = Whereabouts(where=Where.ONLINE)


class PlayerFinder:
    """Implements ``whereabouts.Finder``: one call for all players, and a few for each who is
    connected without a seat, since such a one may be in a queue."""

    def __init__(self, store: ConnectedStore, queues: Matchmaking) -> None:
        self._store = store
        self._queues = queues

    async def find(self, players: Sequence[PlayerId]) -> Mapping[PlayerId, Whereabouts]:
        """See ``whereabouts.Finder``."""
        connected = await self._store.find(players)
        found = await asyncio.gather(*map(self._place, players, connected))
        return dict(zip(players, found, strict=True))

    async def _place(self, player: PlayerId, connected: Connected | None) -> Whereabouts:
        if connected is None:
            return OFFLINE
        if connected.match:
            return Whereabouts(where=Where.MATCH, game=connected.game, match=connected.match)
        try:
            ticket = await self._queues.look(player, why=False)
        except TicketRefused:
            return ONLINE
        if ticket.standing.stage not in ACTIVE:
            return ONLINE
        return Whereabouts(where=Where.QUEUED, game=ticket.queue.game)
