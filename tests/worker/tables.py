"""What the tables say, and whether they agree with each other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import asyncpg

from persistence_worker import ratings
from persistence_worker.boards import Result

Tables = dict[str, Any]

_MS = "round(extract(epoch FROM {0}) * 1000)::bigint"
QUERIES = {
    "players": f"SELECT player_id, name, {_MS.format('first_seen')}, {_MS.format('last_seen')}, "
    "matches FROM players",
    "boards": "SELECT game, mode, span, period, player_id, points "
    "FROM board_scores JOIN boards USING (board_id)",
    "rated": "SELECT player_id, game, mode, matches FROM ratings",
    "tallied": "SELECT match_id, tallied FROM matches",
}


async def told(connection: asyncpg.Connection[Any]) -> Tables:
    """Everything that may not depend on the order of events."""
    return {
        name: sorted(tuple(row) for row in await connection.fetch(query))
        for name, query in QUERIES.items()
    }


async def rating_tables(connection: asyncpg.Connection[Any]) -> Tables:
    """Ratings and what made them, in the order in which it was done."""
    return {
        "ratings": [
            tuple(row) for row in await connection.fetch("SELECT * FROM ratings ORDER BY 1, 2, 3")
        ],
        "changes": [
            tuple(row)
            for row in await connection.fetch(
                "SELECT match_id, player_id, place, mu_before, sigma_before, mu_after, sigma_after "
                "FROM rating_changes ORDER BY number"
            )
        ],
    }


async def check_counts(connection: asyncpg.Connection[Any]) -> None:
    """Buckets and bands hold as many players as the scores say."""
    for table, key in (("board_buckets", "board_bucket(points)"), ("board_bands", "band")):
        column = "bucket" if table == "board_buckets" else "band"
        value = key if column == "bucket" else "board_bucket(points) >> 7"
        expected = await connection.fetch(
            f"SELECT board_id, {value}, count(*) FROM board_scores GROUP BY 1, 2 ORDER BY 1, 2"
        )
        found = await connection.fetch(
            f"SELECT board_id, {column}, players FROM {table} WHERE players <> 0 ORDER BY 1, 2"
        )
        assert [tuple(row) for row in found] == [tuple(row) for row in expected], table


async def check_ratings(connection: asyncpg.Connection[Any]) -> None:
    """Every match was rated once, each change began where the player's last had ended, and each
    match did what the library does from there."""
    rows = await connection.fetch(
        "SELECT c.*, score, round(extract(epoch FROM ended_at) * 1000)::bigint AS ended_at_ms "
        "FROM rating_changes AS c JOIN results USING (match_id, player_id) "
        "JOIN matches USING (match_id) ORDER BY number"
    )
    by_match: dict[str, list[Any]] = defaultdict(list)
    current: dict[ratings.Key, tuple[float, float]] = {}
    for row in rows:
        by_match[row["match_id"]].append(row)
        key = (row["player_id"], row["game"], row["mode"])
        assert (row["mu_before"], row["sigma_before"]) == current.get(key, ratings.NEWCOMER)
        current[key] = (row["mu_after"], row["sigma_after"])
    for changes in by_match.values():
        before = {
            (row["player_id"], row["game"], row["mode"]): (row["mu_before"], row["sigma_before"])
            for row in changes
        }
        redone = ratings.rate([_result(row) for row in changes], before)
        assert {change.key[0]: change.after for change in redone} == {
            row["player_id"]: (row["mu_after"], row["sigma_after"]) for row in changes
        }
    stored = await connection.fetch("SELECT * FROM ratings")
    assert {tuple(row)[:3]: (row["mu"], row["sigma"]) for row in stored} == current
    rated = await connection.fetch(
        "SELECT match_id FROM results JOIN matches USING (match_id) WHERE tallied "
        "GROUP BY match_id HAVING count(*) > 1"
    )
    assert {row[0] for row in rated} == set(by_match)


def _result(row: Any) -> Result:
    return Result(
        match=row["match_id"],
        game=row["game"],
        mode=row["mode"],
        ended_at_ms=row["ended_at_ms"],
        player=row["player_id"],
        place=row["place"],
        score=row["score"],
    )
