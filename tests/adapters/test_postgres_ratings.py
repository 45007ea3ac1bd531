"""Ratings for matchmaking from a true PostgreSQL, as the worker rates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from gameserver.adapters.postgres_ratings import PostgresRatings
from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.ids import PlayerId
from gameserver.matchmaking import NEWCOMER, Queue, Rating
from gameserver.metrics import Metrics
from gameserver.players.ratings import CachedRatings
from tests.fakes.clock import SeededEntropy
from tests.worker.builders import ended, joined, started
from tests.worker.conftest import fetch, fill

DUEL = Queue("arena", "duel")
ANN, BEN, CID = PlayerId("ann"), PlayerId("ben"), PlayerId("cid")
PATIENT_MS, HASTY_MS = 20_000, 100


@pytest.fixture
async def rated(postgres_dsn: str) -> str:
    """Ann has beaten Ben; Cid has not played."""
    records = [
        started("m1", 1),
        joined("m1", 2, "ann", name="Ann"),
        joined("m1", 3, "ben", name="Ben"),
        ended("m1", 4, [("ann", 1, 7.5), ("ben", 2, 3.0)]),
    ]
    await fill(postgres_dsn, records)
    return postgres_dsn


class World:
    """A node's ratings over PostgreSQL and a cache in Valkey."""

    def __init__(self, config: Config, reads: PostgresReads) -> None:
        self.metrics = Metrics()
        self.store = RedisCacheStore(config, entropy=SeededEntropy(1), metrics=Metrics())
        self.cache = SharedCache(self.store, config, entropy=SeededEntropy(1), metrics=Metrics())
        self._reads = reads

    async def ask(self, *players: PlayerId, wait_ms: int, queue: Queue = DUEL) -> dict[str, Rating]:
        """By a node that has only just begun."""
        ratings = CachedRatings(
            PostgresRatings(self._reads),
            self.cache,
            ttl_ms=60_000,
            wait_ms=wait_ms,
            metrics=self.metrics,
        )
        return dict(await ratings.ratings(queue, players))


async def world_of(dsn: str, redis_url: str, prefix: str) -> AsyncIterator[World]:
    config = Config(
        postgres_dsn=dsn, postgres_timeout_ms=20_000, redis_url=redis_url, redis_prefix=prefix
    )
    async with await PostgresReads.open(config, None, metrics=Metrics()) as reads:
        world = World(config, reads)
        async with world.store:
            yield world
            await world.cache.close()


@pytest.fixture
async def world(rated: str, valkey_url: str, redis_prefix: str) -> AsyncIterator[World]:
    async for made in world_of(rated, valkey_url, redis_prefix):
        yield made


async def test_what_the_worker_has_rated_is_what_matchmaking_asks_for(
    world: World, rated: str
) -> None:
    stored = {
        row["player_id"]: Rating(row["mu"], row["sigma"])
        for row in await fetch(rated, "SELECT player_id, mu, sigma FROM ratings")
    }
    found = await world.ask(ANN, BEN, CID, wait_ms=PATIENT_MS)
    assert found == stored and set(found) == {ANN, BEN}
    assert found[ANN].mu > NEWCOMER.mu > found[BEN].mu
    assert found[ANN].sigma < NEWCOMER.sigma
    assert await world.ask(ANN, wait_ms=PATIENT_MS, queue=Queue("arena", "standard")) == {}
    assert world.metrics.ratings_missed == 0


async def test_a_database_that_hangs_holds_nobody_up(world: World, rated: str) -> None:
    known = await world.ask(ANN, wait_ms=PATIENT_MS)
    connection = await asyncpg.connect(rated)
    async with connection.transaction():
        await connection.execute("LOCK TABLE ratings IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(15):
            found = await world.ask(BEN, wait_ms=HASTY_MS)
        assert found == {} and world.metrics.ratings_missed == 1
        assert await world.ask(ANN, wait_ms=PATIENT_MS) == known, "from the cache"
    await connection.close()
    assert BEN in await world.ask(BEN, wait_ms=PATIENT_MS)


async def test_no_database_at_all_makes_newcomers(valkey_url: str, redis_prefix: str) -> None:
    nowhere = f"postgresql://u@127.0.0.1:{free_port()}/x"
    async for world in world_of(nowhere, valkey_url, redis_prefix):
        async with asyncio.timeout(15):
            assert await world.ask(ANN, BEN, wait_ms=PATIENT_MS) == {}
        assert world.metrics.ratings_missed == 2


async def test_a_cache_that_is_away_is_gone_around(rated: str, redis_prefix: str) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    config = Config(postgres_dsn=rated, redis_url=nowhere, redis_prefix=redis_prefix)
    async with await PostgresReads.open(config, None, metrics=Metrics()) as reads:
        world = World(config, reads)
        assert set(await world.ask(ANN, BEN, wait_ms=PATIENT_MS)) == {ANN, BEN}
        await world.cache.close()
