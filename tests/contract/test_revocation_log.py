"""What every log of revocations does: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gameserver.adapters.redis_revocations import RedisRevocations
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.revocation import Revocation, RevocationLog
from tests.contract.test_match_store import PATIENT_MS, REDIS_TLS, redis_url
from tests.fakes.memory_revocations import MemoryRevocationLog

NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture(params=["memory", "redis", "redis_cluster", REDIS_TLS])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[RevocationLog]:
    if request.param == "memory":
        yield MemoryRevocationLog()
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
        redis_prefix=request.getfixturevalue("redis_prefix"),
    )
    async with RedisRevocations.connect(config, metrics=Metrics()) as redis:
        yield redis


def of(player: str, origin_jti: str = "", at_ms: int = NOW_MS) -> Revocation:
    return Revocation(PlayerId(player), origin_jti, at_ms, "signed out é")


async def test_nothing_at_first(log: RevocationLog) -> None:
    found, position = await log.since("", wait_ms=0)
    assert found == []
    assert await log.since(position, wait_ms=10) == ([], position)


async def test_each_reader_gets_each_entry_once(log: RevocationLog) -> None:
    added = [of("a", "jti-1"), of("b"), of("a", "jti-2")]
    for each in added[:2]:
        await log.add(each)
    first, position = await log.since("", wait_ms=0)
    assert sorted(first, key=repr) == sorted(added[:2], key=repr)
    await log.add(added[2])
    assert (await log.since(position, wait_ms=0))[0] == [added[2]]
    everything, _ = await log.since("", wait_ms=0)
    assert sorted(everything, key=repr) == sorted(added, key=repr)


@pytest.mark.parametrize("entry", [of("a", "jti"), of("a")])
async def test_a_reader_that_waits_hears_at_once(log: RevocationLog, entry: Revocation) -> None:
    _, position = await log.since("", wait_ms=0)

    async def heard() -> list[Revocation]:
        place = position
        while True:
            found, place = await log.since(place, wait_ms=200)
            if found:
                return found

    reader = asyncio.create_task(heard())
    await asyncio.sleep(0)
    await log.add(entry)
    async with asyncio.timeout(60):
        assert await reader == [entry]


async def test_a_wait_is_shorter_than_a_calls_time(valkey_url: str, redis_prefix: str) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix, redis_timeout_ms=300)
    async with RedisRevocations.connect(config, metrics=Metrics()) as log:
        assert (await log.since("", wait_ms=60_000))[0] == []


async def test_redis_drops_what_is_too_old(valkey_url: str, redis_prefix: str) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix, revocation_days=2)
    async with RedisRevocations.connect(config, metrics=Metrics()) as log:
        await log.add(of("a", "jti"))
        await log.add(of("a"))
        assert len((await log.since("", wait_ms=0))[0]) == 2
        # Entries have the server's time, so those of now are old for a clock far ahead.
        far_ms = 4_000_000_000_000
        await log.add(of("b", "jti-2", at_ms=far_ms))
        await log.add(of("b", at_ms=far_ms))
        assert (await log.since("", wait_ms=0))[0] == []


async def test_an_entry_of_another_version_is_passed_over(
    valkey_url: str, redis_prefix: str
) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    async with (
        Redis.from_url(valkey_url) as redis,
        RedisRevocations.connect(config, metrics=Metrics()) as log,
    ):
        await redis.xadd(f"{redis_prefix}:{{revoked}}:players", {"x": "y"})
        await log.add(of("a"))
        assert (await log.since("", wait_ms=0))[0] == [of("a")]


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    async with RedisRevocations.connect(config, metrics=Metrics()) as log:
        with pytest.raises(StoreUnavailable):
            await log.add(of("a"))
        with pytest.raises(StoreUnavailable):
            await log.since("", wait_ms=0)
