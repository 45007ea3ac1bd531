"""Signed out on one real node, a player's sockets on all nodes are closed, and none is opened."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gameserver.devstack.stack import Node, Stack
from gameserver.wire.close_codes import CloseCode

TOLD_S = 60.0
"""For a machine on which all else runs as well; it takes a call to Redis."""


@pytest.fixture
def settings_of_nodes() -> dict[str, str]:
    """Several sockets of one player are looked at at once."""
    return {"GAMESERVER_SESSION_POLICY": "many"}


async def log_in(http: aiohttp.ClientSession, node: Node, name: str, password: str) -> Any:
    body = {"username": name, "password": password}
    async with http.post(f"{node.api_url}/v1/auth/login", json=body) as answer:
        assert answer.status == 200
        return await answer.json()


def socket(node: Node, token: str) -> connect:
    return connect(
        f"{node.ws_url}/v1/play",
        subprotocols=["gameserver.v1.json"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"Bearer {token}"},
    )


async def closed_with(connection: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(TOLD_S):
            while True:
                await connection.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def call(
    http: aiohttp.ClientSession, method: str, url: str, token: str, body: Any = None
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.request(method, url, headers=headers, json=body) as answer:
        raw = await answer.read()
        return answer.status, json.loads(raw) if raw else None


async def refused_everywhere(
    http: aiohttp.ClientSession, nodes: tuple[Node, ...], token: str
) -> None:
    for node in nodes:
        status, problem = await call(http, "GET", f"{node.api_url}/v1/matches", token)
        assert (status, problem["code"]) == (401, "revoked")
        with pytest.raises(InvalidStatus) as refused:
            await socket(node, token)
        assert refused.value.response.status_code == 401


@pytest.mark.timeout(120)
async def test_signing_out(nodes: tuple[Stack, Node, Node]) -> None:
    stack, first, second = nodes
    pool = stack.moto.cognito()
    demo = (pool.demo_username, pool.demo_password)
    async with aiohttp.ClientSession() as http:
        one, other = [await log_in(http, first, *demo) for _ in range(2)]
        here, there = one["access_token"], other["access_token"]
        async with socket(first, here) as a, socket(second, here) as b, socket(second, there) as c:
            body = {"refresh_token": one["refresh_token"]}
            status, _ = await call(http, "POST", f"{first.api_url}/v1/auth/logout", here, body)
            assert status == 204
            for each in (a, b):
                assert await closed_with(each) == (CloseCode.TOKEN_REVOKED, "signed out")
            await refused_everywhere(http, (first, second), here)
            refresh = {"refresh_token": one["refresh_token"]}
            async with http.post(f"{second.api_url}/v1/auth/refresh", json=refresh) as answer:
                assert answer.status == 401

            status, _ = await call(http, "GET", f"{second.api_url}/v1/matches", there)
            assert status == 200, "the other session goes on"
            path = f"{first.api_url}/v1/admin/players/{pool.demo_sub}/sessions"
            status, _ = await call(http, "DELETE", path, pool.admin_token())
            assert status == 204
            assert await closed_with(c) == (CloseCode.TOKEN_REVOKED, "ended by an operator")
            await refused_everywhere(http, (first, second), there)

        third = stack.add_node()
        await asyncio.to_thread(stack.start, third.name)
        await refused_everywhere(http, (third,), there)
