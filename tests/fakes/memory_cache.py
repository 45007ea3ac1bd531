"""The cache's store in memory, for any number of nodes, with late calls and faults on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gameserver.cache.port import CacheListener, Found, Leased, Loading, Missing
from gameserver.errors import StoreUnavailable


class MemoryCacheHub:
    """What Redis holds: by key ``V…``, ``N`` or ``L<token>``, and until when.

    ``delay_s``: how long the next leg of a call, or the next push, takes."""

    def __init__(self, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self.delay_s = delay_s
        self.entries: dict[str, tuple[bytes, float]] = {}
        self.stores: list[MemoryCacheStore] = []

    def store(self) -> MemoryCacheStore:
        """The store as one more node sees it."""
        store = MemoryCacheStore(self)
        self.stores.append(store)
        return store

    def get(self, key: str) -> tuple[bytes, float] | None:
        entry = self.entries.get(key)
        if entry is None or entry[1] <= asyncio.get_running_loop().time():
            return None
        return entry

    def put(self, key: str, stored: bytes, ttl_ms: int) -> None:
        self.entries[key] = stored, asyncio.get_running_loop().time() + ttl_ms / 1000
        self._push(key)

    def delete(self, key: str) -> None:
        if self.entries.pop(key, None) is not None:
            self._push(key)

    def _push(self, key: str) -> None:
        for store in self.stores:
            store.push(key)


class MemoryCacheStore:
    """Implements ``cache.port.CacheStore``."""

    def __init__(self, hub: MemoryCacheHub) -> None:
        self._hub = hub
        self._listener: CacheListener | None = None
        self._pushes_until = 0.0
        self.down = False
        self.tracked = True

    def listen(self, listener: CacheListener) -> None:
        self._listener = listener

    def current_until(self) -> float:
        return float("inf") if self.tracked else float("-inf")

    def track(self, tracked: bool) -> None:
        """The tracking connection is lost, or there again."""
        self.tracked = tracked
        if self._listener is not None:
            self._listener.changed(None)

    def push(self, key: str) -> None:
        """One connection: pushes arrive in their order."""
        if self.tracked:
            loop = asyncio.get_running_loop()
            self._pushes_until = max(self._pushes_until, loop.time() + self._hub.delay_s())
            loop.call_at(self._pushes_until, self._deliver, key)

    def _deliver(self, key: str) -> None:
        if self.tracked and self._listener is not None:
            self._listener.changed([key])

    async def read(self, key: str) -> Found | Loading | Missing:
        await self._leg()
        answer = self._look(key) or Missing()
        await self._leg()
        return answer

    async def lease(self, key: str, token: str, *, lease_ms: int) -> Found | Loading | Leased:
        await self._leg()
        answer: Found | Loading | Leased | None = self._look(key)
        if answer is None:
            self._hub.put(key, b"L" + token.encode(), lease_ms)
            answer = Leased()
        await self._leg()
        return answer

    async def fill(self, key: str, token: str, value: bytes | None, *, ttl_ms: int) -> bool:
        await self._leg()
        holds = self._holds(key, token)
        if holds:
            self._hub.put(key, b"N" if value is None else b"V" + value, ttl_ms)
        await self._leg()
        return holds

    async def give_up(self, key: str, token: str) -> None:
        await self._leg()
        if self._holds(key, token):
            self._hub.delete(key)
        await self._leg()

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        await self._leg()
        self._hub.put(key, b"V" + value, ttl_ms)
        await self._leg()

    async def delete(self, key: str) -> None:
        await self._leg()
        self._hub.delete(key)
        await self._leg()

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        await self._leg()
        entry = self._hub.get(key)
        there = entry is not None and not entry[0].startswith(b"L")
        if entry is not None and there:
            self._hub.put(key, entry[0], ttl_ms)
        await self._leg()
        return there

    def _look(self, key: str) -> Found | Loading | None:
        entry = self._hub.get(key)
        if entry is None:
            return None
        stored, until_s = entry
        ttl_ms = int((until_s - asyncio.get_running_loop().time()) * 1000)
        if stored.startswith(b"L"):
            return Loading()
        return Found(stored[1:] if stored.startswith(b"V") else None, ttl_ms)

    def _holds(self, key: str, token: str) -> bool:
        entry = self._hub.get(key)
        return entry is not None and entry[0] == b"L" + token.encode()

    async def _leg(self) -> None:
        """A way there or back."""
        if self.down:
            raise StoreUnavailable("the store is down")
        await asyncio.sleep(self._hub.delay_s())
        if self.down:
            raise StoreUnavailable("the store is down")
