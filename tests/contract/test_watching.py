"""What every store of figures does: Redis' and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gameserver.adapters import redis_client
from gameserver.adapters.redis_figures import RedisFigures
from gameserver.config import Config
from gameserver.devstack.process import free_port
from gameserver.errors import StoreUnavailable
from gameserver.metrics import Metrics
from gameserver.watching import KEPT_MS, SAMPLE_MS, SAMPLES_MAX, FigureStore, Sample
from tests.contract.test_match_store import PATIENT_MS, REDIS_TLS, redis_url
from tests.fakes.memory_watching import MemoryFigures

KINDS = ["memory", "redis", "redis_cluster", REDIS_TLS]
NOW_MS = 1_000 * KEPT_MS


class SetClock:
    def wall_ms(self) -> float:
        return NOW_MS


def sample(at_ms: int, sessions: int = 1) -> Sample:
    return Sample(at_ms, 2, sessions, 1, 1, 5.0, 0.25, 3, 40)


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, redis_prefix: str) -> AsyncIterator[FigureStore]:
    if request.param == "memory":
        yield MemoryFigures()
        return
    config = Config(
        redis_url=redis_url(request),
        redis_timeout_ms=PATIENT_MS,
        redis_cluster=request.param == "redis_cluster",
    )
    client = redis_client.connect(config, name="figures", connections_max=2)
    await redis_client.begin(client)
    yield RedisFigures(client, prefix=redis_prefix, clock=SetClock(), metrics=Metrics())
    await client.aclose()


async def test_samples_are_kept_once_and_in_order(store: FigureStore) -> None:
    assert await store.since(0) == []
    first, second = NOW_MS - 2 * SAMPLE_MS, NOW_MS - SAMPLE_MS
    await store.add(sample(first, 7))
    await store.add(sample(first, 9))
    await store.add(sample(second))
    await store.add(sample(first, 9))
    assert await store.since(0) == [sample(first, 7), sample(second)]
    assert await store.since(first) == [sample(second)]
    assert await store.since(second) == []


async def test_redis_keeps_no_more_than_an_hour(valkey_url: str, redis_prefix: str) -> None:
    client = redis_client.connect(Config(redis_url=valkey_url), name="f", connections_max=1)
    store = RedisFigures(client, prefix=redis_prefix, clock=SetClock(), metrics=Metrics())
    for number in range(SAMPLES_MAX + 20):
        await store.add(sample(NOW_MS - (SAMPLES_MAX + 20 - number) * SAMPLE_MS))
    assert len(await store.since(0)) == SAMPLES_MAX - 1  # younger than an hour
    key = f"{redis_prefix}:figures"
    assert await client.xlen(key) == SAMPLES_MAX  # type: ignore[misc]
    assert 0 < await client.pttl(key) <= KEPT_MS  # type: ignore[misc]
    await client.xadd(key, {"f": b"of another version"})
    assert len(await store.since(0)) == SAMPLES_MAX - 1
    await client.aclose()


async def test_a_redis_that_is_away_is_said() -> None:
    config = Config(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    client = redis_client.connect(config, name="figures", connections_max=1)
    store = RedisFigures(client, prefix="p", clock=SetClock(), metrics=Metrics())
    with pytest.raises(StoreUnavailable):
        await store.add(sample(1))
    with pytest.raises(StoreUnavailable):
        await store.since(0)
    await client.aclose()
