"""Players, ratings and boards from events in any order, any cut, any number of times, at once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from persistence_worker.apply import PostgresSink
from persistence_worker.boards import Rules
from persistence_worker.intake import Event, prepare
from persistence_worker.postgres import Database
from persistence_worker.rebuild import rebuild
from tests.worker.builders import BEGAN_MS, ended, joined, left, started, story
from tests.worker.conftest import fetch
from tests.worker.tables import Tables, check_counts, check_ratings, rating_tables, told

EMPTY = (
    "TRUNCATE events, matches, participants, results, players, ratings, rating_changes, "
    "boards, board_scores, board_buckets, board_bands"
)
PLAYERS = [f"p{n}" for n in range(5)]


def sink(database: Database, rules: Rules | None = None) -> PostgresSink:
    return PostgresSink(database, jitter=random.random, rules=rules)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """A few matches of some of five players, each with comings, goings and an end."""
    raws: list[bytes] = []
    for n in range(draw(st.integers(1, 4))):
        match = f"m{n}"
        playing = draw(st.lists(st.sampled_from(PLAYERS), min_size=1, max_size=4, unique=True))
        raws.append(started(match, 1))
        raws += [joined(match, 2 + k, each, k, f"{each}{n}") for k, each in enumerate(playing)]
        seq = 2 + len(playing)
        if draw(st.booleans()):
            raws += [left(match, seq, playing[0]), joined(match, seq + 1, playing[0], 1, "again")]
        if draw(st.integers(0, 4)):
            places = [
                (each, draw(st.integers(1, 3)), draw(st.integers(-2, 9)) / 2) for each in playing
            ]
            raws.append(ended(match, seq + 2, places))
    return [prepare(raw) for raw in raws]


async def opened(dsn: str) -> Database:
    return await Database.open(
        dsn, connections_max=3, timeout_s=20, connect_s=5, statement_cache=100
    )


async def played(
    dsn: str, batches: list[list[Event]], rules: Rules, *, workers: int
) -> tuple[Tables, Tables, Tables]:
    """The tables after ``workers`` have applied the batches to an empty database, and the
    ratings before and after all was counted anew."""
    database = await opened(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(EMPTY)
        waiting = list(reversed(batches))

        async def work() -> None:
            while waiting:
                await sink(database, rules).apply(waiting.pop())

        await asyncio.gather(*(work() for _ in range(workers)))
        before, rated = await told(connection), await rating_tables(connection)
        await check_counts(connection)
        await check_ratings(connection)
        await rebuild(database, rules)
        await check_counts(connection)
        await check_ratings(connection)
        assert await told(connection) == before
        return before, rated, await rating_tables(connection)
    finally:
        await connection.close()
        await database.close()


@given(
    histories(),
    st.randoms(use_true_random=False),
    st.sampled_from([frozenset(), frozenset({"arena"})]),
    st.sampled_from([1, 3]),
)
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_order_any_cut_any_repetition_by_any_number_of_workers(
    migrated_dsn: str,
    history: list[Event],
    chance: random.Random,
    best: frozenset[str],
    workers: int,
) -> None:
    rules = Rules(best=best)
    plain = asyncio.run(played(migrated_dsn, [history], rules, workers=1))
    shuffled = history + chance.sample(history, len(history) // 2)
    chance.shuffle(shuffled)
    batches = []
    while shuffled:
        cut = chance.randint(1, 5)
        batches.append(shuffled[:cut])
        del shuffled[:cut]
    other = asyncio.run(played(migrated_dsn, batches, rules, workers=workers))
    assert other[0] == plain[0]
    # Ratings follow the order of arrival; counted anew they follow the matches' ends.
    assert other[2] == plain[2]
    # One batch is rated in that order already.
    assert plain[1] == plain[2]


async def test_a_match_is_told_in_all_tables(migrated_dsn: str, database: Database) -> None:
    await sink(database).apply([prepare(raw) for raw in story("m1")])
    players = await fetch(migrated_dsn, "SELECT * FROM players ORDER BY 1")
    assert [(row["player_id"], row["name"], row["matches"]) for row in players] == [
        ("p1", "Anna", 1),
        ("p2", "Bob", 1),
    ]
    seen = [round((row["last_seen"] - row["first_seen"]).total_seconds()) for row in players]
    assert seen == [8, 7]
    ratings = await fetch(migrated_dsn, "SELECT mu, matches FROM ratings ORDER BY player_id")
    assert ratings[0]["mu"] > 25 > ratings[1]["mu"]
    boards = await fetch(
        migrated_dsn,
        "SELECT span, period, player_id, points FROM board_scores JOIN boards USING (board_id) "
        "ORDER BY span, player_id",
    )
    assert [tuple(row) for row in boards] == [
        ("all", "", "p1", 10_500),
        ("all", "", "p2", 3000),
        ("day", "2025-10-09", "p1", 10_500),
        ("day", "2025-10-09", "p2", 3000),
        ("season", "2025-10", "p1", 10_500),
        ("season", "2025-10", "p2", 3000),
    ]


async def test_an_end_that_comes_again_after_its_events_were_dropped_counts_once(
    migrated_dsn: str, database: Database
) -> None:
    events = [prepare(raw) for raw in story("m1")]
    await sink(database).apply(events)
    connection = await asyncpg.connect(migrated_dsn)
    before = await told(connection), await rating_tables(connection)
    await connection.execute("DELETE FROM events")
    await sink(database).apply(events)
    assert (await told(connection), await rating_tables(connection)) == before
    await connection.close()


@pytest.mark.parametrize("score", [1e308, -1e308, 5e-324, 2.0**53])
async def test_no_score_is_refused(migrated_dsn: str, database: Database, score: float) -> None:
    for n in range(3):
        events = [prepare(ended(f"m{n}", 1, [("p1", 1, score), ("p2", 2, -score)]))]
        verdicts = await sink(database).apply(events)
        assert {verdict.outcome.value for verdict in verdicts} == {"applied"}
    connection = await asyncpg.connect(migrated_dsn)
    await check_counts(connection)
    await connection.close()


async def test_many_workers_and_players_in_common(migrated_dsn: str, database: Database) -> None:
    chance = random.Random(5)
    events = []
    for n in range(60):
        four = chance.sample(PLAYERS, 4)
        places = [(each, 1 + k, float(k)) for k, each in enumerate(four)]
        events.append(prepare(ended(f"m{n:02}", 1, places)))
    batches = [chance.sample(events, 20) for _ in range(12)] + [[each] for each in events]
    await asyncio.gather(*(sink(database).apply(batch) for batch in batches))
    connection = await asyncpg.connect(migrated_dsn)
    await check_counts(connection)
    await check_ratings(connection)
    played = await connection.fetchval("SELECT sum(matches) FROM players")
    assert played == 60 * 4 == await connection.fetchval("SELECT count(*) FROM rating_changes")
    await connection.close()


async def test_names_and_times_of_players_of_matches_that_go_on(
    migrated_dsn: str, database: Database
) -> None:
    events = [joined("m1", 9, "p1", 0, "new"), joined("m0", 2, "p1", 0, "old")]
    for raw in events:
        await sink(database).apply([prepare(raw)])
    expected: list[Any] = [("p1", "new", BEGAN_MS + 2000, BEGAN_MS + 9000, 0)]
    connection = await asyncpg.connect(migrated_dsn)
    assert (await told(connection))["players"] == expected
    assert await rebuild(database, Rules()) == 0
    assert (await told(connection))["players"] == expected
    # What the events say no more, the participants still do.
    await connection.execute("DELETE FROM events")
    await rebuild(database, Rules())
    assert (await told(connection))["players"] == expected
    await connection.close()


def test_bots_are_not_counted(migrated_dsn: str) -> None:
    raws = [
        started("m", 1),
        joined("m", 2, "p1", 0, "one"),
        joined("m", 3, "p2", 1, "two"),
        joined("m", 4, "bot:2", 2, "Bot 3"),
        ended("m", 5, [("bot:2", 1, 9.0), ("p1", 2, 3.0), ("p2", 3, 1.0)]),
    ]
    asyncio.run(played(migrated_dsn, [[prepare(raw) for raw in raws]], Rules(), workers=1))
    for table in ("players", "ratings", "board_scores"):
        rows = asyncio.run(
            fetch(migrated_dsn, f"SELECT DISTINCT player_id FROM {table} ORDER BY 1")
        )
        assert [row["player_id"] for row in rows] == ["p1", "p2"]
    assert len(asyncio.run(fetch(migrated_dsn, "SELECT * FROM results"))) == 3
