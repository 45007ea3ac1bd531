"""What a node says of itself in the directory, and what it hears of the others, at every beat."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gameserver.cluster.peers import READY, Peers
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId, PlayerId
from gameserver.ports import Directory, LocalMatches, NodeInfo, Vitals
from gameserver.rounds import shared

logger = logging.getLogger(__name__)

BEAT_S = 0.5
"""How often this node says that it is there, and hears of the others."""
BEATS_MISSED = 4
OPEN_TOLD_MAX = 64
"""Open matches that a heartbeat names; the fullest ones, which should fill first."""
SEAT_TTL_MS = 24 * 3_600_000
"""A seat that is noted for longer belongs to a match that nobody has ended."""


class Pulse:
    """``sessions``: how many players are here; ``cpu_s``: CPU time of this process so far.
    ``load``: the share of one core that was used between the last two beats. ``vitals``: read at
    every beat."""

    def __init__(
        self,
        *,
        node: str,
        local: LocalMatches,
        directory: Directory,
        peers: Peers,
        sessions: Callable[[], int],
        cpu_s: Callable[[], float],
        region: str = "",
    ) -> None:
        self.load = 0.0
        self.vitals: Callable[[], Vitals] = Vitals
        self._node = node
        self._local = local
        self._directory = directory
        self._peers = peers
        self._sessions = sessions
        self._cpu_s = cpu_s
        self._region = region
        self._loop = asyncio.get_running_loop()
        self._used_s, self._used_at = cpu_s(), self._loop.time()
        self._seats: dict[PlayerId, MatchId | None] = {}

    def note_seat(self, player_id: PlayerId, match_id: MatchId | None) -> None:
        """To be told with the next beat: where the player sits, or that they have left."""
        self._seats[player_id] = match_id

    async def run(self) -> None:
        """Beat until cancelled."""
        wait_s = shared(BEAT_S)
        while True:
            await asyncio.sleep(wait_s())
            try:
                await self.beat()
            except StoreUnavailable as error:
                logger.warning("heartbeat failed", extra={"error": str(error)})

    async def beat(self) -> None:
        """Once. Raises ``StoreUnavailable``; then seats are told with the next one."""
        if self._seats:
            changes, self._seats = self._seats, {}
            try:
                await self._directory.seats(changes, ttl_ms=SEAT_TTL_MS)
            except StoreUnavailable:
                self._seats = changes | self._seats
                raise
        before = self._peers.names
        ttl_ms = int(BEAT_S * BEATS_MISSED * 1000)
        self._peers.update(
            await self._directory.beat(self._measured(), ttl_ms=ttl_ms), own=self._node
        )
        if self._peers.names != before:
            logger.info("nodes", extra={"node": self._node, "peers": sorted(self._peers.names)})

    async def stop(self) -> None:
        """Take this node out of the directory."""
        try:
            await self._directory.leave(self._node)
        except StoreUnavailable:
            pass  # It is forgotten when its last word is too old.

    def info(self) -> NodeInfo:
        """What this node says of itself now."""
        local = self._local
        return NodeInfo(
            name=self._node,
            state="draining" if local.draining else READY,
            load=self.load,
            sessions=self._sessions(),
            matches=local.matches_open,
            players=local.players,
            open=local.open_matches(OPEN_TOLD_MAX),
            region=self._region,
            vitals=self.vitals(),
        )

    def _measured(self) -> NodeInfo:
        now, used_s = self._loop.time(), self._cpu_s()
        self.load = (used_s - self._used_s) / max(now - self._used_at, 0.001)
        self._used_s, self._used_at = used_s, now
        return self.info()
