"""Whoever connects has a profile and a session, and a changed name is seen on the other node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import boto3  # type: ignore[import-untyped]
import pytest

from gameserver.devstack.moto import Moto
from gameserver.devstack.stack import Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.e2e.test_cluster import client

NUMBER = 77


def table_of(moto: Moto) -> Any:
    return boto3.client("dynamodb", endpoint_url=moto.endpoint_url, region_name=moto.region)


async def eventually(read: Callable[[], Any]) -> Any:
    """What ``read`` gives once it is true."""
    async with asyncio.timeout(60):
        while not (found := await asyncio.to_thread(read)):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.05)
    return found


@pytest.mark.timeout(120)
async def test_profile_and_session_through_the_real_system(
    nodes: tuple[Stack, Node, Node],
) -> None:
    stack, first, second = nodes
    moto, player = stack.moto, bot_player(NUMBER)
    dynamodb = table_of(moto)

    def profile() -> dict[str, Any] | None:
        key = {"player_id": {"S": player}}
        answer = dynamodb.get_item(TableName=moto.identity["profiles_table"], Key=key)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def sessions() -> list[dict[str, Any]]:
        return list(
            dynamodb.query(
                TableName=moto.identity["sessions_table"],
                KeyConditionExpression="player_id = :p",
                ExpressionAttributeValues={":p": {"S": player}},
            )["Items"]
        )

    async with client(stack, first, NUMBER), aiohttp.ClientSession() as http:
        stored = await eventually(profile)
        assert stored["version"] == {"N": "1"}
        [session] = await eventually(sessions)
        assert session["node"]["S"] and int(session["expires_at"]["N"]) > 0

        token = moto.cognito().token(player, username=bot_name(NUMBER))
        bearer = {"Authorization": f"Bearer {token}"}

        async def name_on(node: Node) -> str:
            url = f"{node.api_url}/v1/profiles/{player}"
            async with http.get(url, headers=bearer) as answer:
                assert answer.status == 200, await answer.text()
                return str((await answer.json())["display_name"])

        for node in (first, second, first, second, second):
            assert await name_on(node) == bot_name(NUMBER)
        patch = {"json": {"display_name": "Änne 🦊"}, "headers": {**bearer, "If-Match": '"1"'}}
        async with http.patch(f"{first.api_url}/v1/profile", **patch) as answer:
            assert answer.status == 200, await answer.text()
        assert await name_on(first) == "Änne 🦊"
        async with asyncio.timeout(60):
            while await name_on(second) != "Änne 🦊":
                pass
        async with http.patch(f"{second.api_url}/v1/profile", **patch) as answer:
            assert answer.status == 412
            assert answer.headers["ETag"] == '"2"'
    await eventually(lambda: not sessions())
