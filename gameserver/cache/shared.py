"""A cache of two levels: copies in this process, and a store that all nodes share.

    get_or_load ──► near copy? ──► flight of this key? join it
                                   └─ else: lease from the store
                                        Found    → that is it
                                        Leased   → load, fill while the lease stands
                                        Loading  → another node loads: wait until the key changes

Why an old value does not come back: a key holds either a value or a lease. ``invalidate`` deletes
whichever is there, so a load that began before finds its lease gone and may not fill. A near copy
is made only of what was read from the store, and only if no change of the key was heard while the
read was under way; it is used only while changes are heard (``CacheStore.current_until``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from gameserver.cache.near import Entry, NearCache
from gameserver.cache.owed import Owed
from gameserver.cache.port import (
    KEY_CHARS_MAX,
    CacheStore,
    Found,
    Leased,
    Loader,
    Loading,
    Missing,
)
from gameserver.cache.watched import Watched
from gameserver.config import Config
from gameserver.errors import StoreUnavailable, Unavailable
from gameserver.metrics import Metrics
from gameserver.ports import Entropy

AWAY_S = 0.5
"""How long the store is left alone after a call that failed, about."""
LEASE_MARGIN_MS = 2_000
"""A lease outlasts the longest load by the time of the calls around it."""
POLL_S = 0.1
"""A waiting node looks again so often, should it hear of no change."""
ROUNDS = 3
"""So often is tried to keep what invalidations overtake; then it is loaded once more, for those
alone who wait by then."""


class SharedCache:
    """Implements ``port.Cache``, and ``port.CacheListener`` towards the store."""

    def __init__(
        self, store: CacheStore, config: Config, *, entropy: Entropy, metrics: Metrics
    ) -> None:
        self._store = store
        self._config = config
        self._entropy = entropy
        self._metrics = metrics
        self._near = NearCache(
            entries_max=config.cache_near_entries_max, bytes_max=config.cache_near_bytes_max
        )
        self._watched = Watched()
        self._owed = Owed(store, keep_s=config.cache_ttl_max_ms / 1000, entropy=entropy)
        self._flights: dict[str, asyncio.Task[bytes | None]] = {}
        self._tasks: set[asyncio.Task[bytes | None]] = set()  # flights, detached ones too
        self._places = asyncio.Semaphore(config.cache_loads_max)
        self._away_until_s = float("-inf")
        self._loop = asyncio.get_running_loop()
        store.listen(self)
        metrics.gauge("cache_near_entries", "Near copies", lambda: float(len(self._near)))
        metrics.gauge("cache_near_bytes", "Their size, about", lambda: float(self._near.bytes))
        metrics.gauge(
            "cache_invalidations_owed",
            "Invalidations that Redis has not heard yet",
            lambda: float(len(self._owed)),
        )

    async def close(self) -> None:
        """End the loads under way; their callers see ``CancelledError``."""
        await self._owed.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── Cache ────────────────────────────────────────────────────────────────────────────────

    async def get(self, key: str) -> bytes | None:
        """See ``port.Cache``."""
        _check(key)
        copy = self._copy(key)
        if copy is not None:
            return copy.value
        if self._usable(key):
            try:
                answer = await self._read(key)
            except StoreUnavailable:
                self._failed()
            else:
                if isinstance(answer, Found):
                    self._metrics.cache_hits_redis += 1
                    return answer.value
        self._metrics.cache_misses += 1
        return None

    async def get_or_load(
        self, key: str, loader: Loader, *, ttl_ms: int, absent_ttl_ms: int = 0
    ) -> bytes | None:
        """See ``port.Cache``."""
        _check(key)
        copy = self._copy(key)
        if copy is not None:
            return copy.value
        flight = self._flights.get(key)
        if flight is None:
            flight = self._loop.create_task(self._fly(key, loader, ttl_ms, absent_ttl_ms))
            self._flights[key] = flight
            self._tasks.add(flight)
            flight.add_done_callback(lambda done: self._landed(key, done))
        else:
            self._metrics.cache_flights_shared += 1
        # A caller that gives up must not take the others' value with it.
        return await asyncio.shield(flight)

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> bool:
        """See ``port.Cache``. A value that is too big is not kept, nor what it replaces."""
        if len(value) > self._config.cache_value_bytes_max:
            self._metrics.cache_values_too_big += 1
            return await self.invalidate(key)
        ttl_ms = self._ttl_ms(ttl_ms)
        return await self._change(key, lambda: self._store.set(key, value, ttl_ms=ttl_ms))

    async def invalidate(self, key: str) -> bool:
        """See ``port.Cache``."""
        self._metrics.cache_invalidations += 1
        return await self._change(key, lambda: self._store.delete(key))

    async def _change(self, key: str, call: Callable[[], Awaitable[None]]) -> bool:
        _check(key)
        self._forget(key)
        try:
            await call()
        except StoreUnavailable:
            self._failed()
            self._owed.add(key)
            return False
        except asyncio.CancelledError:
            self._owed.add(key)  # What was there is old, whoever waits for this.
            raise
        finally:
            # Whatever was read while the call was under way may be from before it.
            self._forget(key)
        self._owed.done(key)
        return True

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        """See ``port.Cache``."""
        _check(key)
        try:
            return await self._store.expire(key, ttl_ms=min(ttl_ms, self._config.cache_ttl_max_ms))
        except StoreUnavailable:
            self._failed()
            return False
        finally:
            self._near.drop(key)
            self._watched.changed(key)

    # ── CacheListener ────────────────────────────────────────────────────────────────────────

    def changed(self, keys: Sequence[str] | None) -> None:
        """See ``port.CacheListener``."""
        if keys is None:
            self._metrics.cache_near_resets += 1
            self._near.clear()
            self._watched.changed_all()
            return
        for key in keys:
            self._near.drop(key)
            self._watched.changed(key)

    # ── loading ──────────────────────────────────────────────────────────────────────────────

    async def _fly(self, key: str, loader: Loader, ttl_ms: int, absent_ttl_ms: int) -> bytes | None:
        patience_s = self._loop.time() + self._config.cache_wait_ms / 1000
        rounds = 0
        while self._usable(key):
            token = f"{self._entropy.seed():x}"
            try:
                answer = await self._read(key, token)
            except StoreUnavailable:
                self._failed()
                break
            match answer:
                case Found():
                    self._metrics.cache_hits_redis += 1
                    return answer.value
                case Leased():
                    self._metrics.cache_misses += 1
                    rounds += 1
                    value = await self._load_leased(key, token, loader)
                    ttl = absent_ttl_ms if value is None else ttl_ms
                    if await self._fill(key, token, value, ttl):
                        return value
                    self._metrics.cache_loads_overtaken += 1
                    if rounds == ROUNDS:
                        # Whoever asks from now on has a flight of their own, for this last load
                        # may be overtaken too; those who wait asked before it begins.
                        self._leave(key)
                        break
                case Loading():
                    left_s = patience_s - self._loop.time()
                    if left_s <= 0:
                        break
                    await self._watched.wait(key, min(left_s, POLL_S))
                case Missing():
                    raise AssertionError("a lease is answered otherwise")
                case _:
                    assert_never(answer)
        return await self._load(key, loader)

    async def _load_leased(self, key: str, token: str, loader: Loader) -> bytes | None:
        try:
            return await self._load(key, loader)
        except Exception:
            await self._give_up(key, token)
            raise

    async def _load(self, key: str, loader: Loader) -> bytes | None:
        """At most ``cache_loads_max`` at a time, the wait for a place included in the time."""
        try:
            async with asyncio.timeout(self._config.cache_load_ms / 1000), self._places:
                self._metrics.cache_loads += 1
                return await loader()
        except TimeoutError:
            self._metrics.cache_errors += 1
            raise Unavailable(f"{key} could not be loaded in time") from None

    async def _fill(self, key: str, token: str, value: bytes | None, ttl_ms: int) -> bool:
        """False if the lease is gone: something has changed since the load began."""
        if value is not None and len(value) > self._config.cache_value_bytes_max:
            self._metrics.cache_values_too_big += 1
            ttl_ms = 0
        if ttl_ms <= 0:
            await self._give_up(key, token)
            return True
        try:
            return await self._store.fill(key, token, value, ttl_ms=self._ttl_ms(ttl_ms))
        except StoreUnavailable:
            self._failed()
            return True

    async def _give_up(self, key: str, token: str) -> None:
        try:
            await self._store.give_up(key, token)
        except StoreUnavailable:
            self._failed()

    def _leave(self, key: str) -> None:
        """Let nobody join this flight any more."""
        if self._flights.get(key) is asyncio.current_task():
            del self._flights[key]

    def _landed(self, key: str, flight: asyncio.Task[bytes | None]) -> None:
        self._tasks.discard(flight)
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # Told to the callers, if any are left.

    # ── near copies and the store ────────────────────────────────────────────────────────────

    def _copy(self, key: str) -> Entry | None:
        now_s = self._loop.time()
        if now_s >= self._store.current_until():
            return None
        entry = self._near.get(key, now_s)
        if entry is None:
            return None
        self._metrics.cache_hits_near += 1
        return entry

    async def _read(self, key: str, token: str = "") -> Found | Loading | Missing | Leased:
        mark = self._watched.begin(key)
        began_s = self._loop.time()
        try:
            if token:
                lease_ms = self._config.cache_load_ms + LEASE_MARGIN_MS
                answer: Found | Loading | Missing | Leased
                answer = await self._store.lease(key, token, lease_ms=lease_ms)
            else:
                answer = await self._store.read(key)
        finally:
            self._watched.end(key, mark)
        if (
            isinstance(answer, Found)
            and not mark.spoiled
            and began_s < self._store.current_until()
            and self._config.cache_near_entries_max
        ):
            ttl_ms = min(answer.ttl_ms, self._config.cache_near_ttl_ms)
            self._near.put(key, answer.value, until_s=began_s + ttl_ms / 1000)
        return answer

    def _forget(self, key: str) -> None:
        """Nobody who asks from now on gets what was known, or is being fetched, so far."""
        self._near.drop(key)
        self._watched.changed(key)
        self._flights.pop(key, None)

    def _usable(self, key: str) -> bool:
        return self._loop.time() >= self._away_until_s and key not in self._owed

    def _failed(self) -> None:
        self._metrics.cache_errors += 1
        self._away_until_s = self._loop.time() + AWAY_S * (0.5 + self._entropy.jitter())

    def _ttl_ms(self, ttl_ms: int) -> int:
        """Shortened by chance, so that what was loaded together does not end together."""
        share = self._config.cache_ttl_jitter_percent / 100 * self._entropy.jitter()
        return max(1, int(min(ttl_ms, self._config.cache_ttl_max_ms) * (1 - share)))


def _check(key: str) -> None:
    if not 1 <= len(key) <= KEY_CHARS_MAX:
        raise ValueError(f"a cache key has 1 to {KEY_CHARS_MAX} characters")
