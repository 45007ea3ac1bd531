"""Ranks as a plain sort would give them, however the scores lie."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gameserver.records.leaderboard import Entry, Leaderboards
from persistence_worker.apply import PostgresSink
from persistence_worker.boards import POINTS_MAX, Board, Span
from persistence_worker.intake import prepare
from persistence_worker.postgres import Database
from tests.worker.builders import ended, joined
from tests.worker.conftest import fetch
from tests.worker.test_tally import EMPTY

BOARD = Board("arena", "duel", Span.ALL, "")


def expected(scores: dict[str, float]) -> list[Entry]:
    """By a plain sort."""
    ranked = sorted(scores.items(), key=lambda item: (item[1], item[0]), reverse=True)
    return [
        Entry(
            player=player,
            name=None,
            rank=1 + sum(other > score for other in scores.values()),
            score=score,
        )
        for player, score in ranked
    ]


async def stored(dsn: str, scores: dict[str, float]) -> None:
    """A board of these scores, through the worker."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(EMPTY)
    await connection.close()
    database = await Database.open(
        dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=100
    )
    places = [(player, 1, score) for player, score in scores.items()]
    cut = max(1, len(places) // 2)
    events = [prepare(ended("m1", 1, places[:cut])), prepare(ended("m2", 1, places[cut:]))]
    await PostgresSink(database, jitter=random.random).apply(events)
    await database.close()


async def check(dsn: str, scores: dict[str, float]) -> None:
    await stored(dsn, scores)
    wanted = expected(scores)
    connection = await asyncpg.connect(dsn)
    boards = Leaderboards(connection)
    assert await boards.size(BOARD) == len(scores)
    assert await boards.top(BOARD, 1000) == wanted
    for offset in range(len(wanted) + 2):
        assert await boards.top(BOARD, 3, offset) == wanted[offset : offset + 3]
    for place, entry in enumerate(wanted):
        assert await boards.rank(BOARD, entry.player) == entry
        near = wanted[max(0, place - 2) : place + 3]
        assert await boards.around(BOARD, entry.player, 2) == near
    await connection.close()


thousandths = st.one_of(
    st.integers(-5, 5), st.integers(-(10**9), 10**9), st.integers(-4000, 4000)
).map(lambda points: points / 1000)


@given(st.dictionaries(st.text("abü", min_size=1, max_size=3), thousandths, max_size=12))
@hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_scores(migrated_dsn: str, scores: dict[str, float]) -> None:
    asyncio.run(check(migrated_dsn, scores))


async def test_many_players_with_few_scores(migrated_dsn: str) -> None:
    chance = random.Random(3)
    scores = {f"p{n:03}": chance.choice([0.0, 1.0, 1.001, 7.0, 900.0]) for n in range(60)}
    await check(migrated_dsn, scores)


async def test_who_is_not_on_the_board(migrated_dsn: str) -> None:
    await stored(migrated_dsn, {"a": 1.0})
    connection = await asyncpg.connect(migrated_dsn)
    boards = Leaderboards(connection)
    other = Board("arena", "duel", Span.DAY, "1999-01-01")
    assert await boards.rank(BOARD, "b") is None
    assert await boards.around(BOARD, "b", 5) == []
    assert await boards.rank(other, "a") is None
    assert await boards.top(other, 5) == []
    assert await boards.size(other) == 0
    for places, offset in ((0, 0), (1001, 0), (1, -1), (1, 2**53 + 1)):
        with pytest.raises(ValueError, match="is not between"):
            await boards.top(BOARD, places, offset)
    with pytest.raises(ValueError, match="places"):
        await boards.around(BOARD, "a", 0)
    await connection.close()


async def test_names_and_days(migrated_dsn: str, database: Database) -> None:
    events = [prepare(joined("m1", 1, "a", 0, "Ann")), prepare(ended("m1", 2, [("a", 1, 2.5)]))]
    await PostgresSink(database, jitter=random.random).apply(events)
    connection = await asyncpg.connect(migrated_dsn)
    boards = Leaderboards(connection)
    entry = Entry(player="a", name="Ann", named_by="m1/1", rank=1, score=2.5)
    for span, period in ((Span.ALL, ""), (Span.SEASON, "2025-10"), (Span.DAY, "2025-10-09")):
        assert await boards.top(Board("arena", "duel", span, period), 5) == [entry]
    await connection.close()


points = st.integers(-POINTS_MAX, POINTS_MAX) | st.integers(-40_000, 40_000)


@given(st.lists(points, min_size=200, max_size=400))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_buckets_rise_with_the_points_and_know_their_floor(
    migrated_dsn: str, values: list[int]
) -> None:
    edges = [sign * (2**n + d) for n in range(53) for d in (-1, 0, 1) for sign in (1, -1)]
    given_points = sorted({*values, *(edge for edge in edges if abs(edge) <= POINTS_MAX)})
    query = (
        "SELECT board_bucket(p), board_bucket_floor(board_bucket(p)), "
        "board_bucket_floor(board_bucket(p) + 1), board_bucket(board_bucket_floor(board_bucket(p)))"
        " FROM unnest($1::bigint[]) WITH ORDINALITY AS given (p, n) ORDER BY n"
    )
    rows = asyncio.run(fetch(migrated_dsn, query, given_points))
    buckets = [row[0] for row in rows]
    assert buckets == sorted(buckets)
    for point, (bucket, low, high, again) in zip(given_points, rows, strict=True):
        assert low <= point < high
        assert again == bucket
        if abs(point) <= 16_383:
            assert high - low == 1
        else:
            assert (high - low) * 8192 <= abs(point) + 8192
