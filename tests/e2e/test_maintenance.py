"""Maintenance of two real nodes: what an operator says to one holds on the other."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from gameserver.devstack.stack import Node, Stack
from tests.e2e.conftest import PATIENCE_S, until
from tests.e2e.test_cluster import Client, client
from tests.forked import SERVER, run_forked

MESSAGE = "Back at noon."
PATH = "/v1/admin/maintenance"


@asynccontextmanager
async def operator(stack: Stack, node: Node) -> AsyncIterator[Any]:
    """``await ask("PUT", PATH, json=…)``, logged in through the API as a person would."""
    cognito = stack.moto.cognito()
    async with aiohttp.ClientSession(node.api_url) as http:
        body = {"username": cognito.admin_username, "password": cognito.admin_password}
        async with http.post("/v1/auth/login", json=body) as answer:
            token = (await answer.json())["access_token"]

        async def ask(method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.request(method, path, headers=headers, **options) as answer:
                assert answer.status == expect, await answer.text()
                return await answer.json() if answer.content_length else None

        yield ask


async def refused(one: Client, **named: str) -> None:
    """A join that is refused with the operator's words."""
    count = len(one.errors)
    await one.socket.send(json.dumps({"type": "join", "ref": 7, "game": "arena"} | named))
    await until(lambda: len(one.errors) > count)
    error = one.errors[-1]
    assert (error["code"], error["message"], error["ref"]) == ("maintenance", MESSAGE, 7)
    assert not one.joined


def command(stack: Stack, *arguments: str) -> dict[str, Any]:
    """``python -m gameserver maintenance`` with the settings of a node."""
    environ = {**os.environ, **stack.gameserver_environ(ws_port=0, http_port=0)}
    done = run_forked(SERVER, ["maintenance", *arguments, "--json"], environ=environ)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


async def ten_frames(one: Client) -> None:
    count = len(one.frames)
    await until(lambda: len(one.frames) >= count + 10)


async def readyz(node: Node) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{node.api_url}/readyz") as answer,
    ):
        return answer.status, await answer.json()


async def becomes(node: Node, expected: Any) -> None:
    """Until the node has heard, and says so."""
    async with asyncio.timeout(PATIENCE_S):
        while await readyz(node) != (200, expected):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
async def test_turned_on_through_one_node_it_holds_on_the_other_and_the_match_plays_on(
    nodes: tuple[Stack, Node, Node],
) -> None:
    stack, first, second = nodes
    async with (
        client(stack, first, 1) as owner,
        client(stack, second, 3) as late,
        operator(stack, first) as ask,
    ):
        await owner.join(mode="crowd")
        match = owner.joined["match"]
        async with client(stack, second, 2) as other:
            await other.join(match=match, game="")
            await ten_frames(other)
            on = await ask("PUT", PATH, json={"message": MESSAGE})
            assert (on["on"], on["by"]) == (True, "operator")
            told = {"message": MESSAGE, "until_ms": None}
            for node in (first, second):
                await becomes(node, {"status": "ready", "maintenance": told})
            await refused(late)
            await refused(late, mode="crowd")
            await refused(late, match=match, game="")
            await ten_frames(owner)
            await ten_frames(other)
            seat = other.joined["seat"]
        async with client(stack, second, 2) as back:
            await back.join(match=match, game="")
            assert back.joined["seat"] == seat, "the seat was kept"
            await asyncio.to_thread(stack.stop, first.name)
            epoch = back.joined["epoch"]
            await until(lambda: back.frames[-1][1] > epoch)
            await ten_frames(back)
            assert set(back.told) <= {"paused", "resumed"}, back.told
        await refused(late, match=match, game="")

        on = await asyncio.to_thread(command, stack, "status")
        assert (on["message"], on["by"]) == (MESSAGE, "operator")
        assert await asyncio.to_thread(command, stack, "off") == {"on": False}
        await becomes(second, {"status": "ready"})
        await late.join(match=match, game="")
        assert late.joined["match"] == match
