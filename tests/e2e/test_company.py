"""A player over two real nodes: one session, friends who see one another, news that arrive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from gameserver.devstack.stack import Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from gameserver.wire.close_codes import CloseCode
from tests.e2e.conftest import hears_of
from tests.e2e.test_revocation import call, closed_with

FOUND_S = 60.0
"""For a machine on which all else runs as well; it takes a beat or two of a second."""
ANN, BEN = 11, 12


def token(stack: Stack, number: int) -> str:
    return stack.moto.cognito().token(bot_player(number), username=bot_name(number))


def socket(stack: Stack, node: Node, number: int, client: str = "") -> connect:
    query = f"?client={client}" if client else ""
    return connect(
        f"{node.ws_url}/v1/play{query}",
        subprotocols=["gameserver.v1.json"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Bearer {token(stack, number)}"},
    )


@asynccontextmanager
async def asking(stack: Stack, number: int) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession() as http:

        async def ask(node: Node, method: str, path: str, body: Any = None) -> Any:
            status, answer = await call(
                http, method, f"{node.api_url}{path}", token(stack, number), body
            )
            assert status < 300, answer
            return answer

        yield ask


async def told(connection: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(FOUND_S):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            if message["type"] == kind:
                return message


@pytest.mark.timeout(240)
async def test_one_session_and_friends_over_two_nodes(
    nodes: tuple[Stack, Node, Node], settings_of_nodes: dict[str, str]
) -> None:
    stack, first, second = nodes
    ann_id, ben_id = bot_player(ANN), bot_player(BEN)
    async with asking(stack, ANN) as ann, asking(stack, BEN) as ben:

        async def place() -> Any:
            [friend] = (await ann(first, "GET", "/v1/friends"))["players"]
            return friend["whereabouts"]

        async def until_at(where: str) -> Any:
            async with asyncio.timeout(FOUND_S):
                while (found := await place())["where"] != where:  # noqa: ASYNC110 (elsewhere)
                    await asyncio.sleep(0.05)
            return found

        await ben(second, "GET", "/v1/profile")
        await ann(second, "GET", "/v1/profile")
        # Nobody is connected: the request waits, and is told at the connect, on the other node.
        await ann(first, "POST", "/v1/friends", {"player_id": ben_id})
        async with socket(stack, second, BEN) as older, socket(stack, first, ANN) as of_ann:
            asked = await told(older, "notification")
            assert (asked["kind"], asked["player"]) == ("friend_request", ann_id)
            path = f"/v1/friends/{ann_id}/answer"
            assert (await ben(second, "POST", path, {"accept": True}))["state"] == "friends"
            accepted = await told(of_ann, "notification")
            assert (accepted["kind"], accepted["player"]) == ("friend_accepted", ben_id)
            assert (await place())["where"] == "online"

            async with socket(stack, first, BEN) as newer:
                assert await closed_with(older) == (
                    CloseCode.REPLACED,
                    "the same player connected elsewhere",
                )
                await newer.send(json.dumps({"type": "join", "ref": 1, "game": "arena"}))
                joined = await told(newer, "joined")
                found = await until_at("match")
                assert (found["game"], found["match"]) == ("arena", joined["match"])
        await until_at("offline")
    settings_of_nodes["GAMESERVER_SESSION_POLICY"] = "refuse"
    third = stack.add_node()
    await asyncio.to_thread(stack.start, third.name)
    await is_refused_until_its_node_is_killed(stack, first, third)


async def is_refused_until_its_node_is_killed(stack: Stack, first: Node, second: Node) -> None:
    """``second`` refuses a second connection, ``first`` does not."""
    async with socket(stack, first, ANN, "tab-1") as there:
        await told(there, "welcome")
        for node in (first, second):
            await hears_of(stack, node, nodes=3)
        with pytest.raises(InvalidStatus) as refused:
            await socket(stack, second, ANN, "tab-2")
        assert refused.value.response.status_code == 409
        error = json.loads(refused.value.response.body)["error"]
        assert error["code"] == "already_connected"
        assert "close that connection" in error["message"]
        async with socket(stack, second, ANN, "tab-1") as moved:
            await told(moved, "welcome")
            assert (await closed_with(there))[0] == CloseCode.REPLACED
        async with socket(stack, first, ANN, "tab-1") as again:
            await told(again, "welcome")
            await asyncio.to_thread(stack.kill, first.name)
            async with asyncio.timeout(FOUND_S):
                while True:
                    try:
                        async with socket(stack, second, ANN, "tab-2") as taken:
                            await told(taken, "welcome")
                            return
                    except InvalidStatus as error:
                        assert error.response.status_code == 409
                        await asyncio.sleep(0.1)
