"""Parties in memory: the store, for any number of nodes, and what players are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.config import Config
from gameserver.errors import TicketRefused
from gameserver.hosting import Hosting
from gameserver.ids import PlayerId
from gameserver.lobby.party_desk import PartyDesk
from gameserver.matchmaking import Member, Queue, QueueView, TicketView, Wish
from gameserver.matchmaking_ports import Matchmaking
from gameserver.parties import INVITES_MAX, Found, Party, PartyId, PartyNotice, Wrote


async def _at_once() -> None:
    await asyncio.sleep(0)


class MemoryParties:
    """Implements ``parties.PartyStore``. ``leg``: awaited before and after each call's one step,
    so that a test may let calls of several nodes overtake each other, or fail."""

    def __init__(
        self,
        wall_ms: Callable[[], float],
        *,
        away_ms: int,
        leg: Callable[[], Awaitable[None]] = _at_once,
    ) -> None:
        self._wall_ms = wall_ms
        self.away_ms = away_ms
        self._leg = leg
        self.parties: dict[PartyId, tuple[Party, float]] = {}
        self.notes: dict[PlayerId, tuple[PartyId, float]] = {}
        self.invites: dict[PlayerId, dict[PartyId, int]] = {}

    def note(self, player: PlayerId) -> PartyId | None:
        """The party of a player who is not away."""
        party, until_ms = self.notes.get(player, (None, 0.0))
        return party if until_ms > self._wall_ms() else None

    def party(self, name: PartyId) -> Party | None:
        """A party that lives."""
        party, until_ms = self.parties.get(name, (None, 0.0))
        return party if until_ms > self._wall_ms() else None

    async def party_of(self, player: PlayerId) -> PartyId | None:
        await self._leg()
        noted = self.note(player)
        await self._leg()
        return noted

    async def find(self, party: PartyId) -> Found | None:
        await self._leg()
        found = self.party(party)
        if found is None:
            return None
        await self._leg()
        return Found(found, frozenset(one for one in found.members if self.note(one) != party))

    async def write(self, before: Party | None, after: Party | None, *, now_ms: int) -> Wrote:
        await self._leg()
        wrote = self._write(before, after, now_ms)
        await self._leg()
        return wrote

    def _write(self, before: Party | None, after: Party | None, now_ms: int) -> Wrote:
        party = after or before
        if party is None:
            return Wrote.WRITTEN
        stored = self.party(party.id)
        if after is not None and stored is not None and stored.stamp == after.stamp:
            return Wrote.WRITTEN
        if (None if stored is None else stored.stamp) != (None if before is None else before.stamp):
            return Wrote.STALE
        was, then = (() if one is None else one.members for one in (before, after))
        coming = [one for one in then if one not in was]
        if any(self.note(one) not in (None, party.id) for one in coming):
            return Wrote.TAKEN
        old, new = ({} if one is None else one.invites for one in (before, after))
        asked = [one for one, until in new.items() if old.get(one) != until]
        for one in asked:
            lists = self.invites.get(one, {})
            others = [each for each, until in lists.items() if until > now_ms and each != party.id]
            if len(others) >= INVITES_MAX:
                return Wrote.CROWDED
        until_ms = self._wall_ms() + self.away_ms
        _, lives_ms = self.parties.pop(party.id, (None, 0.0))
        if after is not None:
            self.parties[party.id] = after, max(lives_ms, until_ms)
        for one in coming:
            self.notes[one] = party.id, until_ms
        for one in was:
            if one not in then and self.note(one) == party.id:
                del self.notes[one]
        for one in asked:
            self.invites.setdefault(one, {})[party.id] = new[one]
        for one in old:
            if one not in new:
                self.invites.get(one, {}).pop(party.id, None)
        return Wrote.WRITTEN

    async def invited_to(self, player: PlayerId, *, now_ms: int) -> list[PartyId]:
        await self._leg()
        found = self.invites.get(player, {}).items()
        return sorted(party for party, until_ms in found if until_ms > now_ms)

    async def seen(self, players: Sequence[PlayerId]) -> None:
        await self._leg()
        until_ms = self._wall_ms() + self.away_ms
        for player in players:
            if (name := self.note(player)) is None:
                continue
            self.notes[player] = name, max(until_ms, self.notes[player][1])
            if (party := self.party(name)) is not None:
                self.parties[name] = party, max(until_ms, self.parties[name][1])


class MemoryPartyNews:
    """Implements ``parties.PartyNews``; ``told``: to whom, what."""

    def __init__(self) -> None:
        self.told: list[tuple[PlayerId, PartyNotice]] = []

    def tell(self, players: Sequence[PlayerId], notice: PartyNotice) -> None:
        self.told += [(player, notice) for player in players]

    def kinds(self, player: str) -> list[str]:
        """What a player was told, in words."""
        return [str(notice.kind) for one, notice in self.told if one == player]


class NoTickets:
    """Implements ``matchmaking_ports.Matchmaking`` where nobody queues."""

    async def enter(
        self, queue: Queue, members: Sequence[Member], wish: Wish, *, key: str
    ) -> TicketView:
        raise TicketRefused("unknown_queue", "there are no queues")

    async def look(self, player: PlayerId, *, why: bool) -> TicketView:
        raise TicketRefused("no_ticket", "you are in no queue")

    async def cancel(self, player: PlayerId) -> TicketView:
        raise TicketRefused("no_ticket", "you are in no queue")

    async def answer(self, player: PlayerId, *, ready: bool) -> TicketView:
        raise TicketRefused("no_ticket", "you are in no queue")

    async def queues(self) -> list[QueueView]:
        return []


def desk_in_memory(
    store: MemoryParties, news: MemoryPartyNews, matchmaking: Matchmaking, hosting: Hosting
) -> PartyDesk:
    """The desk of one node, with the usual bounds."""
    config = Config()
    return PartyDesk(
        store=store,
        news=news,
        matchmaking=matchmaking,
        hosting=hosting,
        clock=WallClock(),
        entropy=SystemEntropy(),
        size_max=config.party_size_max,
        invite_ms=config.party_invite_ms,
    )
