"""A party on a real node that is killed: from its first member into a match; and the ratings with
which its players queue."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import msgspec
import pytest
import redis

from gameserver.devstack.stack import Stack
from gameserver.devstack.tokens import bot_player
from gameserver.matchmaking import Ticket
from tests.e2e.test_cluster import client
from tests.e2e.test_matchmaking import TICKETS, has_joined, player

PARTY = "/v1/party"


async def rate(dsn: str, who: str, mu: float) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "INSERT INTO ratings (player_id, game, mode, mu, sigma, matches) "
        "VALUES ($1, 'arena', 'standard', $2, 2.0, 9)",
        who,
        mu,
    )
    await connection.close()


def waiting(stack: Stack, ticket: str) -> Ticket:
    """As it is stored."""
    with redis.Redis.from_url(stack.valkey.url) as store:
        stored = store.hget("gs:{q:arena/standard}:w", ticket)
    assert stored is not None
    return msgspec.msgpack.decode(stored.partition(b":")[2], type=Ticket)


@pytest.mark.timeout(120)
async def test_a_party_outlives_a_node_and_queues_by_its_ratings(stack: Stack) -> None:
    node = next(iter(stack.nodes.values()))
    names = [bot_player(number) for number in (1, 2)]
    await rate(stack.postgres_dsn, names[0], 30.0)
    async with AsyncExitStack() as open_:
        ann = await open_.enter_async_context(player(stack, node, 1))
        made = await ann("POST", PARTY, expect=201)
        there = await open_.enter_async_context(client(stack, node, 2))
        await ann("POST", f"{PARTY}/invites", json={"player": names[1]})
        async with asyncio.timeout(60):
            while "notification" not in there.told:  # noqa: ASYNC110 (another process tells)
                await asyncio.sleep(0.05)
        await asyncio.to_thread(stack.kill, node.name)
        await asyncio.to_thread(stack.start, node.name)

        ann = await open_.enter_async_context(player(stack, node, 1))
        bob = await open_.enter_async_context(player(stack, node, 2))
        [invitation] = (await bob("GET", "/v1/invitations"))["invitations"]
        assert invitation["party"] == made["id"]
        party = await bob("POST", f"/v1/invitations/{made['id']}/accept")
        assert party["members"] == names
        body = {"game": "arena", "mode": "standard"}
        ticket = await ann("POST", f"{PARTY}/ticket", json=body, expect=201)
        assert ticket["players"] == names
        stored = await asyncio.to_thread(waiting, stack, ticket["ticket"])
        assert [one.skill for one in stored.players] == [1_620, 1_500]

        await bob("DELETE", TICKETS)
        match = (await ann("POST", f"{PARTY}/matches", json=body, expect=201))["id"]
        for number in (2, 1):
            socket = await open_.enter_async_context(client(stack, node, number))
            await has_joined(socket, match)
