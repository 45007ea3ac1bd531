"""Parties: players who stay together from match to match. Values, and what the layers ask of each
other for them.

    HTTP API ──Parties──► lobby.party_desk ─┬─ lobby.party    what a change makes of a party; pure
                                            ├─ PartyStore     Redis: compare and set, all or nothing
                                            ├─ PartyNews      to the members, wherever they are
                                            └─ Matchmaking, Hosting

A player is in one party at most. The party is one value under one key; whoever changes it names the
value that it was made from, so that of two changes at once one is made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import NewType, Protocol

import msgspec

from gameserver.errors import GameServerError
from gameserver.hosting import Created, Wanted
from gameserver.ids import MatchId, PlayerId
from gameserver.matchmaking import Queue, TicketView, Wish
from gameserver.ports import Identity

PartyId = NewType("PartyId", str)
"""26 characters, as a match's."""

INVITES_MAX = 16
"""Of one party, and to one player, at a time; further ones are refused."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """``members``: in the order in which they came, the leader among them; ``invites``: to whom,
    and until when (wall ms); ``stamp`` differs with each value that is stored."""

    id: PartyId
    leader: PlayerId
    members: tuple[PlayerId, ...]
    invites: dict[PlayerId, int] = {}
    stamp: str = ""

    def without(self, gone: Collection[PlayerId]) -> Party | None:
        """These are members no more. Where the leader is among them, who has been there the longest
        leads; ``None``: nobody is left."""
        members = tuple(one for one in self.members if one not in gone)
        if members == self.members:
            return self
        if not members:
            return None
        leader = self.leader if self.leader in members else members[0]
        return msgspec.structs.replace(self, members=members, leader=leader)

    def uninvited(self, guest: PlayerId) -> Party:
        """The same without an invite."""
        if guest not in self.invites:
            return self
        invites = {one: until for one, until in self.invites.items() if one != guest}
        return msgspec.structs.replace(self, invites=invites)


class PartyRefused(GameServerError):
    """It cannot be done; ``code`` is a stable word, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Found(msgspec.Struct, frozen=True):
    """A party; ``away``: members who have not been seen for so long that they are gone."""

    party: Party
    away: frozenset[PlayerId]


class Wrote(StrEnum):
    """The answer to a write. All but the first: nothing was changed."""

    WRITTEN = "written"  # now, or by an earlier try
    STALE = "stale"  # the party is not what it was
    TAKEN = "taken"  # who comes in is in another party
    CROWDED = "crowded"  # who is invited has as many invites as there may be


class PartyStore(Protocol):
    """All parties of a cluster; every method may raise ``StoreUnavailable``, after which what was
    asked may or may not have happened."""

    async def party_of(self, player: PlayerId) -> PartyId | None:
        """The party that is noted for the player."""

    async def find(self, party: PartyId) -> Found | None:
        """A party as it is."""

    async def write(self, before: Party | None, after: Party | None, *, now_ms: int) -> Wrote:
        """Put ``after`` in the place of ``before``, with all that follows for players who come in,
        leave, are invited or are so no more; all of it or nothing. ``None``: no party."""

    async def invited_to(self, player: PlayerId, *, now_ms: int) -> list[PartyId]:
        """Whose invites the player has; some may be withdrawn."""

    async def seen(self, players: Sequence[PlayerId]) -> None:
        """These players are here: those of them who are in parties stay members."""


class Notice(StrEnum):
    """What members, and those who are invited, are told."""

    INVITED = "invited"
    JOINED = "joined"
    DECLINED = "declined"
    LEFT = "left"
    KICKED = "kicked"
    LEADER = "leader"  # another one leads
    DISBANDED = "disbanded"
    QUEUED = "queued"  # matchmaking tells all that follows
    MATCH = "match"  # seats are kept: join it


class PartyNotice(msgspec.Struct, frozen=True, kw_only=True):
    """``player``: whom it is about; ``match``: of ``MATCH``; ``until_ms``: wall time at which an
    invite or a kept seat ends, else 0."""

    kind: Notice
    party: PartyId
    player: PlayerId
    match: str = ""
    until_ms: int = 0


class PartyNews(Protocol):
    """Tells players, on whatever node they are; at most once. Returns at once."""

    def tell(self, players: Sequence[PlayerId], notice: PartyNotice) -> None: ...


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invite as its receiver sees it."""

    party: Party
    until_ms: int


class Gathering(msgspec.Struct, frozen=True, kw_only=True):
    """A match with a seat for each member; ``until_ms``: wall time until which they are kept."""

    match: MatchId
    until_ms: int


class Parties(Protocol):
    """For players, on any node. Every method raises ``PartyRefused`` and ``StoreUnavailable``; the
    first player is who asks."""

    async def create(self, player: PlayerId) -> Party: ...
    async def look(self, player: PlayerId) -> Party: ...
    async def disband(self, player: PlayerId) -> None: ...
    async def leave(self, player: PlayerId) -> None: ...
    async def invite(self, player: PlayerId, guest: PlayerId) -> Party: ...
    async def withdraw(self, player: PlayerId, guest: PlayerId) -> Party: ...
    async def invitations(self, player: PlayerId) -> list[Invitation]: ...
    async def accept(self, player: PlayerId, party: PartyId) -> Party: ...
    async def decline(self, player: PlayerId, party: PartyId) -> None: ...
    async def kick(self, player: PlayerId, member: PlayerId) -> Party: ...
    async def promote(self, player: PlayerId, member: PlayerId) -> Party: ...
    async def create_match(self, identity: Identity, wanted: Wanted) -> Created:
        """A match with a seat kept for each member. Raises what ``Hosting.create`` does."""

    async def enter_match(self, identity: Identity, match: MatchId) -> Gathering:
        """A seat kept for each member in a match that runs, or for none. Raises what
        ``Hosting.bring`` does."""

    async def queue(
        self,
        player: PlayerId,
        queue: Queue,
        wish: Wish,
        *,
        roles: Mapping[PlayerId, tuple[str, ...]],
        key: str,
    ) -> TicketView:
        """One ticket for all members. Raises ``TicketRefused`` as well."""
