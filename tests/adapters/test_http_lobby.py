"""Creating matches and coming into private ones, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from gameserver.errors import NodeSilent
from gameserver.hosting import TOO_MANY_GUESSES, HostRefused
from gameserver.ids import PlayerId
from gameserver.listing import Visibility
from gameserver.operating import Ban
from tests.adapters.http_world import BEARER, Client, World, info, serving

CREATE = {"game": "arena"}


async def ask_for(ask: Client, path: str, body: Any, expect: int, **headers: str) -> Any:
    return (await ask("POST", path, expect=expect, headers={**BEARER, **headers}, json=body))[0]


async def test_a_match_is_created_as_asked() -> None:
    world = World()
    async with serving(world) as ask:
        told = await ask_for(
            ask,
            "/v1/matches",
            {
                "game": "arena",
                "mode": "standard",
                "title": "Große Runde",
                "visibility": "private",
                "password": "sesame",
                "players_max": 4,
                "options": {"map": "box", "kills": 30},
                "reserve": ["ben", "ben"],
                "reserve_s": 60,
            },
            201,
        )
        assert told == {
            "id": "new1",
            "game": "arena",
            "mode": "standard",
            "title": "Große Runde",
            "visibility": "private",
            "players_max": 4,
            "code": "ACDEFG",
            "reserved_until_ms": 60_000,
        }
        [(wanted, player)] = world.hosting.wanted
        assert (player, wanted.password, wanted.reserve) == ("ann", "sesame", ["ben"])
        told = await ask_for(ask, "/v1/matches", CREATE, 201)
        assert (told["code"], told["players_max"], told["mode"]) == (None, 8, "standard")


async def test_a_repeated_call_creates_one_match() -> None:
    world = World()
    async with serving(world) as ask:
        key = {"Idempotency-Key": '"k-1"'}
        first = await ask_for(ask, "/v1/matches", CREATE, 201, **key)
        assert await ask_for(ask, "/v1/matches", CREATE, 201, **key) == first
    assert len(world.hosting.wanted) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"game": "chess"}, 404, "unknown_game"),
        ({"game": "arena", "mode": "nine"}, 422, "unknown_mode"),
        ({"game": "arena", "options": {"map": "moon"}}, 422, "bad_terms"),
        ({"game": "arena", "options": {"map": None}}, 400, "bad_body"),
        ({"game": "arena", "visibility": "secret"}, 400, "bad_body"),
        ({"game": "arena", "password": "x"}, 422, "bad_terms"),
        ({"game": "arena", "players_max": 0}, 400, "bad_body"),
        ({"game": "arena", "reserve_s": 3601}, 400, "bad_body"),
        ({"game": "arena", "reserve": ["a b"]}, 400, "bad_body"),
        ({"game": "arena", "by": "somebody"}, 400, "bad_body"),
    ],
)
async def test_what_cannot_be_is_a_problem(body: Any, status: int, code: str) -> None:
    world = World()
    async with serving(world) as ask:
        problem = await ask_for(ask, "/v1/matches", body, status)
        assert problem["code"] == code
    assert world.hosting.wanted == []


async def test_a_full_cluster_and_a_silent_node_are_told_apart() -> None:
    world = World()
    async with serving(world) as ask:
        world.hosting.refusal = HostRefused("server_full", "this node runs as many as it may")
        assert (await ask_for(ask, "/v1/matches", CREATE, 503))["code"] == "no_room"
        world.hosting.refusal, world.hosting.failure = None, NodeSilent("n2 is silent")
        assert (await ask_for(ask, "/v1/matches", CREATE, 504))["code"] == "node_silent"


async def test_a_code_leads_to_a_match() -> None:
    world = World()
    world.hosting.codes["ACD EFG", "sesame"] = "m1"
    async with serving(world) as ask:
        path, body = "/v1/matches/join-by-code", {"code": "ACD EFG", "password": "sesame"}
        told = await ask_for(ask, path, body, 200)
        assert told == {"match": "m1", "reserved_until_ms": 60_000}
        assert world.hosting.networks == ["127.0.0.0/24"]
        problem = await ask_for(ask, path, {"code": "ACDEFG"}, 404)
        assert problem["code"] == "bad_code"
        world.hosting.refusal = HostRefused(TOO_MANY_GUESSES, "wait")
        problem = await ask_for(ask, path, body, 429)
        assert problem["code"] == "too_many_guesses"


async def test_who_is_banned_neither_creates_nor_joins() -> None:
    world = World()
    world.bans.bans[PlayerId("ann")] = Ban(
        player=PlayerId("ann"), reason="x", told="banned: x", by="op", at_ms=1
    )
    async with serving(world) as ask:
        for path, body in [
            ("/v1/matches", CREATE),
            ("/v1/matches/join-by-code", {"code": "ACDEFG"}),
        ]:
            problem = await ask_for(ask, path, body, 403)
            assert (problem["code"], problem["detail"]) == ("banned", "banned: x.")
    assert world.hosting.wanted == []


async def test_a_private_match_is_shown_to_its_guests() -> None:
    world = World(
        running=[
            info("m1", visibility=Visibility.PRIVATE),
            info("m2", visibility=Visibility.UNLISTED),
        ]
    )
    async with serving(world) as ask:
        listed, _ = await ask("GET", "/v1/matches", headers=BEARER)
        assert (listed["matches"], listed["total"]) == ([], 0)
        await ask("GET", "/v1/matches/m1", expect=404, headers=BEARER)
        world.hosting.guests.add(("m1", "ann"))
        for match in ("m1", "m2"):
            told, _ = await ask("GET", f"/v1/matches/{match}", headers=BEARER)
            assert told["id"] == match and "node" not in told
