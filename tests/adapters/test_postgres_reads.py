"""History and boards from a true PostgreSQL, as the worker fills it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import ConfigError, RecordsUnavailable
from gameserver.lobby.boards import CachedBoards
from gameserver.metrics import Metrics
from gameserver.records.board import Board, Span
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub
from tests.worker.builders import ended, joined, left, started
from tests.worker.conftest import fill

BOARD = Board("arena", "duel", Span.ALL, "")


async def opened(dsn: str, **settings: int) -> PostgresReads:
    config = Config(postgres_dsn=dsn, **settings)  # type: ignore[arg-type]
    return await PostgresReads.open(config, None, metrics=Metrics())


@pytest.fixture
async def filled(postgres_dsn: str) -> str:
    """Three matches of ann's: one won, one left, one that runs."""
    records = [
        started("m1", 1),
        joined("m1", 2, "ann", name="Ann"),
        joined("m1", 3, "ben", name="Ben"),
        ended("m1", 4, [("ann", 1, 7.5), ("ben", 2, 3.0)]),
        started("m2", 1),
        joined("m2", 2, "ann", name="Ann"),
        left("m2", 3, "ann"),
        started("m3", 1),
        joined("m3", 2, "ann", name="Anna"),
    ]
    await fill(postgres_dsn, records)
    return postgres_dsn


@pytest.fixture
async def reads(filled: str) -> AsyncIterator[PostgresReads]:
    async with await opened(filled) as made:
        yield made


async def test_a_player_s_matches_page_by_page(reads: PostgresReads) -> None:
    every = await reads.matches_of("ann", game="", mode="", before=None, limit=10)
    assert sorted(one.match for one in every) == ["m1", "m2", "m3"]
    won = next(one for one in every if one.match == "m1")
    assert (won.place, won.score, won.reason, won.seat) == (1, 7.5, "finished", 0)
    running = next(one for one in every if one.match == "m3")
    assert (running.ended_ms, running.place, running.left_ms) == (None, None, None)
    gone = next(one for one in every if one.match == "m2")
    assert gone.leave_reason == "left" and gone.left_ms is not None
    pages, before = [], None
    while page := await reads.matches_of("ann", game="", mode="", before=before, limit=2):
        pages += page
        before = (page[-1].joined_us, page[-1].match)
    assert pages == every
    assert await reads.matches_of("ann", game="chess", mode="", before=None, limit=9) == []
    assert await reads.matches_of("cid", game="", mode="", before=None, limit=9) == []


async def test_a_result_lists_the_best_first(reads: PostgresReads) -> None:
    found = await reads.result("m1")
    assert found is not None
    assert [(one.player, one.name, one.place) for one in found.players] == [
        ("ann", "Ann", 1),
        ("ben", "Ben", 2),
    ]
    assert found.reason == "finished" and found.ended_ms is not None
    assert await reads.result("m9") is None


async def test_boards_are_read_through_the_cache(reads: PostgresReads) -> None:
    cache = SharedCache(
        MemoryCacheHub().store(), Config(), entropy=SeededEntropy(1), metrics=Metrics()
    )
    boards = CachedBoards(reads, cache, reads.names, ttl_ms=1_000)
    entries, total = await boards.top(BOARD, 10, 0)
    assert [(one.player, one.name, one.rank, one.score) for one in entries] == [
        ("ann", "Anna", 1, 7.5),
        ("ben", "Ben", 2, 3.0),
    ]
    assert total == 2
    rank = await boards.rank(BOARD, "ben")
    assert rank is not None and rank.rank == 2
    assert await boards.rank(BOARD, "x" * 300) is None, "too long to be cached"
    assert len(await boards.around(BOARD, "ann", 1)) == 2
    period = await boards.newest("arena", "duel", "day")
    assert period is not None and len(period) == 10
    assert await boards.newest("arena", "nothing", "day") is None
    assert await boards.top(BOARD, 10, 0) == (entries, total)
    await cache.close()


async def test_nothing_can_be_written_and_nothing_takes_too_long(filled: str) -> None:
    async with await opened(filled, postgres_timeout_ms=200) as reads:
        for query in ("DELETE FROM matches", "SELECT pg_sleep(5)"):
            with pytest.raises(RecordsUnavailable):
                await reads.fetch(query)
        assert await reads.result("m1") is not None, "and it goes on"
    connection = await asyncpg.connect(filled)
    assert await connection.fetchval("SELECT count(*) FROM matches") == 3
    await connection.close()


async def test_no_more_connections_than_allowed(filled: str) -> None:
    async with await opened(filled, postgres_connections_max=2, postgres_timeout_ms=4_000) as reads:
        # The first two have almost two seconds for everything else, and the next ones not enough.
        calls = [reads.fetch("SELECT pg_sleep(2.1)") for _ in range(6)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        failed = [one for one in found if isinstance(one, RecordsUnavailable)]
        assert 2 <= len(failed) <= 4, "who waits too long for a connection fails"


async def test_a_server_that_is_away_and_a_dsn_that_is_none() -> None:
    metrics = Metrics()
    config = Config(postgres_dsn=f"postgresql://u@127.0.0.1:{free_port()}/x")
    async with await PostgresReads.open(config, None, metrics=metrics) as reads:
        with pytest.raises(RecordsUnavailable):
            await reads.result("m1")
    assert metrics.reads_failed == 1
    with pytest.raises(ConfigError, match="GAMESERVER_POSTGRES_DSN"):
        await opened("postgresql://u@h:notaport/x")
