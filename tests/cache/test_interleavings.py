"""No old value comes back: random histories of nodes that read, write and invalidate, in virtual
time, with every leg of every call and every push late by chance.

What must hold:
    local       who reads on a node gets nothing older than what an invalidation that has returned
                there was about, whatever fails
    everywhere  without faults, nor does who reads on another node, one push later
    in the end  when all is well again, every node reads the newest
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameserver.cache import shared
from gameserver.cache.shared import SharedCache
from gameserver.cache.watched import Mark
from gameserver.config import Config
from gameserver.metrics import Metrics
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_cache import MemoryCacheHub, MemoryCacheStore
from tests.sim.loop import run

NODES = 3
KEYS = ("a", "b")
ACTORS = 8
STEPS = 30
LATE_S = 0.02
"""The longest that a leg or a push takes."""
CONFIG = Config(cache_wait_ms=60_000, cache_near_ttl_ms=2_000, cache_near_entries_max=1)


class Stale(AssertionError):
    """Somebody got an old value."""


class History:
    def __init__(self, seed: int, *, faults: bool) -> None:
        self.random = random.Random(seed)
        self.faults = faults
        self.hub = MemoryCacheHub(lambda: self.random.uniform(0, LATE_S))
        self.stores = [self.hub.store() for _ in range(NODES)]
        self.metrics = Metrics()
        self.caches = [
            SharedCache(store, CONFIG, entropy=SeededEntropy(seed, n), metrics=self.metrics)
            for n, store in enumerate(self.stores)
        ]
        self.truth = dict.fromkeys(KEYS, 0)
        self.local = {(node, key): 0 for node in range(NODES) for key in KEYS}
        self.told: list[tuple[float, str, int]] = []

    async def play(self) -> None:
        actors = [self._act() for _ in range(ACTORS)]
        if self.faults:
            actors.append(self._trouble())
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(actor)
        await asyncio.sleep(10 * LATE_S + 4)  # Invalidations that were owed are settled.
        for node in range(NODES):
            for key in KEYS:
                got = await self._read(node, key)
                if got != self.truth[key]:
                    raise Stale(f"in the end: {got}, not {self.truth[key]}")

    async def _act(self) -> None:
        for _ in range(STEPS):
            await asyncio.sleep(self.random.uniform(0, 0.05))
            node, key = self.random.randrange(NODES), self.random.choice(KEYS)
            if self.random.random() < 0.25:
                await self._write(node, key)
            else:
                await self._check(node, key)

    async def _write(self, node: int, key: str) -> None:
        await asyncio.sleep(self.random.uniform(0, LATE_S))
        self.truth[key] += 1
        version = self.truth[key]
        heard = await self.caches[node].invalidate(key)
        self.local[node, key] = max(self.local[node, key], version)
        if heard:
            self.told.append((asyncio.get_running_loop().time(), key, version))

    async def _check(self, node: int, key: str) -> None:
        floor = self.local[node, key]
        if not self.faults:
            by_now = asyncio.get_running_loop().time() - LATE_S - 1e-3
            told = [v for at, k, v in self.told if k == key and at <= by_now]
            floor = max([floor, *told])
        got = await self._read(node, key)
        if got < floor:
            raise Stale(f"node {node} read {got} of {key} after {floor} was known")

    async def _read(self, node: int, key: str) -> int:
        async def load() -> bytes:
            await asyncio.sleep(self.random.uniform(0, LATE_S))
            value = self.truth[key]
            await asyncio.sleep(self.random.uniform(0, 5 * LATE_S))
            return b"%d" % value

        value = await self.caches[node].get_or_load(key, load, ttl_ms=1_500)
        assert value is not None
        return int(value)

    async def _trouble(self) -> None:
        for _ in range(STEPS // 2):
            await asyncio.sleep(self.random.uniform(0, 0.1))
            store = self.random.choice(self.stores)
            await self._fault(store)

    async def _fault(self, store: MemoryCacheStore) -> None:
        if self.random.random() < 0.5:
            store.track(False)
            await asyncio.sleep(self.random.uniform(0, 0.1))
            store.track(True)
        else:
            store.down = True
            await asyncio.sleep(self.random.uniform(0, 0.1))
            store.down = False


def play(seed: int, *, faults: bool = False) -> Metrics:
    async def main() -> Metrics:
        history = History(seed, faults=faults)
        try:
            await history.play()
        finally:
            for cache in history.caches:
                await cache.close()
        return history.metrics

    result = run(main())
    assert isinstance(result, Metrics)
    return result


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nobody_gets_what_was_invalidated_before(seed: int) -> None:
    play(seed)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nor_while_the_store_and_its_words_fail(seed: int) -> None:
    play(seed, faults=True)


def test_the_histories_are_about_something() -> None:
    metrics = play(1, faults=True)
    for name in ("cache_hits_near", "cache_hits_redis", "cache_loads_overtaken",
                 "cache_flights_shared", "cache_near_resets", "cache_errors"):  # fmt: skip
        assert getattr(metrics, name) > 0, name


async def _fill_anyway(
    self: MemoryCacheStore, key: str, token: str, value: bytes | None, *, ttl_ms: int
) -> bool:
    await self._leg()
    self._hub.put(key, b"N" if value is None else b"V" + value, ttl_ms)
    await self._leg()
    return True


def _forget_copies_only(self: SharedCache, key: str) -> None:
    self._near.drop(key)
    self._watched.changed(key)


def _forget_all_but_copies(self: SharedCache, key: str) -> None:
    self._flights.pop(key, None)
    self._watched.changed(key)


def _no_owed(self: SharedCache, key: str) -> bool:
    return self._loop.time() >= self._away_until_s


MUTATIONS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], bool]] = {
    "a lease that is gone does not matter": (
        lambda patch: patch.setattr(MemoryCacheStore, "fill", _fill_anyway),
        False,
    ),
    "changes during a read do not matter": (
        lambda patch: patch.setattr(Mark, "spoiled", property(lambda m: False, lambda m, v: None)),
        False,
    ),
    "older loads are joined": (
        lambda patch: patch.setattr(SharedCache, "_forget", _forget_copies_only),
        False,
    ),
    "near copies stay on the own node": (
        lambda patch: patch.setattr(SharedCache, "_forget", _forget_all_but_copies),
        False,
    ),
    "changes of others are not heard": (
        lambda patch: patch.setattr(SharedCache, "changed", lambda self, keys: None),
        False,
    ),
    "what is owed is used": (lambda patch: patch.setattr(SharedCache, "_usable", _no_owed), True),
    "the last load is given to all": (
        lambda patch: patch.setattr(SharedCache, "_leave", lambda self, key: None),
        False,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_guard_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, faults = MUTATIONS[name]
    monkeypatch.setattr(shared, "ROUNDS", 1)
    monkeypatch.setattr(shared, "AWAY_S", 0.01)
    mutate(monkeypatch)
    with pytest.raises((Stale, ExceptionGroup)) as raised:
        for seed in range(200):
            play(seed, faults=faults)
    assert isinstance(raised.value, Stale) or raised.group_contains(Stale)
