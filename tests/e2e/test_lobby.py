"""Two real nodes: private matches by code, and what is told of a match once it was played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gameserver.devstack.stack import Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.e2e.conftest import until
from tests.e2e.test_cluster import client
from tests.e2e.test_maintenance import operator


@asynccontextmanager
async def player(stack: Stack, node: Node, number: int) -> AsyncIterator[Any]:
    """``await ask("GET", path)`` as a player, over the HTTP API of ``node``."""
    token = stack.moto.cognito().token(bot_player(number), username=bot_name(number))
    async with aiohttp.ClientSession(node.api_url) as http:

        async def ask(method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.request(method, path, headers=headers, **options) as answer:
                text = await answer.text()
                assert answer.status == expect, text
                return json.loads(text) if text else None

        yield ask


async def eventually(ask: Any, path: str, wanted: Any) -> Any:
    """What ``path`` answers once ``wanted`` holds of it."""
    async with asyncio.timeout(60):
        while True:
            try:
                told = await ask("GET", path)
            except AssertionError:
                told = None
            if told is not None and wanted(told):
                return told
            await asyncio.sleep(0.2)


@pytest.mark.timeout(240)
async def test_from_a_private_match_to_its_place_on_the_board(
    nodes: tuple[Stack, Node, Node],
) -> None:
    stack, first, second = nodes
    async with player(stack, first, 1) as ann, player(stack, second, 2) as ben:
        wanted = {
            "game": "arena",
            "mode": "quick",
            "title": "Among friends",
            "visibility": "private",
            "password": "sesame",
        }
        made = await ann("POST", "/v1/matches", json=wanted, expect=201)
        by_code = "/v1/matches/join-by-code"
        code = {"code": made["code"].lower()}
        problem = await ben("POST", by_code, json={**code, "password": "x"}, expect=404)
        assert problem["code"] == "bad_code"
        await ben("GET", f"/v1/matches/{made['id']}", expect=404)
        seat = await ben("POST", by_code, json={**code, "password": "sesame"})
        assert seat["match"] == made["id"]
        assert (await ben("GET", "/v1/matches"))["total"] == 0
        async with (
            client(stack, first, 1) as owner,
            client(stack, second, 2) as guest,
            client(stack, second, 3) as other,
        ):
            await owner.join(match=made["id"], game="")
            await guest.join(match=made["id"], game="")
            assert guest.joined["match"] == made["id"]
            await other.socket.send(json.dumps({"type": "join", "ref": 9, "match": made["id"]}))
            await until(lambda: other.errors)
            assert other.errors[0]["code"] == "not_invited"
            await other.join(game="", code=made["code"], password="sesame")
            playing = [asyncio.ensure_future(one.play()) for one in (owner, guest)]
            async with asyncio.timeout(120):
                await _ended(owner)
            for task in playing:
                task.cancel()
        for log in (first.name, second.name):
            text = (stack.settings.logs / f"{log}.log").read_text()
            assert "sesame" not in text and made["code"] not in text
        await _told(ann, ben, made["id"])
    async with operator(stack, second) as ask:
        audit = await ask("GET", "/v1/admin/audit")
        assert audit["records"] == []


async def _ended(one: Any) -> None:
    while "left" not in one.told:  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.05)


async def _told(ann: Any, ben: Any, match: str) -> None:
    path = f"/v1/matches/{match}/result"
    told = await eventually(ben, path, lambda found: found["ended_ms"] is not None)
    assert told["reason"] == "finished"
    assert {one["player"] for one in told["players"]} == {bot_player(n) for n in (1, 2, 3)}
    assert {one["name"] for one in told["players"]} == {bot_name(n) for n in (1, 2, 3)}
    mine = await eventually(ann, "/v1/players/me/matches", lambda found: found["matches"])
    assert [one["match"] for one in mine["matches"]] == [match]
    assert mine["matches"][0]["place"] is not None
    board = "/v1/leaderboards/arena/quick"
    for query in ("", "?span=season", "?span=day"):
        top = await eventually(ann, board + query, lambda found: found["total"] == 3)
        assert top["entries"][0]["rank"] == 1
    rank = await ben("GET", f"{board}/rank")
    around = await ben("GET", f"{board}/around-me")
    own = next(one for one in around["entries"] if one["player"] == bot_player(2))
    assert (own["rank"], own["score"]) == (rank["rank"], rank["score"])
