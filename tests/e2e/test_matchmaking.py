"""Tickets on two real nodes: taken over HTTP, told over the socket, and outliving their master."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
import redis

from gameserver.devstack.stack import Node, Stack
from gameserver.devstack.tokens import bot_name, bot_player
from tests.e2e.test_cluster import Client, client

TICKETS = "/v1/matchmaking/tickets"
MATCHED_S = 60.0
"""The fill time of the mode, a lease to be taken over, and a machine that does other things too."""


class Player:
    """One player's calls to one node."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def __call__(
        self, method: str, path: str = TICKETS, *, expect: int = 200, **given: Any
    ) -> Any:
        async with self._http.request(method, path, **given) as answer:
            assert answer.status == expect, await answer.text()
            return await answer.json()

    async def enter(self, mode: str, **given: Any) -> Any:
        body = {"game": "arena", "mode": mode, **given}
        return await self("POST", expect=201, json=body)

    async def reaches(self, *states: str) -> Any:
        """The ticket, once it is in one of ``states``."""
        async with asyncio.timeout(MATCHED_S):
            while True:
                seen = await self("GET")
                if seen["state"] in states:
                    return seen
                await asyncio.sleep(0.1)


@asynccontextmanager
async def player(stack: Stack, node: Node, number: int) -> AsyncIterator[Player]:
    token = stack.moto.cognito().token(bot_player(number), username=bot_name(number))
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(node.api_url, headers=headers) as http:
        yield Player(http)


def master(stack: Stack, queue: str) -> str:
    """The node that leads the queue, as Redis has it."""
    with redis.Redis.from_url(stack.valkey.url) as store:
        return (store.get(f"gs:{{q:{queue}}}:l") or b"").decode()


async def the_master(stack: Stack, queue: str) -> Node:
    async with asyncio.timeout(MATCHED_S):
        while True:
            name = await asyncio.to_thread(master, stack, queue)
            for node in stack.nodes.values():
                pid = stack.service(node.name).pid
                if name and name.endswith(f"-{pid}"):
                    return node
            await asyncio.sleep(0.2)


async def has_joined(one: Client, match: str) -> None:
    await one.join(match=match, game="")
    assert one.joined["match"] == match


@pytest.mark.timeout(240)
async def test_players_of_two_nodes_are_asked_told_and_seated(
    nodes: tuple[Stack, Node, Node],
) -> None:
    stack, first, second = nodes
    async with AsyncExitStack() as open_:
        one = await open_.enter_async_context(player(stack, first, 1))
        two = await open_.enter_async_context(player(stack, second, 2))
        # Each is connected to the node that they do not ask.
        sockets = [
            await open_.enter_async_context(client(stack, second, 1)),
            await open_.enter_async_context(client(stack, first, 2)),
        ]
        stranger = await open_.enter_async_context(client(stack, first, 3))
        queues = (await one("GET", "/v1/matchmaking/queues"))["queues"]
        assert {"standard", "duel"} <= {each["mode"] for each in queues}
        ticket = await one.enter("duel", key="x")
        assert (await one.enter("duel", key="x"))["ticket"] == ticket["ticket"]
        assert (await one("POST", expect=409, json={"game": "arena", "mode": "duel"}))[
            "code"
        ] == "already_queued"
        alone = await two("GET", expect=404)
        assert alone["code"] == "no_ticket"
        await two.enter("duel")
        await one.reaches("ready_check")
        await one("POST", f"{TICKETS}/ready", json={"ready": True})
        await two("POST", f"{TICKETS}/ready", json={"ready": True})
        match = (await one.reaches("matched"))["match"]
        assert (await two.reaches("matched"))["match"] == match
        async with asyncio.timeout(MATCHED_S):
            while any(each.told.count("matchmaking") < 2 for each in sockets):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await stranger.socket.send(f'{{"type": "join", "ref": 1, "match": "{match}"}}')
        async with asyncio.timeout(MATCHED_S):
            while not stranger.errors:  # noqa: ASYNC110 (another process answers)
                await asyncio.sleep(0.05)
        assert stranger.errors[0]["code"] == "match_full"
        for socket in sockets:
            await has_joined(socket, match)


@pytest.mark.timeout(240)
async def test_tickets_outlive_the_node_that_leads_their_queue(
    nodes: tuple[Stack, Node, Node],
) -> None:
    stack, _, _ = nodes
    leader = await the_master(stack, "arena/standard")
    [other] = [node for node in stack.nodes.values() if node is not leader]
    async with AsyncExitStack() as open_:
        there = await open_.enter_async_context(player(stack, leader, 1))
        mine = await there.enter("standard")
        await asyncio.to_thread(stack.kill, leader.name)
        again = await open_.enter_async_context(player(stack, other, 1))
        seen = await again("GET", params={"why": "true"})
        assert (seen["ticket"], seen["state"]) == (mine["ticket"], "waiting")
        friend = await open_.enter_async_context(player(stack, other, 2))
        await friend.enter("standard")
        match = (await again.reaches("matched"))["match"]
        assert (await friend.reaches("matched"))["match"] == match
        for number in (1, 2):
            socket = await open_.enter_async_context(client(stack, other, number))
            await has_joined(socket, match)


@pytest.mark.timeout(240)
async def test_a_party_agrees_by_its_passes(nodes: tuple[Stack, Node, Node]) -> None:
    stack, first, second = nodes
    async with AsyncExitStack() as open_:
        leader = await open_.enter_async_context(player(stack, first, 1))
        friend = await open_.enter_async_context(player(stack, second, 2))
        given = (await friend("POST", "/v1/tickets", expect=201))["ticket"]
        party = [{"pass": given}]
        ticket = await leader.enter("standard", party=party)
        assert sorted(ticket["players"]) == sorted([bot_player(1), bot_player(2)])
        assert (await friend("GET"))["ticket"] == ticket["ticket"]
        match = (await friend.reaches("matched"))["match"]
        assert (await leader.reaches("matched"))["match"] == match
        used = {"game": "arena", "mode": "standard", "party": party}
        stranger = await open_.enter_async_context(player(stack, first, 3))
        assert (await stranger("POST", expect=422, json=used))["code"] == "bad_pass"
