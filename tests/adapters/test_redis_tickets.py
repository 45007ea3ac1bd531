"""Tickets against a real Valkey."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gameserver.adapters.redis_tickets import RedisTickets
from gameserver.errors import StoreUnavailable, TokenRefused
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.ports import Identity
from tests.contract.silence import silent_server
from tests.fakes.memory_keys import MemoryKms, data_keys

IDENTITY = Identity(
    player_id=PlayerId("p1"),
    name="Ada é",
    groups=("admin",),
    expires_ms=2_000_000,
    token_use="access",
    origin_jti="o",
)


class SetClock:
    ms = 1_000_000

    def wall_ms(self) -> int:
        return self.ms


@pytest_asyncio.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey_url)
    yield client
    await client.aclose()


def tickets(redis: Any, prefix: str, *, ttl_ms: int = 30_000) -> RedisTickets:
    return RedisTickets(redis, prefix=prefix, ttl_ms=ttl_ms, clock=SetClock(), metrics=Metrics())


async def test_a_ticket_is_redeemed_once(redis, redis_prefix) -> None:
    office = tickets(redis, redis_prefix)
    ticket = await office.issue(IDENTITY)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", ticket)
    assert await office.redeem(ticket) == IDENTITY
    with pytest.raises(TokenRefused) as refused:
        await office.redeem(ticket)
    assert (refused.value.code, refused.value.status) == ("bad_ticket", 401)


async def test_of_many_at_once_one_gets_it(redis, redis_prefix) -> None:
    office = tickets(redis, redis_prefix)
    ticket = await office.issue(IDENTITY)
    results = await asyncio.gather(
        *(office.redeem(ticket) for _ in range(20)), return_exceptions=True
    )
    assert sum(result == IDENTITY for result in results) == 1
    assert sum(isinstance(result, TokenRefused) for result in results) == 19


async def test_a_ticket_ends(redis, redis_prefix) -> None:
    office = tickets(redis, redis_prefix, ttl_ms=20)
    ticket = await office.issue(IDENTITY)
    (key,) = await redis.keys(f"{redis_prefix}:*")
    assert 0 < await redis.pttl(key) <= 20
    assert ticket.encode() not in key

    async def gone() -> bool:
        return not await redis.exists(key)

    async with asyncio.timeout(60):
        while not await gone():
            pass
    with pytest.raises(TokenRefused):
        await office.redeem(ticket)


@pytest.mark.parametrize(
    "ticket", ["", "x", "a" * 21, "a" * 23, "é" * 22, "a" * 21 + "\n", "*" * 22]
)
async def test_what_is_no_ticket_is_not_looked_up(ticket: str) -> None:
    with pytest.raises(TokenRefused):
        await tickets(None, "gs").redeem(ticket)


async def test_a_ticket_does_not_outlive_its_token(redis, redis_prefix) -> None:
    office = tickets(redis, redis_prefix)
    ticket = await office.issue(IDENTITY)
    office._clock.ms = IDENTITY.expires_ms
    with pytest.raises(TokenRefused) as refused:
        await office.redeem(ticket)
    assert refused.value.code == "expired"


async def test_a_stored_value_of_another_version(redis, redis_prefix) -> None:
    office = tickets(redis, redis_prefix)
    ticket = await office.issue(IDENTITY)
    (key,) = await redis.keys(f"{redis_prefix}:*")
    await redis.set(key, b'{"who": "knows"}')
    with pytest.raises(TokenRefused):
        await office.redeem(ticket)


async def test_prefixes_keep_apart(redis, redis_prefix) -> None:
    ticket = await tickets(redis, redis_prefix).issue(IDENTITY)
    with pytest.raises(TokenRefused):
        await tickets(redis, redis_prefix + "x").redeem(ticket)


async def test_no_store(unused_tcp_port: int) -> None:
    redis = Redis(port=unused_tcp_port, retry=Retry(NoBackoff(), 0))
    office = tickets(redis, "gs")
    with pytest.raises(StoreUnavailable):
        await office.issue(IDENTITY)
    with pytest.raises(StoreUnavailable):
        await office.redeem("a" * 22)
    assert office._metrics.store_errors == 2
    await redis.aclose()


async def test_a_store_that_does_not_answer() -> None:
    async with silent_server() as port:
        redis = Redis(port=port, socket_timeout=0.05, retry=Retry(NoBackoff(), 0))
        with pytest.raises(StoreUnavailable):
            await tickets(redis, "gs").redeem("a" * 22)
        await redis.aclose()


async def test_a_sealed_ticket_cannot_be_read_in_redis(redis, redis_prefix) -> None:
    kms = MemoryKms()
    keys = await data_keys(kms)
    office = RedisTickets(
        redis, prefix=redis_prefix, ttl_ms=9_000, clock=SetClock(), metrics=Metrics(), keys=keys
    )
    ticket = await office.issue(IDENTITY)
    [key] = [key async for key in redis.scan_iter(match=f"{redis_prefix}:*")]
    stored = await redis.get(key)
    assert IDENTITY.name.encode() not in stored
    other = RedisTickets(
        redis,
        prefix=redis_prefix,
        ttl_ms=9_000,
        clock=SetClock(),
        metrics=Metrics(),
        keys=await data_keys(kms),
    )
    assert await other.redeem(ticket) == IDENTITY, "on another node"
    ticket = await office.issue(IDENTITY)
    [key] = [key async for key in redis.scan_iter(match=f"{redis_prefix}:*")]
    await redis.set(key, stored)
    with pytest.raises(TokenRefused, match="another version"):
        await office.redeem(ticket)
