"""Where in the cluster a player plays: in the match that is named, where a seat is kept, in an open
match, or in a new one on the node that has the least to do.

Every seat is told with the node that gave it; empty: this one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from gameserver.errors import JoinRefused
from gameserver.game.contract import AnyGame
from gameserver.ids import MatchId
from gameserver.ports import Directory, Seated
from gameserver.wire import from_client
from gameserver.wire.to_client import ErrorCode

if TYPE_CHECKING:
    from gameserver.cluster.link import Link
    from gameserver.cluster.matches import ClusterMatches

ASKED_AGAIN = 8
PAUSE_S = 0.1


class Placement:
    """For ``ClusterMatches``."""

    def __init__(self, cluster: ClusterMatches, directory: Directory) -> None:
        self._cluster = cluster
        self._local = cluster.local
        self._peers = cluster.peers
        self._directory = directory

    async def place(self, request: from_client.Entry, link: Link) -> tuple[Seated, str]:
        """A seat where ``request`` is best served. Raises ``JoinRefused``, ``StoreUnavailable``."""
        if not self._cluster.has_peers:
            return await self._local.join(request, link.identity, link), ""
        if isinstance(request, from_client.Watch) or request.match:
            return await self.find(request, link)
        kept = await self._kept_seat(request, link)
        if kept is not None:
            return kept
        game = self._local.games.get(request.game)
        mode = request.mode or (next(iter(game.modes)) if game is not None else "")
        elsewhere = self._local.maintenance is None  # Else a new seat is refused everywhere.
        if elsewhere and game is not None and not self._local.has_room(game, mode):
            there = await self._place_elsewhere(request, link, game, mode)
            if there is not None:
                return there
        return await self._local.join(request, link.identity, link), ""

    async def _kept_seat(self, request: from_client.Join, link: Link) -> tuple[Seated, str] | None:
        """A player who names no match gets the seat that is kept for them, wherever it is."""
        if self._local.holds(link.identity.player_id):
            return None
        match_id = await self._directory.seat(link.identity.player_id)
        if match_id is None:
            return None
        named = msgspec.structs.replace(request, match=match_id, game="", mode="")
        try:
            return await self.find(named, link, again=1)
        except JoinRefused:
            return None  # It is over, or full by now: any other will do.

    async def _place_elsewhere(
        self, request: from_client.Join, link: Link, game: AnyGame, mode: str
    ) -> tuple[Seated, str] | None:
        """In an open match of another node, or in a new one there if that spares this one."""
        found = self._peers.open_match(game, mode)
        if found is not None:
            owner, match = found
            self._peers.sent(owner, match, game)
            named = msgspec.structs.replace(request, match=match.id, game="", mode="")
            try:
                return await self._cluster.ask(owner, named, link), owner
            except (JoinRefused, TimeoutError):
                self._peers.refused(owner, match)
                return None
        calmer = self._peers.calmer(self._cluster.load)
        if calmer is not None:
            try:
                return await self._cluster.ask(calmer, request, link), calmer
            except (JoinRefused, TimeoutError):
                return None
        return None

    async def find(
        self, request: from_client.Entry, link: Link, *, again: int = ASKED_AGAIN
    ) -> tuple[Seated, str]:
        """A seat in the match that ``request`` names, on whatever node has it, or here if nobody
        has. Raises ``JoinRefused``, ``StoreUnavailable``."""
        refused = JoinRefused(ErrorCode.MATCH_ELSEWHERE, "another node holds it; try again")
        for _ in range(again):
            holder = None
            if not self._local.runs(MatchId(request.match)):
                holder = await self._cluster.store.holder(MatchId(request.match))
                if holder is None:
                    text = f"match {request.match} is not known, or over"
                    raise JoinRefused(ErrorCode.UNKNOWN_MATCH, text)
                if holder == "" and self._local.draining:
                    holder = self._peers.calmest()
            try:
                if holder and holder != self._cluster.node:
                    return await self._cluster.ask(holder, request, link), holder
                return await self._local.join(request, link.identity, link), ""
            except TimeoutError:
                pass
            except JoinRefused as error:
                if error.code not in (ErrorCode.MATCH_ELSEWHERE, ErrorCode.DRAINING):
                    raise
                refused = error
            await asyncio.sleep(PAUSE_S * (0.5 + self._cluster.entropy.jitter()))
        raise refused
