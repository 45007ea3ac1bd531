"""Friends: the table of what two are to one another, and the acts of many players at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.errors import StoreUnavailable, TableUnavailable
from gameserver.friendship import (
    CHANGES,
    NOTHING,
    PAIRS,
    Act,
    ActRefused,
    Refusal,
    Side,
    after,
    shown,
)
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.players.friends import ACCEPTED, REQUEST, Bounds, Friends
from gameserver.players.port import PublicProfile
from gameserver.whereabouts import Where, Whereabouts
from tests.fakes.clock import EPOCH_MS, LoopClock, SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.fakes.memory_friends import MemoryFriends
from tests.fakes.memory_notifier import MemoryNotifier

ANN, BEN, EVE = PlayerId("ann"), PlayerId("ben"), PlayerId("eve")
IN_MATCH = Whereabouts(where=Where.MATCH, game="arena", match="m1")


# ── the table ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_an_act_leads_to_a_pair_that_there_is_and_may_be_repeated(act: Act, pair: Any) -> None:
    then = after(pair, act)
    if then is None:
        return
    assert then in PAIRS
    assert (then[0] is Side.NONE) == (then[1] is Side.NONE)
    if act is not Act.DECLINE:
        assert after(then, act) == then
    if shown(pair[1]) is Side.BLOCKED:
        assert then[1] is Side.BLOCKED, "nobody but themselves undoes a block"


def test_pairs_are_looked_at_from_both_sides() -> None:
    assert {pair[::-1] for pair in PAIRS} == set(PAIRS)
    reached = {then for changes in CHANGES.values() for then in changes.values()}
    assert {pair for pair in PAIRS if pair in reached or pair[::-1] in reached} == set(PAIRS)


@pytest.mark.parametrize("act", Act)
def test_who_is_blocked_cannot_tell(act: Act) -> None:
    """Before a block and after it, the same acts show the same: as with one who does not answer."""
    for blocked, free in (
        ((Side.BLOCKED_BY, Side.BLOCKED), NOTHING),
        ((Side.IGNORED, Side.BLOCKED), (Side.ASKED, Side.ASKED_BY)),
    ):
        there, here = after(blocked, act), after(free, act)
        assert (there is None) == (here is None)
        if there is not None and here is not None:
            assert shown(there[0]) is shown(here[0])


# ── the desk ─────────────────────────────────────────────────────────────────────────────────────


class World:
    """Implements ``whereabouts.Finder`` and as much of ``ProfileDesk`` as is asked for."""

    def __init__(self, **bounds: int) -> None:
        loop = asyncio.get_running_loop()
        usual = {"friends": 200, "requests": 100, "blocks": 200}
        self.store = MemoryFriends()
        self.notifier = MemoryNotifier()
        self.failure: Exception | None = None
        self.cache = SharedCache(
            MemoryCacheHub().store(), Config(), entropy=SeededEntropy(1), metrics=Metrics()
        )
        profiles: Any = self
        self.friends = Friends(
            self.store,
            self,
            self.notifier,
            self.cache,
            profiles=profiles,
            bounds=Bounds(**usual | bounds),
            clock=LoopClock(loop.time),
            blocks_ttl_ms=60_000,
        )

    async def public(self, player_id: PlayerId) -> PublicProfile | None:
        if player_id == "nobody":
            return None
        return PublicProfile(player_id=player_id, display_name=player_id, avatar="")

    async def find(self, players: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return dict.fromkeys(players, IN_MATCH)

    async def make_friends(self, one: PlayerId, other: PlayerId) -> None:
        await self.friends.act(one, other, Act.REQUEST)
        assert await self.friends.act(other, one, Act.ACCEPT) is Side.FRIENDS

    def told(self) -> list[tuple[str, str, str]]:
        found = [(player, each.kind, each.sender) for player, each in self.notifier.told]
        self.notifier.told.clear()
        return found

    async def refused(self, one: PlayerId, other: PlayerId, act: Act) -> Refusal:
        with pytest.raises(ActRefused) as refused:
            await self.friends.act(one, other, act)
        return refused.value.refusal


async def test_asked_accepted_removed() -> None:
    world = World()
    desk = world.friends
    assert await desk.act(ANN, BEN, Act.REQUEST) is Side.ASKED
    assert await desk.act(ANN, BEN, Act.REQUEST) is Side.ASKED
    assert world.told() == [("ben", REQUEST, "ann")], "once"
    [asked] = await desk.listed(BEN, Side.ASKED_BY)
    assert (asked.player_id, asked.whereabouts) == ("ann", None)
    assert asked.since_ms >= EPOCH_MS
    assert await world.refused(ANN, BEN, Act.ACCEPT) is Refusal.NOT_ASKED
    assert await desk.act(BEN, ANN, Act.ACCEPT) is Side.FRIENDS
    assert world.told() == [("ann", ACCEPTED, "ben")]
    [friend] = await desk.located(await desk.listed(ANN, Side.FRIENDS))
    assert (friend.player_id, friend.whereabouts) == ("ben", IN_MATCH)
    assert await desk.act(BEN, ANN, Act.REMOVE) is Side.NONE
    assert await desk.act(BEN, ANN, Act.REMOVE) is Side.NONE
    assert await desk.listed(ANN, Side.FRIENDS) == [] == await desk.listed(BEN, Side.FRIENDS)
    assert world.told() == []


async def test_who_asks_one_who_has_asked_is_a_friend() -> None:
    world = World()
    await world.friends.act(ANN, BEN, Act.REQUEST)
    assert await world.friends.act(BEN, ANN, Act.REQUEST) is Side.FRIENDS
    assert world.told() == [("ben", REQUEST, "ann"), ("ann", ACCEPTED, "ben")]


async def test_a_request_is_declined_or_taken_back() -> None:
    world = World()
    desk = world.friends
    for who, act in ((BEN, Act.DECLINE), (ANN, Act.REMOVE), (BEN, Act.REMOVE)):
        await desk.act(ANN, BEN, Act.REQUEST)
        assert await desk.act(who, ANN if who is BEN else BEN, act) is Side.NONE
        assert await desk.listed(BEN, Side.ASKED_BY) == []
    assert [kind for _, kind, _ in world.told()] == [REQUEST] * 3


async def test_who_is_blocked_is_not_told_and_is_not_heard() -> None:
    world = World()
    desk = world.friends
    await world.make_friends(ANN, EVE)
    world.told()
    assert await desk.blocked_by(ANN) == frozenset()
    assert await desk.act(ANN, EVE, Act.BLOCK) is Side.BLOCKED
    assert await desk.blocked_by(ANN) == {EVE}
    assert await desk.blocked_by(EVE) == frozenset()
    assert await desk.act(EVE, ANN, Act.REQUEST) is Side.ASKED
    assert [each.player_id for each in await desk.listed(EVE, Side.ASKED)] == ["ann"]
    assert await desk.listed(ANN, Side.ASKED_BY) == [] and world.told() == []
    assert await world.refused(ANN, EVE, Act.REQUEST) is Refusal.YOU_BLOCK_THEM
    assert await desk.act(ANN, EVE, Act.UNBLOCK) is Side.NONE
    assert await desk.blocked_by(ANN) == frozenset()
    assert await world.store.pair(ANN, EVE) == NOTHING


async def test_bounds() -> None:
    world = World(friends=2, requests=2, blocks=1)
    desk = world.friends
    others = [PlayerId(f"p{number}") for number in range(4)]
    for other in others[:2]:
        await desk.act(ANN, other, Act.REQUEST)
    assert await world.refused(ANN, others[2], Act.REQUEST) is Refusal.LIST_FULL
    for other in others[:2]:
        await desk.act(other, ANN, Act.ACCEPT)
    await desk.act(ANN, others[2], Act.REQUEST)
    assert await world.refused(others[2], ANN, Act.ACCEPT) is Refusal.THEIR_LIST_FULL
    for other in (others[3], EVE):
        await desk.act(other, BEN, Act.REQUEST)
    assert await world.refused(ANN, BEN, Act.REQUEST) is Refusal.THEIR_LIST_FULL
    await desk.act(ANN, EVE, Act.BLOCK)
    assert await world.refused(ANN, BEN, Act.BLOCK) is Refusal.LIST_FULL
    assert await world.refused(ANN, ANN, Act.REQUEST) is Refusal.ONESELF
    nobody = PlayerId("nobody")
    assert await world.refused(BEN, nobody, Act.REQUEST) is Refusal.UNKNOWN_PLAYER
    assert await desk.act(BEN, nobody, Act.REMOVE) is Side.NONE


async def test_acts_at_the_same_time_leave_both_sides_alike() -> None:
    world = World()
    acts = [
        world.friends.act(*who, act)
        for act in (Act.REQUEST, Act.BLOCK, Act.REQUEST, Act.REMOVE)
        for who in ((ANN, BEN), (BEN, ANN))
    ]
    answers = await asyncio.gather(*acts, return_exceptions=True)
    for answer in answers:
        assert isinstance(answer, (Side, ActRefused, TableUnavailable)), answer
    assert await world.store.pair(ANN, BEN) in PAIRS


async def test_a_store_that_is_away() -> None:
    world = World()
    await world.make_friends(ANN, BEN)
    found = await world.friends.listed(ANN, Side.FRIENDS)
    world.failure = StoreUnavailable("no store")
    [friend] = await world.friends.located(found)
    assert friend.whereabouts is None, "the list is there all the same"
    world.store.down = True
    with pytest.raises(TableUnavailable):
        await world.friends.listed(ANN, Side.FRIENDS)
    with pytest.raises(TableUnavailable):
        await world.friends.act(ANN, BEN, Act.REMOVE)
