"""What every cache answers: over Redis, over a cluster, over TLS, and over the store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gameserver.adapters.redis_cache import RedisCacheStore
from gameserver.cache.port import CacheStore, Found, Leased, Loading, Missing
from gameserver.cache.shared import SharedCache
from gameserver.config import Config
from gameserver.errors import StoreUnavailable, Unavailable
from gameserver.metrics import Metrics
from tests.adapters.ws_peer import until
from tests.contract.test_match_store import STORES, redis_url
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub

TTL_MS = 60_000


@dataclass
class Node:
    """One node's cache."""

    store: CacheStore
    cache: SharedCache
    metrics: Metrics

    def watches(self) -> bool:
        """Whether changes are heard, so that copies are made."""
        return self.store.current_until() > asyncio.get_running_loop().time()


@dataclass
class Town:
    """Nodes over one store."""

    make: Callable[..., Awaitable[Node]]
    stack: AsyncExitStack
    kind: str
    made: list[Node] = field(default_factory=list)

    async def node(self, **settings: Any) -> Node:
        node = await self.make(len(self.made), **settings)
        self.made.append(node)
        if node.cache._config.cache_near_entries_max:
            await until(node.watches)
        return node


def open_node(number: int, config: Config, store: CacheStore, metrics: Metrics) -> Node:
    entropy = SeededEntropy(7, number)
    cache = SharedCache(store, config, entropy=entropy, metrics=metrics)
    return Node(store, cache, metrics)


@pytest_asyncio.fixture(params=STORES)
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            hub = MemoryCacheHub()

            async def make(number: int, **settings: Any) -> Node:
                node = open_node(number, Config(**settings), hub.store(), Metrics())
                stack.push_async_callback(node.cache.close)
                return node
        else:
            url, prefix = redis_url(request), request.getfixturevalue("redis_prefix")

            async def make(number: int, **settings: Any) -> Node:
                config = Config(
                    redis_url=url,
                    # Where everything shares two cores, a handshake of TLS may take a while.
                    redis_timeout_ms=10_000,
                    redis_cluster=request.param.startswith("redis_cluster"),
                    redis_prefix=prefix,
                    **settings,
                )
                metrics = Metrics()
                store = RedisCacheStore(config, entropy=SeededEntropy(3, number), metrics=metrics)
                node = open_node(number, config, store, metrics)
                await stack.enter_async_context(store)
                stack.push_async_callback(node.cache.close)
                return node

        yield Town(make, stack, request.param)
    # asyncio closes a TLS connection that is given up in the turn before its handshake only once
    # that has begun: where the loop ended first, it would be found open.
    await asyncio.sleep(0.05)


class Truth:
    """What is loaded; ``gate`` holds loads back."""

    def __init__(self, value: bytes | None = b"one") -> None:
        self.value = value
        self.loads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> bytes | None:
        self.loads += 1
        value = self.value
        await self.gate.wait()
        return value


# ── the store ────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_holds_a_lease_a_value_or_word_of_none(town: Town) -> None:
    store = (await town.node()).store
    assert await store.read("k") == Missing()
    assert await store.lease("k", "t1", lease_ms=TTL_MS) == Leased()
    assert await store.lease("k", "t2", lease_ms=TTL_MS) == Loading()
    assert await store.read("k") == Loading()
    assert not await store.fill("k", "t2", b"x", ttl_ms=TTL_MS)
    assert await store.fill("k", "t1", b"\x00\xffx", ttl_ms=TTL_MS)
    assert not await store.fill("k", "t1", b"y", ttl_ms=TTL_MS)
    found = await store.lease("k", "t3", lease_ms=TTL_MS)
    assert isinstance(found, Found)
    assert found.value == b"\x00\xffx" and TTL_MS - 5_000 < found.ttl_ms <= TTL_MS
    await store.delete("k")
    assert await store.lease("k", "t4", lease_ms=TTL_MS) == Leased()
    assert await store.fill("k", "t4", None, ttl_ms=TTL_MS)
    absent = await store.read("k")
    assert isinstance(absent, Found) and absent.value is None


async def test_a_lease_ends_by_its_time_a_word_or_a_change(town: Town) -> None:
    store = (await town.node()).store
    assert await store.lease("a", "t1", lease_ms=20) == Leased()

    async def is_free() -> bool:
        return await store.lease("a", "t2", lease_ms=TTL_MS) == Leased()

    async with asyncio.timeout(30):
        while not await is_free():  # noqa: ASYNC110 (the store's clock ends it)
            await asyncio.sleep(0.005)
    assert not await store.fill("a", "t1", b"late", ttl_ms=TTL_MS)
    await store.give_up("a", "t1")
    assert await store.read("a") == Loading(), "another one's"
    await store.give_up("a", "t2")
    assert await store.read("a") == Missing()
    assert await store.lease("a", "t3", lease_ms=TTL_MS) == Leased()
    await store.delete("a")
    assert not await store.fill("a", "t3", b"old", ttl_ms=TTL_MS)
    assert await store.lease("a", "t4", lease_ms=TTL_MS) == Leased()
    await store.set("a", b"set", ttl_ms=TTL_MS)
    assert not await store.fill("a", "t4", b"old", ttl_ms=TTL_MS)
    assert isinstance(await store.read("a"), Found)


async def test_only_a_value_gets_another_time_to_live(town: Town) -> None:
    store = (await town.node()).store
    assert not await store.expire("k", ttl_ms=TTL_MS)
    assert await store.lease("k", "t", lease_ms=30_000) == Leased()
    assert not await store.expire("k", ttl_ms=1)
    assert await store.fill("k", "t", b"x", ttl_ms=TTL_MS)
    assert await store.expire("k", ttl_ms=5_000)
    found = await store.read("k")
    assert isinstance(found, Found) and found.ttl_ms <= 5_000


# ── the cache ────────────────────────────────────────────────────────────────────────────────────


async def test_a_value_is_loaded_once_and_then_found_nearer_and_nearer(town: Town) -> None:
    node, truth = await town.node(), Truth()
    cache, metrics = node.cache, node.metrics
    assert await cache.get("k") is None
    assert await cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) == b"one"

    async def is_near() -> bool:
        assert await cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) == b"one"
        return metrics.cache_hits_near > 0

    await eventually(is_near)
    assert truth.loads == metrics.cache_loads == 1
    assert metrics.cache_hits_redis >= 1
    other = await town.node()
    assert await other.cache.get("k") == b"one"
    assert other.metrics.cache_hits_redis == 1


async def test_callers_at_the_same_time_share_one_load(town: Town) -> None:
    node, truth = await town.node(), Truth()
    truth.gate.clear()
    callers = [
        asyncio.ensure_future(node.cache.get_or_load("k", truth.load, ttl_ms=TTL_MS))
        for _ in range(20)
    ]
    await until(lambda: truth.loads)
    callers[0].cancel()
    truth.gate.set()
    assert await asyncio.gather(*callers[1:]) == [b"one"] * 19
    assert truth.loads == 1
    assert node.metrics.cache_flights_shared == 19


async def test_nodes_take_turns_at_a_hot_key(town: Town) -> None:
    nodes = [await town.node(cache_wait_ms=20_000) for _ in range(3)]
    truth = Truth()
    truth.gate.clear()
    callers = [
        asyncio.ensure_future(node.cache.get_or_load("hot", truth.load, ttl_ms=TTL_MS))
        for node in nodes
        for _ in range(5)
    ]
    await until(lambda: truth.loads)
    await asyncio.sleep(0.05)
    truth.gate.set()
    assert set(await asyncio.gather(*callers)) == {b"one"}
    assert truth.loads == 1


async def test_who_waited_long_enough_for_another_node_loads_too(town: Town) -> None:
    first, second = await town.node(), await town.node(cache_wait_ms=50)
    slow, quick = Truth(b"slow"), Truth(b"quick")
    slow.gate.clear()
    waiting = asyncio.ensure_future(first.cache.get_or_load("k", slow.load, ttl_ms=TTL_MS))
    await until(lambda: slow.loads)
    assert await second.cache.get_or_load("k", quick.load, ttl_ms=TTL_MS) == b"quick"
    assert await second.cache.get("k") is None, "only who holds the lease may fill"
    slow.gate.set()
    assert await waiting == b"slow"
    assert await second.cache.get("k") == b"slow"


async def test_another_node_hears_of_an_invalidation(town: Town) -> None:
    a, b = await town.node(), await town.node()
    truth = Truth()

    async def b_has(value: bytes, *, near: bool) -> bool:
        hits = b.metrics.cache_hits_near
        got = await b.cache.get_or_load("k", truth.load, ttl_ms=TTL_MS)
        return got == value and (b.metrics.cache_hits_near > hits) == near

    await eventually(lambda: b_has(b"one", near=True))
    for value in (b"two", b"three"):
        truth.value = value
        assert await a.cache.invalidate("k")
        await eventually(lambda value=value: b_has(value, near=True))
        assert await a.cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) == value
    await a.cache.set("k", b"four", ttl_ms=TTL_MS)
    await eventually(lambda: b_has(b"four", near=True))


async def test_a_load_that_an_invalidation_overtakes_is_not_kept(town: Town) -> None:
    a, b = await town.node(), await town.node()
    truth = Truth(b"old")
    truth.gate.clear()
    caller = asyncio.ensure_future(a.cache.get_or_load("k", truth.load, ttl_ms=TTL_MS))
    await until(lambda: truth.loads)
    truth.value = b"new"
    assert await b.cache.invalidate("k")
    truth.gate.set()
    assert await caller == b"new", "loaded anew"
    assert truth.loads == 2
    assert a.metrics.cache_loads_overtaken == 1
    assert await b.cache.get("k") == b"new"


async def test_who_asks_after_an_invalidation_does_not_join_an_older_load(town: Town) -> None:
    node = (await town.node()).cache
    old, new = Truth(b"old"), Truth(b"new")
    old.gate.clear()
    caller = asyncio.ensure_future(node.get_or_load("k", old.load, ttl_ms=TTL_MS))
    await until(lambda: old.loads)
    await node.invalidate("k")
    assert await node.get_or_load("k", new.load, ttl_ms=TTL_MS) == b"new"
    old.gate.set()
    assert await caller in (b"new", b"old")
    assert await node.get("k") == b"new"


async def test_that_there_is_nothing_is_remembered_if_asked_for(town: Town) -> None:
    cache, truth = (await town.node()).cache, Truth(None)
    for _ in range(2):
        assert await cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) is None
    assert truth.loads == 2
    for _ in range(2):
        got = await cache.get_or_load("k", truth.load, ttl_ms=TTL_MS, absent_ttl_ms=TTL_MS)
        assert got is None
    assert truth.loads == 3
    assert await cache.get("k") is None
    truth.value = b"now"
    await cache.invalidate("k")
    assert await cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) == b"now"


async def test_a_value_that_is_too_big_is_not_kept(town: Town) -> None:
    node, truth = await town.node(cache_value_bytes_max=64), Truth(b"x" * 65)
    for _ in range(2):
        assert await node.cache.get_or_load("k", truth.load, ttl_ms=TTL_MS) == b"x" * 65
    assert truth.loads == 2
    await node.cache.set("k", b"y" * 64, ttl_ms=TTL_MS)
    assert await node.cache.get("k") == b"y" * 64
    await node.cache.set("k", b"z" * 65, ttl_ms=TTL_MS)
    assert await node.cache.get("k") is None, "nor is what it replaces"
    assert node.metrics.cache_values_too_big == 3


async def test_expire_ends_near_copies_as_well(town: Town) -> None:
    a, b = await town.node(), await town.node()
    assert not await a.cache.expire("k", ttl_ms=1)
    await a.cache.set("k", b"x", ttl_ms=TTL_MS)

    async def b_is_near() -> bool:
        await b.cache.get("k")
        return b.metrics.cache_hits_near > 0

    await eventually(b_is_near)
    assert await a.cache.expire("k", ttl_ms=1)

    async def is_gone() -> bool:
        return await b.cache.get("k") is None

    await eventually(is_gone)


async def test_a_load_that_fails_is_told_to_all_and_not_kept(town: Town) -> None:
    cache = (await town.node()).cache

    async def fail() -> bytes:
        await asyncio.sleep(0)
        raise ValueError("no")

    told = await asyncio.gather(
        *(cache.get_or_load("k", fail, ttl_ms=TTL_MS) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in told] == [ValueError] * 3
    assert await cache.get_or_load("k", Truth().load, ttl_ms=TTL_MS) == b"one"


async def test_a_load_has_a_time_limit(town: Town) -> None:
    cache, stuck = (await town.node(cache_load_ms=50)).cache, Truth()
    stuck.gate.clear()
    with pytest.raises(Unavailable):
        await cache.get_or_load("k", stuck.load, ttl_ms=TTL_MS)
    assert await cache.get_or_load("k", Truth().load, ttl_ms=TTL_MS) == b"one"


async def test_keys_have_bounds(town: Town) -> None:
    cache = (await town.node()).cache
    for key in ("", "k" * 257):
        for call in (
            cache.get(key),
            cache.set(key, b"", ttl_ms=1),
            cache.invalidate(key),
            cache.expire(key, ttl_ms=1),
            cache.get_or_load(key, Truth().load, ttl_ms=1),
        ):
            with pytest.raises(ValueError, match="1 to 256"):
                await call


async def test_without_near_copies_everything_is_read_from_the_store(town: Town) -> None:
    node = await town.node(cache_near_entries_max=0)
    await node.cache.set("k", b"x", ttl_ms=TTL_MS)
    for _ in range(3):
        assert await node.cache.get("k") == b"x"
    assert (node.metrics.cache_hits_redis, node.metrics.cache_hits_near) == (3, 0)


async def eventually(works: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await works():  # noqa: ASYNC110 (another process changes it)
            await asyncio.sleep(0.002)


async def test_a_store_that_does_not_answer_is_unavailable() -> None:
    config = Config(redis_url="redis://127.0.0.1:9/0", cache_near_entries_max=0)
    metrics = Metrics()
    async with RedisCacheStore(config, entropy=SeededEntropy(1), metrics=metrics) as store:
        for call in (
            store.read("k"),
            store.lease("k", "t", lease_ms=1),
            store.fill("k", "t", b"", ttl_ms=1),
            store.give_up("k", "t"),
            store.set("k", b"", ttl_ms=1),
            store.delete("k"),
            store.expire("k", ttl_ms=1),
        ):
            with pytest.raises(StoreUnavailable):
                await call
    assert metrics.store_errors == 7


async def test_the_keys_are_what_the_document_says(valkey_url: str, redis_prefix: str) -> None:
    config = Config(redis_url=valkey_url, redis_prefix=redis_prefix)
    client: Redis = Redis.from_url(valkey_url)
    metrics, entropy = Metrics(), SeededEntropy(1)
    async with RedisCacheStore(config, entropy=entropy, metrics=metrics) as store:
        await store.set("a", b"x", ttl_ms=TTL_MS)
        await store.lease("b", "t", lease_ms=TTL_MS)
        await store.lease("c", "t", lease_ms=TTL_MS)
        await store.fill("c", "t", None, ttl_ms=TTL_MS)
        stored = [await client.get(f"{redis_prefix}:cache:{key}") for key in "abc"]
        assert stored == [b"Vx", b"Lt", b"N"]
    await client.aclose()
