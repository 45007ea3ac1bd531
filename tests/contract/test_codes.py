"""What every store of codes does: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.redis_codes import RedisCodes
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.hosting import CodeEntry, CodeStore
from gameserver.ids import MatchId
from gameserver.metrics import Metrics
from tests.contract.test_match_store import PATIENT_MS, REDIS_TLS, redis_url, until
from tests.fakes.memory_hosting import MemoryCodes

TTL_MS = 60_000
MINE, OTHER = CodeEntry(MatchId("m1"), "hash"), CodeEntry(MatchId("m2"), "")


@pytest.fixture(params=["memory", "redis", "redis_cluster", REDIS_TLS])
async def codes(request: pytest.FixtureRequest) -> AsyncIterator[CodeStore]:
    if request.param == "memory":
        yield MemoryCodes()
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
    )
    client = redis_client.connect(config, name="codes", connections_max=16)
    await redis_client.begin(client)
    yield RedisCodes(client, prefix=request.getfixturevalue("redis_prefix"), metrics=Metrics())
    await client.aclose()


async def test_a_code_is_one_match_s(codes: CodeStore) -> None:
    assert await codes.find("ACDEFG") is None
    claims = await asyncio.gather(
        *(
            codes.claim("ACDEFG", CodeEntry(MatchId(f"m{number}"), ""), ttl_ms=TTL_MS)
            for number in range(9)
        )
    )
    assert claims.count(True) == 1
    found = await codes.find("ACDEFG")
    assert found == CodeEntry(MatchId(f"m{claims.index(True)}"), "")


async def test_only_its_match_keeps_or_releases_it(codes: CodeStore) -> None:
    await codes.claim("ACDEFG", MINE, ttl_ms=TTL_MS)
    await codes.keep("ACDEFG", OTHER, ttl_ms=TTL_MS)
    await codes.release("ACDEFG", OTHER.match)
    assert await codes.find("ACDEFG") == MINE
    await codes.release("ACDEFG", MINE.match)
    assert await codes.find("ACDEFG") is None
    await codes.release("ACDEFG", MINE.match)


async def test_a_code_lives_as_long_as_it_is_kept(codes: CodeStore) -> None:
    async def gone() -> bool:
        return await codes.find("ACDEFG") is None

    await codes.claim("ACDEFG", MINE, ttl_ms=20)
    await until(gone)
    await codes.keep("ACDEFG", MINE, ttl_ms=TTL_MS)
    assert await codes.find("ACDEFG") == MINE, "it is put there again"
    await codes.keep("ACDEFG", MINE, ttl_ms=20)
    await until(gone)


async def test_guesses_are_counted_within_a_window(codes: CodeStore) -> None:
    spent = await asyncio.gather(*(codes.spend("p:ann", window_ms=TTL_MS) for _ in range(5)))
    assert sorted(spent) == [1, 2, 3, 4, 5]
    await codes.refund("p:ann")
    assert await codes.spend("p:ann", window_ms=TTL_MS) == 5
    assert await codes.spend("p:ben", window_ms=20) == 1
    await codes.refund("p:cid")

    async def begins_anew() -> bool:
        return await codes.spend("p:ben", window_ms=20) == 1

    await until(begins_anew)
    assert await codes.spend("p:cid", window_ms=TTL_MS) == 1


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    client = redis_client.connect(config, name="codes", connections_max=1)
    codes = RedisCodes(client, prefix="p", metrics=Metrics())
    for call in (codes.find("A"), codes.spend("p", window_ms=1), codes.claim("A", MINE, ttl_ms=1)):
        with pytest.raises(StoreUnavailable):
            await call
    await client.aclose()
