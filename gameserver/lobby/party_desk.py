"""The players' side of parties, on any node.

    read the party ─► drop who is gone ─► what the change makes of it ─► write, if nothing has
         ▲                                                                 changed meanwhile
         └──────────────────── it has: begin anew ◄────────────────────────┘

A waiting ticket belongs to those who took it: where one of them leaves the party it is given up
first, for all. One that has found its match is not: the match is everybody's own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gameserver.errors import TicketRefused, Unavailable
from gameserver.friendship import Blocks
from gameserver.hosting import Created, Hosting, Wanted
from gameserver.ids import MatchId, PlayerId
from gameserver.lobby import party as rules
from gameserver.matchmaking import ACTIVE, Member, Queue, TicketView, Wish
from gameserver.matchmaking_ports import Matchmaking
from gameserver.parties import (
    Gathering,
    Invitation,
    Notice,
    Party,
    PartyId,
    PartyNews,
    PartyNotice,
    PartyRefused,
    PartyStore,
    Wrote,
)
from gameserver.ports import Clock, Entropy, Identity

logger = logging.getLogger(__name__)

_TRIES = 10
Change = Callable[[Party], Party | None]


class PartyDesk:
    """Implements ``parties.Parties``. ``size_max``: players of a party; ``invite_ms``: how long an
    invite may be accepted; ``blocks``: who hears of whose invites; the one who
    invites is not told."""

    def __init__(
        self,
        *,
        store: PartyStore,
        news: PartyNews,
        matchmaking: Matchmaking,
        hosting: Hosting,
        clock: Clock,
        entropy: Entropy,
        size_max: int,
        invite_ms: int,
        blocks: Blocks | None = None,
    ) -> None:
        self._store = store
        self._news = news
        self._matchmaking = matchmaking
        self._hosting = hosting
        self._clock = clock
        self._entropy = entropy
        self._size_max = size_max
        self._invite_ms = invite_ms
        self._blocks = blocks

    # ── one's own party ──────────────────────────────────────────────────────────────────────

    async def create(self, player: PlayerId) -> Party:
        """A party of one. Raises ``PartyRefused``: ``already_in_party``."""
        party = self._stamped(rules.founded(PartyId(self._entropy.match_id()), player))
        wrote = await self._store.write(None, party, now_ms=self._clock.wall_ms())
        if wrote is not Wrote.WRITTEN:
            raise _already_in_party()
        return party

    async def look(self, player: PlayerId) -> Party:
        """The player's party. Raises ``PartyRefused``: ``no_party``."""
        return (await self._change(await self._own(player), player, lambda party: party))[1]

    async def disband(self, player: PlayerId) -> None:
        """End the party, as its leader."""
        name = await self._own(player)
        before, _ = await self._change(
            name, player, lambda party: rules.disbanded(party, player), parting=True
        )
        others = [one for one in (*before.members, *before.invites) if one != player]
        self._tell(others, Notice.DISBANDED, before, player)

    async def leave(self, player: PlayerId) -> None:
        """Be no member any more; where the leader leaves, the next one leads."""
        name = await self._own(player)
        before, after = await self._change(
            name, player, lambda party: party.without((player,)), parting=True
        )
        if after.members != before.members:
            self._tell(after.members, Notice.LEFT, after, player)
        if after.leader != before.leader and after.members:
            self._tell(after.members, Notice.LEADER, after, after.leader)

    # ── invites ──────────────────────────────────────────────────────────────────────────────

    async def invite(self, player: PlayerId, guest: PlayerId) -> Party:
        """Invite somebody, as the leader."""
        now_ms = self._clock.wall_ms()
        until_ms = now_ms + self._invite_ms
        _, party = await self._change(
            await self._own(player),
            player,
            lambda party: rules.invited(
                party, player, guest, now_ms=now_ms, until_ms=until_ms, size_max=self._size_max
            ),
        )
        if guest not in party.members and player not in await self._blocked_by(guest):
            self._tell([guest], Notice.INVITED, party, player, until_ms=until_ms)
        return party

    async def withdraw(self, player: PlayerId, guest: PlayerId) -> Party:
        """Take an invite back, as the leader."""
        name = await self._own(player)
        return (
            await self._change(name, player, lambda party: rules.withdrawn(party, player, guest))
        )[1]

    async def invitations(self, player: PlayerId) -> list[Invitation]:
        """Those that may be accepted now."""
        now_ms = self._clock.wall_ms()
        blocked = await self._blocked_by(player)
        found = []
        for name in await self._store.invited_to(player, now_ms=now_ms):
            stored = await self._store.find(name)
            if stored is None or (until_ms := stored.party.invites.get(player, 0)) <= now_ms:
                continue
            party = stored.party.without(stored.away)
            if party is not None and party.leader not in blocked:
                found.append(Invitation(party=party, until_ms=until_ms))
        return found

    async def _blocked_by(self, player: PlayerId) -> frozenset[PlayerId]:
        """Nobody, where that cannot be known now: an invite too many does less harm than none."""
        if self._blocks is None:
            return frozenset()
        try:
            return await self._blocks.blocked_by(player)
        except Unavailable:
            return frozenset()

    async def accept(self, player: PlayerId, party: PartyId) -> Party:
        """Come in. Raises ``PartyRefused``: ``no_invite``, ``party_full``, ``already_in_party``."""
        now_ms = self._clock.wall_ms()
        before, after = await self._change(
            party,
            None,
            lambda party: rules.accepted(party, player, now_ms=now_ms, size_max=self._size_max),
        )
        if after.members != before.members:
            self._tell(after.members, Notice.JOINED, after, player)
        return after

    async def decline(self, player: PlayerId, party: PartyId) -> None:
        """Do not come. Raises ``PartyRefused``: ``no_invite`` where there is no such party."""
        before, after = await self._change(party, None, lambda party: rules.declined(party, player))
        if after.invites != before.invites:
            self._tell([after.leader], Notice.DECLINED, after, player)

    # ── leading ──────────────────────────────────────────────────────────────────────────────

    async def kick(self, player: PlayerId, member: PlayerId) -> Party:
        """Put a member out, as the leader."""
        before, after = await self._change(
            await self._own(player),
            player,
            lambda party: rules.kicked(party, player, member),
            parting=True,
        )
        if after.members != before.members:
            self._tell([member, *after.members], Notice.KICKED, after, member)
        return after

    async def promote(self, player: PlayerId, member: PlayerId) -> Party:
        """Let another member lead, as the leader."""
        before, after = await self._change(
            await self._own(player), player, lambda party: rules.promoted(party, player, member)
        )
        if after.leader != before.leader:
            self._tell(after.members, Notice.LEADER, after, member)
        return after

    async def queue(
        self,
        player: PlayerId,
        queue: Queue,
        wish: Wish,
        *,
        roles: Mapping[PlayerId, tuple[str, ...]],
        key: str,
    ) -> TicketView:
        """One ticket for all members, as the leader. Raises ``TicketRefused`` as well."""
        party = await self._led(player)
        if strangers := set(roles) - set(party.members):
            raise PartyRefused(rules.NOT_A_MEMBER, f"{min(strangers)} is no member")
        members = [Member(one, roles.get(one, ())) for one in _leader_first(party)]
        view = await self._matchmaking.enter(queue, members, wish, key=key)
        self._tell(party.members, Notice.QUEUED, party, player)
        return view

    async def create_match(self, identity: Identity, wanted: Wanted) -> Created:
        """A match with a seat kept for each member, as the leader."""
        party = await self._led(identity.player_id)
        others = _leader_first(party)[1:]
        wanted = msgspec.structs.replace(wanted, reserve=others)
        made = await self._hosting.create(wanted, identity)
        self._tell_match(party, made.match, made.reserved_until_ms)
        return made

    async def enter_match(self, identity: Identity, match: MatchId) -> Gathering:
        """A seat kept for each member in a match that runs, or for none, as the leader."""
        party = await self._led(identity.player_id)
        until_ms = await self._hosting.bring(match, _leader_first(party))
        self._tell_match(party, match, until_ms)
        return Gathering(match=match, until_ms=until_ms)

    def _tell_match(self, party: Party, match: MatchId, until_ms: int) -> None:
        self._tell(party.members, Notice.MATCH, party, party.leader, match=match, until_ms=until_ms)

    async def _led(self, player: PlayerId) -> Party:
        party = await self.look(player)
        if party.leader != player:
            raise PartyRefused(rules.NOT_LEADER, "only the leader may do this")
        return party

    # ── changes ──────────────────────────────────────────────────────────────────────────────

    async def _own(self, player: PlayerId) -> PartyId:
        name = await self._store.party_of(player)
        if name is None:
            raise _no_party()
        await self._store.seen([player])
        return name

    async def _change(
        self, name: PartyId, by: PlayerId | None, change: Change, *, parting: bool = False
    ) -> tuple[Party, Party]:
        """The party before and after; after its end it has no members. ``by`` has to be a member;
        ``None``: one who is invited asks. ``parting``: tickets of who goes are given up first."""
        stamp = ""
        for _ in range(_TRIES):
            found = await self._store.find(name)
            if found is None:
                raise _no_party() if by is not None else _no_invite()
            if stamp and found.party.stamp == stamp:
                return found.party, found.party  # The answer to an earlier write was lost.
            kept = found.party.without(found.away)
            if kept is None or (by is not None and by not in kept.members):
                raise _no_party() if by is not None else _no_invite()
            made = change(kept)
            if made == found.party:
                return kept, kept
            if parting:
                members = () if made is None else made.members
                await self._give_up([one for one in kept.members if one not in members])
            after = None if made is None else self._stamped(made)
            now_ms = self._clock.wall_ms()
            match await self._store.write(found.party, after, now_ms=now_ms):
                case Wrote.WRITTEN:
                    return kept, after or msgspec.structs.replace(kept, members=(), invites={})
                case Wrote.TAKEN:
                    raise _already_in_party()
                case Wrote.CROWDED:
                    raise PartyRefused(rules.TOO_MANY_INVITES, "the player has too many invites")
                case Wrote.STALE:
                    stamp = "" if after is None else after.stamp
        raise PartyRefused(rules.BUSY, "the party changes all the time; try again")

    async def _give_up(self, players: Sequence[PlayerId]) -> None:
        """Tickets that these have taken together with others."""
        for player in players:
            try:
                view = await self._matchmaking.look(player, why=False)
                ticket = view.standing.ticket
                if view.standing.stage in ACTIVE and ticket is not None and ticket.size > 1:
                    await self._matchmaking.cancel(player)
            except TicketRefused as refused:
                logger.debug("no ticket to give up", extra={"code": refused.code})

    def _stamped(self, party: Party) -> Party:
        return msgspec.structs.replace(party, stamp=f"{self._entropy.seed():x}")

    def _tell(
        self,
        players: Sequence[PlayerId],
        kind: Notice,
        party: Party,
        player: PlayerId,
        *,
        match: str = "",
        until_ms: int = 0,
    ) -> None:
        notice = PartyNotice(
            kind=kind, party=party.id, player=player, match=match, until_ms=until_ms
        )
        self._news.tell(players, notice)


def _leader_first(party: Party) -> list[PlayerId]:
    return [party.leader, *(one for one in party.members if one != party.leader)]


def _no_party() -> PartyRefused:
    return PartyRefused(rules.NO_PARTY, "you are in no party")


def _no_invite() -> PartyRefused:
    return PartyRefused(rules.NO_INVITE, "you are not invited, or not any more")


def _already_in_party() -> PartyRefused:
    return PartyRefused(rules.ALREADY_IN_PARTY, "leave your party first")
