"""Ratings for matchmaking: from the cache if they are there, and never waited for in vain."""

from __future__ import annotations

import asyncio

import pytest

from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.errors import TableUnavailable
from gameserver.game.matchmaking import Skill
from gameserver.ids import PlayerId
from gameserver.lobby.rules import skill_of
from gameserver.matchmaking import NEWCOMER, Queue, Rating, Stage
from gameserver.metrics import Metrics
from gameserver.players.ratings import CachedRatings, Sheet
from persistence_worker.ratings import NEWCOMER as WORKERS_NEWCOMER
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.lobby.hall import Hall
from tests.match.house import in_virtual_time

DUEL, BRAWL = Queue("arena", "duel"), Queue("arena", "brawl")
ANN, BOB, NEW = PlayerId("ann"), PlayerId("bob"), PlayerId("new")
WAIT_S, TTL_S = 0.2, 60.0
GOOD, BAD = Rating(31.5, 2.0), Rating(19.0, 4.0)


class Source:
    """Implements ``RatingSource``, with faults on demand."""

    def __init__(self) -> None:
        self.sheets: dict[PlayerId, Sheet] = {ANN: {"arena/duel": GOOD}, BOB: {"arena/duel": BAD}}
        self.failure: Exception | None = None
        self.takes_s = 0.0
        self.asked: list[PlayerId] = []

    async def of_player(self, player: PlayerId) -> Sheet:
        self.asked.append(player)
        await asyncio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        return self.sheets.get(player, {})


class World:
    """One node over a cache in memory."""

    def __init__(self) -> None:
        self.source, self.metrics, hub = Source(), Metrics(), MemoryCacheHub()
        self.store = hub.store()
        cache = SharedCache(self.store, Config(), entropy=SeededEntropy(1), metrics=Metrics())
        self.ratings = CachedRatings(
            self.source,
            cache,
            ttl_ms=int(TTL_S * 1000),
            wait_ms=int(WAIT_S * 1000),
            metrics=self.metrics,
        )

    async def ask(self, *players: PlayerId, queue: Queue = DUEL) -> tuple[dict[str, Rating], float]:
        """What is known, and how long it took in s."""
        began = asyncio.get_running_loop().time()
        found = await self.ratings.ratings(queue, players)
        return dict(found), asyncio.get_running_loop().time() - began


@in_virtual_time
async def test_each_game_and_mode_has_its_own_and_a_player_is_asked_for_once() -> None:
    world = World()
    assert (await world.ask(ANN, BOB, NEW))[0] == {ANN: GOOD, BOB: BAD}
    assert (await world.ask(ANN, BOB, NEW, queue=BRAWL))[0] == {}
    assert sorted(world.source.asked) == [ANN, BOB, NEW]
    assert world.metrics.ratings_missed == 0
    world.source.sheets[ANN] = {"arena/duel": BAD}
    await asyncio.sleep(TTL_S)
    assert (await world.ask(ANN))[0] == {ANN: BAD}, "as old as its life, and no older"


@in_virtual_time
async def test_a_database_that_is_away_costs_a_bounded_time_and_nobody_the_queue() -> None:
    world = World()
    await world.ask(ANN)
    world.source.takes_s = 1_000
    found, took_s = await world.ask(ANN, NEW)
    assert (found, took_s) == ({ANN: GOOD}, pytest.approx(WAIT_S))
    assert world.metrics.ratings_missed == 1
    found, took_s = await world.ask(ANN, BOB)
    assert (found, took_s) == ({ANN: GOOD}, pytest.approx(0)), "what is cached is still known"
    assert BOB not in world.source.asked, "nobody asks again so soon"
    world.source.takes_s = 0
    await asyncio.sleep(1.5)
    assert (await world.ask(ANN, BOB))[0] == {ANN: GOOD, BOB: BAD}


@in_virtual_time
async def test_what_comes_too_late_is_there_for_the_next_ticket() -> None:
    world = World()
    world.source.takes_s = WAIT_S + 0.3
    assert (await world.ask(ANN))[0] == {}
    await asyncio.sleep(2)
    assert (await world.ask(ANN))[0] == {ANN: GOOD}
    assert world.source.asked == [ANN]


@in_virtual_time
async def test_a_database_that_fails_or_says_nonsense_is_as_one_that_is_away() -> None:
    for failure in (TableUnavailable("away"), RuntimeError("a defect")):
        world = World()
        world.source.failure = failure
        assert await world.ask(ANN, BOB) == ({}, 0)
        world.source.failure = None
        await asyncio.sleep(1.5)
        assert (await world.ask(ANN))[0] == {ANN: GOOD}


@in_virtual_time
async def test_a_cache_that_is_away_is_gone_around() -> None:
    world = World()
    world.store.down = True
    found, took_s = await world.ask(ANN, BOB)
    assert found == {ANN: GOOD, BOB: BAD} and took_s <= WAIT_S
    world.source.failure = TableUnavailable("away too")
    assert (await world.ask(ANN))[0] == {}


@in_virtual_time
async def test_no_name_of_a_player_is_too_long() -> None:
    assert await World().ask(PlayerId("x" * 1_000)) == ({}, 0)


def test_a_newcomer_of_the_worker_has_the_initial_skill() -> None:
    assert (NEWCOMER.mu, NEWCOMER.sigma) == WORKERS_NEWCOMER
    rules = Skill(initial=1_500, scale=24)
    assert skill_of(NEWCOMER, rules) == 1_500
    assert skill_of(GOOD, rules) == pytest.approx(1_656)
    assert skill_of(GOOD, Skill(initial=0, scale=1)) == pytest.approx(6.5)


@in_virtual_time
async def test_who_is_far_in_rating_waits_for_the_window() -> None:
    hall = Hall(1)
    hall.ratings["a"] = Rating(35.0, 2.0)
    async with hall as (one,):
        view = await one.enter("a")
        assert view.standing.ticket is not None
        assert [each.skill for each in view.standing.ticket.players] == [1_740]
        await one.enter("b")
        await asyncio.sleep(10)
        assert await one.stage("a") is await one.stage("b") is Stage.WAITING
        await one.enter("c")
        assert await one.match("c") == await one.match("b"), "two newcomers"
        assert await one.stage("a") is Stage.WAITING
