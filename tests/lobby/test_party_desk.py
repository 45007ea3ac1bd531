"""What becomes of parties at the desk, over a store that all nodes share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from gameserver.errors import StoreUnavailable, TicketRefused, Unavailable
from gameserver.friendship import Blocks
from gameserver.hosting import HostRefused, Wanted
from gameserver.ids import MatchId, PlayerId
from gameserver.lobby import party as rules
from gameserver.lobby.party_desk import PartyDesk
from gameserver.lobby.party_watch import PartyWatch
from gameserver.matchmaking import Queue, Wish
from gameserver.matchmaking_ports import Matchmaking
from gameserver.parties import Party, PartyId, PartyRefused
from gameserver.ports import Identity
from gameserver.wire.to_client import ErrorCode
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_hosting import MemoryHosting
from tests.fakes.memory_parties import MemoryParties, MemoryPartyNews, NoTickets
from tests.lobby.hall import Hall
from tests.match.house import in_virtual_time

ANN, BOB, CID, DAN = (PlayerId(name) for name in ("ann", "bob", "cid", "dan"))
AWAY_S, INVITE_S, SIZE_MAX = 600.0, 120.0, 3
FILLED = Queue("pairs", "filled")
NAMES = [PlayerId(f"p{n}") for n in range(5)]


def who(player: PlayerId) -> Identity:
    return Identity(player_id=player, name=player, groups=(), expires_ms=0, token_use="access")


class World:
    """Two nodes over one store."""

    def __init__(
        self, matchmaking: Matchmaking | None = None, *, blocks: Blocks | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.leg_failures: list[Exception | None] = []
        self.store = MemoryParties(
            lambda: EPOCH_MS + loop.time() * 1000, away_ms=int(AWAY_S * 1000), leg=self._leg
        )
        self.news, self.hosting = MemoryPartyNews(), MemoryHosting()
        self.one, self.two = (
            PartyDesk(
                store=self.store,
                news=self.news,
                matchmaking=matchmaking or NoTickets(),
                hosting=self.hosting,
                clock=LoopClock(loop.time),
                entropy=SeededEntropy(7, node),
                size_max=SIZE_MAX,
                invite_ms=int(INVITE_S * 1000),
                blocks=blocks,
            )
            for node in range(2)
        )

    async def _leg(self) -> None:
        await asyncio.sleep(0)
        failure = self.leg_failures.pop(0) if self.leg_failures else None
        if failure is not None:
            raise failure

    async def party(self, *players: PlayerId) -> Party:
        """A party of these, whom the first leads."""
        party = await self.one.create(players[0])
        for player in players[1:]:
            await self.one.invite(players[0], player)
            party = await self.two.accept(player, party.id)
        self.news.told.clear()
        return party


async def refused(call: Awaitable[Any]) -> str:
    with pytest.raises((PartyRefused, TicketRefused, HostRefused)) as error:
        await call
    return str(error.value.code)


@in_virtual_time
async def test_a_party_from_its_first_member_to_its_end() -> None:
    world = World()
    party = await world.one.create(ANN)
    assert (party.leader, party.members) == (ANN, (ANN,))
    await world.one.invite(ANN, BOB)
    [invitation] = await world.two.invitations(BOB)
    assert invitation.party.id == party.id
    await world.two.accept(BOB, party.id)
    assert (await world.one.look(ANN)).members == (ANN, BOB)
    await world.one.invite(ANN, CID)
    await world.two.decline(CID, party.id)
    assert await world.two.invitations(CID) == []
    await world.two.promote(ANN, BOB)
    assert await refused(world.one.kick(ANN, BOB)) == rules.NOT_LEADER
    await world.one.kick(BOB, ANN)
    assert await refused(world.one.look(ANN)) == rules.NO_PARTY
    await world.one.invite(BOB, ANN)
    await world.one.disband(BOB)
    assert await refused(world.two.look(BOB)) == rules.NO_PARTY
    assert await world.one.invitations(ANN) == [] and not world.store.parties
    assert world.news.kinds("ann") == [
        "joined", "declined", "leader", "kicked", "invited", "disbanded"
    ]  # fmt: skip
    assert world.news.kinds("bob") == ["invited", "joined", "leader", "kicked"]


@in_virtual_time
async def test_a_player_is_in_one_party() -> None:
    world = World()
    await world.party(ANN, BOB)
    other = await world.one.create(CID)
    await world.one.invite(CID, BOB)
    assert await refused(world.one.accept(BOB, other.id)) == rules.ALREADY_IN_PARTY
    assert await refused(world.two.create(BOB)) == rules.ALREADY_IN_PARTY
    await world.two.leave(BOB)
    assert (await world.one.accept(BOB, other.id)).members == (CID, BOB)


@in_virtual_time
async def test_a_full_party_takes_nobody_however_many_accept_at_once() -> None:
    world = World()
    party = await world.one.create(ANN)
    guests = [PlayerId(f"g{n}") for n in range(6)]
    for guest in guests:
        await world.one.invite(ANN, guest)
    answers = await asyncio.gather(
        *(world.two.accept(guest, party.id) for guest in guests), return_exceptions=True
    )
    came = [
        guest for guest, answer in zip(guests, answers, strict=True) if isinstance(answer, Party)
    ]
    assert len(came) == SIZE_MAX - 1
    assert set((await world.one.look(ANN)).members) == {ANN, *came}
    assert await refused(world.one.invite(ANN, DAN)) == rules.PARTY_FULL


@in_virtual_time
async def test_who_is_silent_for_long_is_a_member_no_more() -> None:
    world = World()
    await world.party(ANN, BOB, CID)
    away_ms = int(AWAY_S * 1000)
    failures = [StoreUnavailable("away for a moment"), RuntimeError("a defect")]

    def connected() -> list[PlayerId]:
        if failures:
            raise failures.pop()
        return [CID, DAN]

    watch = PartyWatch(world.store, players=connected, away_ms=away_ms, entropy=SeededEntropy(1))
    await watch.start()
    for _ in range(4):
        await asyncio.sleep(AWAY_S / 3)
        await world.one.look(BOB)
    await watch.stop()
    party = await world.one.look(BOB)
    assert (party.leader, party.members) == (BOB, (BOB, CID)), "who is connected stays"
    assert await refused(world.one.look(ANN)) == rules.NO_PARTY
    await world.one.invite(BOB, ANN)
    assert (await world.one.accept(ANN, party.id)).members == (BOB, CID, ANN)
    await asyncio.sleep(AWAY_S + 1)
    assert not any(world.store.party(name) for name in world.store.parties)
    await world.one.create(BOB)


@in_virtual_time
async def test_an_answer_that_is_lost_does_no_harm() -> None:
    """Whatever leg of a call is lost: who repeats the call gets what the first one would have."""
    for lost in range(8):
        world = World()
        party = await world.party(ANN, BOB)
        await world.one.invite(ANN, CID)
        world.leg_failures = [None] * lost + [StoreUnavailable("lost")]
        try:
            await world.two.accept(CID, party.id)
        except StoreUnavailable:
            await world.one.accept(CID, party.id)
        world.leg_failures = [None] * lost + [StoreUnavailable("lost")]
        try:
            await world.two.leave(BOB)
        except StoreUnavailable:
            try:
                await world.one.leave(BOB)
            except PartyRefused as error:
                assert error.code == rules.NO_PARTY
        world.leg_failures = []
        assert (await world.one.look(ANN)).members == (ANN, CID)
        assert await refused(world.one.look(BOB)) == rules.NO_PARTY


@in_virtual_time
async def test_a_party_queues_as_one_and_who_leaves_it_gives_the_ticket_up() -> None:
    hall = Hall(2)
    async with hall as (one, two):
        world = World(one.lobby)
        await world.party(ANN, BOB)
        assert (
            await refused(world.one.queue(BOB, FILLED, Wish(), roles={}, key="k")) == "not_leader"
        )
        strange = {CID: ("healer",)}
        assert (
            await refused(world.one.queue(ANN, FILLED, Wish(), roles=strange, key="k"))
            == "not_a_member"
        )
        ticket = await world.one.queue(ANN, FILLED, Wish(), roles={}, key="k")
        assert ticket.standing.ticket is not None
        assert [each.player for each in ticket.standing.ticket.players] == [ANN, BOB]
        assert world.news.kinds("bob") == ["queued"]
        match = await two.match("bob")
        assert await one.match("ann") == match, "two of three may begin, and stay together"

        await world.one.leave(BOB)
        assert await two.match("bob") == match, "what is found is found"
        await world.party(CID, DAN)
        await world.one.queue(CID, Queue("pairs", "filled"), Wish(), roles={}, key="k")
        await world.one.kick(CID, DAN)
        assert await refused(one.lobby.look(DAN, why=False)) == "no_ticket"
        assert await refused(one.lobby.look(CID, why=False)) == "no_ticket"


@in_virtual_time
async def test_a_ticket_of_ones_own_is_no_business_of_the_party() -> None:
    hall = Hall(1)
    async with hall as (one,):
        world = World(one.lobby)
        await world.party(ANN, BOB)
        await one.enter("bob")
        assert await refused(world.one.queue(ANN, FILLED, Wish(), roles={}, key="k")) == (
            "already_queued"
        )
        await world.one.leave(BOB)
        assert await one.stage("bob") == "waiting"


@in_virtual_time
async def test_a_party_gets_seats_for_all_or_for_nobody() -> None:
    world = World()
    await world.party(ANN, BOB, CID)
    wanted = Wanted(game="arena", mode="standard")
    assert await refused(world.one.create_match(who(BOB), wanted)) == rules.NOT_LEADER
    made = await world.one.create_match(who(ANN), wanted)
    [(asked, by)] = world.hosting.wanted
    assert (by, asked.reserve) == (ANN, [BOB, CID])
    assert (
        await refused(
            world.one.create_match(who(ANN), msgspec.structs.replace(wanted, players_max=2))
        )
        == "bad_terms"
    )
    gathering = await world.one.enter_match(who(ANN), MatchId("m1"))
    assert world.hosting.brought == [("m1", ANN, BOB, CID)]
    world.hosting.refusal = HostRefused(ErrorCode.MATCH_FULL, "the match has no free seat")
    assert await refused(world.one.enter_match(who(ANN), MatchId("m2"))) == ErrorCode.MATCH_FULL
    told = [(notice.match, notice.until_ms) for to, notice in world.news.told if to == CID]
    assert told == [(made.match, made.reserved_until_ms), ("m1", gathering.until_ms)]


class History:
    """Four lives on two nodes, whose calls are late and lose their answers by chance."""

    def __init__(self, seed: int) -> None:
        self.chance, self.world = random.Random(seed), World()
        self.world.store._leg = self._leg  # type: ignore[method-assign]

    async def _leg(self) -> None:
        await asyncio.sleep(self.chance.random())
        if self.chance.random() < 0.03:
            raise StoreUnavailable("lost")

    async def run(self) -> None:
        one, two = self.world.one, self.world.two
        await asyncio.gather(*map(self._live, (one, two, one, two)))

    async def _live(self, desk: PartyDesk) -> None:
        for _ in range(40):
            try:
                await self._act(desk)
            except (PartyRefused, StoreUnavailable):
                pass

    async def _act(self, desk: PartyDesk) -> None:
        one, other = self.chance.sample(NAMES, 2)
        if self.chance.random() < 0.3:
            await self.chance.choice([desk.create, desk.leave, desk.disband, desk.look])(one)
        elif self.chance.random() < 0.7:
            await self.chance.choice([desk.invite, desk.kick, desk.promote])(one, other)
        for invitation in await desk.invitations(other):
            await desk.accept(other, invitation.party.id)


@in_virtual_time
async def test_nodes_that_act_at_once_agree() -> None:
    for seed in range(12):
        history = History(seed)
        await history.run()
        store, seats = history.world.store, dict[PlayerId, PartyId]()
        for name in list(store.parties):
            party = store.party(name)
            assert party is not None and party.leader in party.members
            assert len(party.members) <= SIZE_MAX
            for member in party.members:
                assert store.note(member) == name
                assert seats.setdefault(member, name) == name
        assert set(seats) == {one for one in NAMES if store.note(one)}


class Walls:
    """Implements ``friendship.Blocks``: BOB has blocked ANN. ``away``: nobody can be asked."""

    away = False

    async def blocked_by(self, player_id: PlayerId) -> frozenset[PlayerId]:
        if self.away:
            raise Unavailable("the table is away")
        return frozenset({ANN} if player_id == BOB else ())


async def test_nobody_hears_of_the_invites_of_a_player_whom_they_blocked() -> None:
    walls = Walls()
    world = World(blocks=walls)
    await world.one.create(ANN)
    party = await world.one.invite(ANN, BOB)
    assert BOB in party.invites  # ANN is told nothing else than of anybody
    assert world.news.kinds(BOB) == [] and await world.two.invitations(BOB) == []
    await world.one.invite(ANN, CID)
    assert world.news.kinds(CID) == ["invited"]
    assert [one.party.id for one in await world.two.invitations(CID)] == [party.id]
    walls.away = True
    assert [one.party.id for one in await world.two.invitations(BOB)] == [party.id]
