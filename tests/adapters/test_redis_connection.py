"""Connections to Redis whose calls are given up, and which one call closes under another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from gameserver.adapters import redis_bus, redis_client
from gameserver.adapters.redis_client import Client
from gameserver.adapters.redis_store import RedisMatchStore
from gameserver.config import Config
from gameserver.errors import StoreUnavailable
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from tests.contract.test_match_store import PATIENT_MS, REDIS_CLUSTER_TLS, REDIS_TLS, redis_url
from tests.contract.test_node_bus import redis_node

STEPS_MAX = 2_000
"""More turns of the loop than any call here takes."""


def config(request: pytest.FixtureRequest) -> Config:
    return Config(
        redis_url=redis_url(request),
        redis_cluster=request.param.startswith("redis_cluster"),
        redis_prefix=request.getfixturevalue("redis_prefix"),
        redis_timeout_ms=PATIENT_MS,
    )


@pytest.fixture(params=["redis", "redis_cluster", REDIS_TLS, REDIS_CLUSTER_TLS])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    made = redis_client.connect(config(request), name="t", connections_max=1)
    await redis_client.begin(made)
    yield made
    await made.aclose()


async def close_all(client: Client) -> None:
    if isinstance(client, RedisCluster):
        for node in client.get_nodes():
            await node.disconnect()
    else:
        await client.connection_pool.disconnect()


async def begun(call: Any, steps: int) -> asyncio.Task[Any]:
    """The call after so many turns of the loop."""
    task = asyncio.ensure_future(call)
    for _ in range(steps):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("opened", [True, False])
async def test_a_call_can_be_given_up_at_every_step(
    client: Client, redis_prefix: str, opened: bool
) -> None:
    for steps in range(1, STEPS_MAX):
        if opened:
            await client.get(redis_prefix)
        else:
            await close_all(client)
        task = await begun(client.get(redis_prefix), steps)
        if task.done():
            break
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert task.done()
    assert await task is None


@pytest.mark.parametrize("opened", [True, False])
async def test_a_connection_can_be_closed_under_a_call_at_every_step(
    client: Client, redis_prefix: str, opened: bool
) -> None:
    """As a call does that has found a server of a cluster gone."""
    metrics = Metrics()
    store = RedisMatchStore(client, prefix=redis_prefix, timeout_ms=1_000, metrics=metrics)
    failed = 0
    for steps in range(1, STEPS_MAX):
        await redis_client.begin(client)
        if opened:
            await client.get(redis_prefix)
        else:
            await close_all(client)
        task = await begun(store.trim(MatchId("m"), up_to_seq=1), steps)
        if task.done():
            break
        await asyncio.gather(close_all(client), close_all(client))
        try:
            await task
        except StoreUnavailable:
            failed += 1
    assert task.done()
    assert metrics.store_errors == failed
    # Whether a call fails or is repeated on another connection depends on the moment.
    assert steps > 1, "it was closed under a call at least once"


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_bus_can_be_stopped_at_every_step(
    request: pytest.FixtureRequest,
    redis_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
) -> None:
    monkeypatch.setattr(redis_bus, "LISTEN_S", 0.001)
    monkeypatch.setattr(redis_bus, "SILENT_MAX", 10_000)
    given = Config(redis_url=request.getfixturevalue("valkey_url"), redis_prefix=redis_prefix)
    for extra in range(6):
        bus, _ = await redis_node(given, "a")
        await asyncio.sleep(0.001 * extra)
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await bus.__aexit__()
