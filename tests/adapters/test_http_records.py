"""Match history and leaderboards over HTTP."""

from __future__ import annotations

import pytest

from gameserver.errors import RecordsUnavailable
from gameserver.records.board import Board, Span
from gameserver.records.leaderboard import Entry
from tests.adapters.http_world import BEARER, World, serving
from tests.fakes.memory_records import MemoryRecords, played, result

PATHS = [
    "/v1/players/me/matches",
    "/v1/matches/m1/result",
    "/v1/leaderboards/arena/quick",
    "/v1/leaderboards/arena/quick/around-me",
    "/v1/leaderboards/arena/quick/rank",
]


def world() -> tuple[World, MemoryRecords]:
    made = World()
    records = made.history
    assert records is not None
    records.played = [played(f"m{number}", number * 1_000) for number in range(5)]
    records.results["m1"] = result("m1", "ann", "Ann")
    entries = [
        Entry(player=name, name=name.upper(), rank=number + 1, score=9.5 - number)
        for number, name in enumerate(["dan", "cid", "ann", "ben"])
    ]
    for span, period in [(Span.ALL, ""), (Span.DAY, "2026-11-25"), (Span.DAY, "2026-11-26")]:
        records.boards[Board("arena", "quick", span, period)] = entries[: 4 - len(period) // 10]
    return made, records


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_database_it_is_said_so(path: str) -> None:
    made = World(history=None)
    async with serving(made) as ask:
        problem, _ = await ask("GET", path, expect=404, headers=BEARER)
        assert problem["code"] == "not_configured"


@pytest.mark.parametrize("path", PATHS)
async def test_a_database_that_is_away_is_a_503(path: str) -> None:
    made, records = world()
    records.failure = RecordsUnavailable("down")
    async with serving(made) as ask:
        if path.endswith("rank"):
            path += "?span=day"
        problem, headers = await ask("GET", path, expect=503, headers=BEARER)
        assert problem["code"] == "unavailable" and "Retry-After" in headers


async def test_own_matches_come_newest_first_page_by_page() -> None:
    made, records = world()
    async with serving(made) as ask:
        seen: list[str] = []
        query = "?limit=2"
        while query:
            body, _ = await ask("GET", f"/v1/players/me/matches{query}", headers=BEARER)
            seen += [one["match"] for one in body["matches"]]
            records.played.append(played("m9", 9_000))  # What begins meanwhile hides nothing.
            query = f"?limit=2&cursor={body['next']}" if body["next"] else ""
        assert seen == ["m4", "m3", "m2", "m1", "m0"]
        body, _ = await ask("GET", "/v1/players/me/matches?game=echo", headers=BEARER)
        assert body == {"matches": [], "next": None}
        [first] = (await ask("GET", "/v1/players/me/matches?limit=1", headers=BEARER))[0]["matches"]
        assert (first["joined_ms"], first["place"], first["reason"]) == (9, 1, "finished")
        for cursor in ("x", "gqFhoWI", "gs__________oW0"):
            path = f"/v1/players/me/matches?cursor={cursor}"
            assert (await ask("GET", path, expect=422, headers=BEARER))[0]["code"] == "bad_cursor"


async def test_a_result_shows_players_and_the_game_s_own() -> None:
    made, _ = world()
    async with serving(made) as ask:
        body, _ = await ask("GET", "/v1/matches/m1/result", headers=BEARER)
        assert body["result"] == {"kills": 5}
        assert body["players"] == [
            {
                "player": "ann",
                "name": "Ann",
                "seat": 0,
                "left_ms": None,
                "leave_reason": None,
                "place": 1,
                "score": 5.0,
            }
        ]
        await ask("GET", "/v1/matches/m2/result", expect=404, headers=BEARER)


async def test_boards_of_all_spans() -> None:
    made, _ = world()
    async with serving(made) as ask:
        board = "/v1/leaderboards/arena/quick"
        body, _ = await ask("GET", f"{board}?limit=3", headers=BEARER)
        assert [(one["player"], one["rank"]) for one in body["entries"]] == [
            ("dan", 1),
            ("cid", 2),
            ("ann", 3),
        ]
        assert (body["period"], body["total"]) == ("", 4)
        body, _ = await ask("GET", f"{board}?limit=3&cursor={body['next']}", headers=BEARER)
        assert [one["name"] for one in body["entries"]] == ["BEN"] and body["next"] is None
        body, _ = await ask("GET", f"{board}?span=day", headers=BEARER)
        assert (body["period"], body["total"]) == ("2026-11-26", 3), "the newest"
        body, _ = await ask("GET", f"{board}?span=season", headers=BEARER)
        assert body == {"period": None, "entries": [], "total": 0, "next": None}
        body, _ = await ask("GET", f"{board}/around-me?places=1", headers=BEARER)
        assert [one["player"] for one in body["entries"]] == ["cid", "ann", "ben"]
        body, _ = await ask("GET", f"{board}/rank?span=day&period=2026-11-25", headers=BEARER)
        assert body == {"period": "2026-11-25", "rank": 3, "score": 7.5}
        for query, status, code in [
            ("/rank?span=day&period=2020-01-01", 404, "not_ranked"),
            ("/rank?span=season", 404, "not_ranked"),
            ("?period=2026-11-25", 422, "bad_period"),
            ("?span=year", 400, "bad_query"),
        ]:
            problem, _ = await ask("GET", f"{board}{query}", expect=status, headers=BEARER)
            assert problem["code"] == code
        path = "/v1/leaderboards/chess/quick"
        assert (await ask("GET", path, expect=404, headers=BEARER))[0]["code"] == "unknown_game"
