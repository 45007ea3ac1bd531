"""What every store of answers does: Redis' and the one in memory, which stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import msgspec
import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.http_idempotency import Answer, AnswerStore, Kept
from gameserver.adapters.redis_answers import RedisAnswers
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.metrics import Metrics
from tests.contract.test_match_store import PATIENT_MS, REDIS_TLS, redis_url, until
from tests.fakes.memory_answers import MemoryAnswers
from tests.fakes.memory_keys import MemoryKms, data_keys

TTL_MS = 60_000
ANSWER = Answer(
    status=201, headers={"ETag": '"1"'}, body=b"\x00\xff{}", content_type="application/json"
)


@pytest.fixture(params=["memory", "redis", "sealed", "redis_cluster", REDIS_TLS])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AnswerStore]:
    if request.param == "memory":
        yield MemoryAnswers()
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
    )
    client = redis_client.connect(config, name="answers", connections_max=16)
    await redis_client.begin(client)
    prefix = request.getfixturevalue("redis_prefix")
    keys = await data_keys() if request.param == "sealed" else None
    yield RedisAnswers(client, prefix=prefix, metrics=Metrics(), keys=keys)
    await client.aclose()


async def test_a_sealed_answer_cannot_be_read_in_redis(valkey_url: str, redis_prefix: str) -> None:
    client = redis_client.connect(Config(redis_url=valkey_url), name="a", connections_max=2)
    await redis_client.begin(client)
    kms = MemoryKms()
    keys = await data_keys(kms)
    store = RedisAnswers(client, prefix=redis_prefix, metrics=Metrics(), keys=keys)
    answer = msgspec.structs.replace(ANSWER, body=b'{"ticket": "secret"}')
    await store.keep("k", Kept(b"d", answer), ttl_ms=TTL_MS)
    stored = await cast(Any, client).get(f"{redis_prefix}:answer:k")
    assert b"secret" not in stored
    assert await store.claim("k", Kept(b"e"), ttl_ms=TTL_MS) == Kept(b"d", answer)
    await cast(Any, client).set(f"{redis_prefix}:answer:other", stored)
    with pytest.raises(StoreUnavailable):
        await store.claim("other", Kept(b"e"), ttl_ms=TTL_MS)
    await client.aclose()


async def test_of_many_at_once_one_claims(store: AnswerStore) -> None:
    found = await asyncio.gather(
        *(store.claim("k", Kept(bytes([number])), ttl_ms=TTL_MS) for number in range(9))
    )
    assert found.count(None) == 1
    [winner] = {kept.digest for kept in found if kept is not None}
    assert found[winner[0]] is None


async def test_an_answer_comes_back_as_it_was(store: AnswerStore) -> None:
    assert await store.claim("k", Kept(b"d"), ttl_ms=TTL_MS) is None
    assert await store.claim("k", Kept(b"other"), ttl_ms=TTL_MS) == Kept(b"d")
    await store.keep("k", Kept(b"d", ANSWER), ttl_ms=TTL_MS)
    assert await store.claim("k", Kept(b"d"), ttl_ms=TTL_MS) == Kept(b"d", ANSWER)
    assert await store.claim("other", Kept(b"d"), ttl_ms=TTL_MS) is None


async def test_what_is_given_up_can_be_claimed(store: AnswerStore) -> None:
    await store.claim("k", Kept(b"d"), ttl_ms=TTL_MS)
    await store.give_up("k")
    await store.give_up("k")
    assert await store.claim("k", Kept(b"e"), ttl_ms=TTL_MS) is None


async def test_claims_and_answers_end(store: AnswerStore) -> None:
    async def claimed() -> bool:
        return await store.claim("k", Kept(b"d"), ttl_ms=TTL_MS) is None

    await store.claim("k", Kept(b"d"), ttl_ms=20)
    await until(claimed)
    await store.keep("k", Kept(b"d", ANSWER), ttl_ms=20)
    await until(claimed)


async def test_redis_away() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0", redis_timeout_ms=200)
    client = redis_client.connect(config, name="answers", connections_max=1)
    store = RedisAnswers(client, prefix="p", metrics=Metrics())
    with pytest.raises(StoreUnavailable):
        await store.claim("k", Kept(b"d"), ttl_ms=TTL_MS)
    await client.aclose()
