"""The parts of the cache: bounds, the store away, lives, and values with a type."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gameserver.cache import owed
from gameserver.cache.near import ENTRY_BYTES, NearCache
from gameserver.cache.shared import SharedCache
from gameserver.cache.typed import Cached
from gameserver.config import Config
from gameserver.metrics import Metrics
from tests.adapters.ws_peer import until
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub, MemoryCacheStore
from tests.sim.loop import run

TTL_MS = 60_000


def make(**settings: Any) -> tuple[SharedCache, MemoryCacheStore, Metrics]:
    store, metrics = MemoryCacheHub().store(), Metrics()
    cache = SharedCache(store, Config(**settings), entropy=SeededEntropy(1), metrics=metrics)
    return cache, store, metrics


def test_the_least_recently_used_copy_goes() -> None:
    near = NearCache(entries_max=2, bytes_max=10_000)
    for key in "abac":
        if near.get(key, 0) is None:
            near.put(key, key.encode(), until_s=1)
    assert [key for key in "abc" if near.get(key, 0)] == ["a", "c"]
    assert near.get("a", 1) is None, "its time is over"
    assert (len(near), near.bytes) == (1, ENTRY_BYTES + 2)


def test_copies_have_a_size_in_all() -> None:
    near = NearCache(entries_max=100, bytes_max=3 * ENTRY_BYTES)
    for key in "abcd":
        near.put(key, b"x" * 10, until_s=1)
    assert [key for key in "abcd" if near.get(key, 0)] == ["c", "d"]
    near.put("huge", b"x" * 3 * ENTRY_BYTES, until_s=1)
    near.put("c", None, until_s=1)
    assert len(near) == 2 and near.bytes == 2 * ENTRY_BYTES + 2 + 10
    near.clear()
    assert (len(near), near.bytes) == (0, 0)


async def test_without_the_store_loads_go_through_a_few_at_a_time() -> None:
    cache, store, metrics = make(cache_loads_max=3)
    store.down = True
    under_way = most = 0

    async def load() -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return b"x"

    calls = (cache.get_or_load(f"k{n}", load, ttl_ms=TTL_MS) for n in range(50))
    assert set(await asyncio.gather(*calls)) == {b"x"}
    assert most == 3
    assert metrics.cache_loads == 50
    errors = metrics.cache_errors
    assert errors >= 1
    assert await cache.get("k1") is None
    assert metrics.cache_errors == errors, "it is left alone for a while"


def test_an_invalidation_that_was_not_heard_is_tried_until_it_is() -> None:
    async def main() -> None:
        cache, store, _ = make()
        await cache.set("k", b"old", ttl_ms=TTL_MS)
        assert await cache.get("k") == b"old"
        store.down = True
        assert not await cache.invalidate("k")
        assert not await cache.set("other", b"new", ttl_ms=TTL_MS)
        await asyncio.sleep(2)
        store.down = False
        truth = iter((b"new", b"newer"))

        async def load() -> bytes:
            return next(truth)

        assert await cache.get("k") is None, "the store has the old value, and is not asked"
        assert await cache.get_or_load("k", load, ttl_ms=TTL_MS) == b"new"
        await asyncio.sleep(1)
        assert store._hub.entries == {}
        assert await cache.get_or_load("k", load, ttl_ms=TTL_MS) == b"newer"
        assert await cache.get("k") == b"newer"

    run(main())


def test_what_is_owed_has_a_bound_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owed, "OWED_MAX", 3)

    async def main() -> None:
        cache, store, metrics = make(cache_ttl_max_ms=10_000)
        store.down = True
        for number in range(5):
            await cache.invalidate(f"k{number}")
        assert b"gameserver_cache_invalidations_owed 3.0" in metrics.render()
        await asyncio.sleep(12)
        assert b"gameserver_cache_invalidations_owed 0.0" in metrics.render()

    run(main())


async def test_lives_are_cut_and_end_at_different_times() -> None:
    cache, store, _ = make(cache_ttl_max_ms=100_000, cache_ttl_jitter_percent=20)
    now_s = asyncio.get_running_loop().time()
    for number in range(200):
        await cache.set(f"k{number}", b"", ttl_ms=86_400_000)
    lives_s = [until_s - now_s for _, until_s in store._hub.entries.values()]
    assert 79 < min(lives_s) < 84
    assert 96 < max(lives_s) < 101


async def test_closing_ends_loads() -> None:
    cache, _, metrics = make()
    caller = asyncio.ensure_future(
        cache.get_or_load("k", lambda: asyncio.sleep(60, b""), ttl_ms=TTL_MS)
    )
    await until(lambda: metrics.cache_loads)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller


class Row(msgspec.Struct):
    name: str
    score: int


async def test_values_with_a_type() -> None:
    cache, store, _ = make()
    boards = Cached(cache, "board.1", list[Row], ttl_ms=TTL_MS, absent_ttl_ms=TTL_MS)
    rows = [Row("ann", 3), Row("bob", 2)]
    loads = 0

    async def load() -> list[Row]:
        nonlocal loads
        loads += 1
        return rows

    async def nothing() -> None:
        return None

    for _ in range(3):
        assert await boards.get_or_load("arena", load) == rows
    assert loads == 1
    assert list(store._hub.entries) == ["board.1:arena"]
    await boards.invalidate("arena")
    assert await boards.get_or_load("arena", nothing) is None
    assert await boards.get_or_load("arena", load) is None, "kept as well"


async def test_what_another_version_has_written_is_loaded_anew() -> None:
    cache, _, _ = make()
    one = Cached(cache, "row", Row, ttl_ms=TTL_MS)
    for unreadable in (b"\xff", msgspec.msgpack.encode({"name": 3})):
        await cache.set(one.name("k"), unreadable, ttl_ms=TTL_MS)

        async def load() -> Row:
            return Row("ann", 1)

        assert await one.get_or_load("k", load) == Row("ann", 1)
        assert await cache.get(one.name("k")) == msgspec.msgpack.encode(Row("ann", 1))
