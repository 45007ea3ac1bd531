"""Cached values with a type: what most callers want.

boards = Cached(cache, "board.1", list[Row], ttl_ms=2_000)
rows = await boards.get_or_load("arena/season-3", lambda: store.top("arena", "season-3"))
await boards.invalidate("arena/season-3")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from gameserver.cache.port import Cache

ValueT = TypeVar("ValueT")


class Cached(Generic[ValueT]):
    """One kind of value. ``kind`` starts its keys and should name the version of its form: what
    another version of this server has written and this one cannot read is loaded anew."""

    def __init__(
        self,
        cache: Cache,
        kind: str,
        type_: type[ValueT],
        *,
        ttl_ms: int,
        absent_ttl_ms: int = 0,
    ) -> None:
        self._cache = cache
        self._kind = kind
        self._ttl_ms = ttl_ms
        self._absent_ttl_ms = absent_ttl_ms
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(type_).decode

    async def get_or_load(
        self, key: str, loader: Callable[[], Awaitable[ValueT | None]]
    ) -> ValueT | None:
        """See ``port.Cache``."""

        async def load() -> bytes | None:
            value = await loader()
            return None if value is None else self._encode(value)

        name = self.name(key)
        for _ in range(2):
            stored = await self._cache.get_or_load(
                name, load, ttl_ms=self._ttl_ms, absent_ttl_ms=self._absent_ttl_ms
            )
            if stored is None:
                return None
            try:
                return self._decode(stored)
            except msgspec.DecodeError:
                await self._cache.invalidate(name)
        return await loader()

    async def get(self, key: str) -> ValueT | None:
        """See ``port.Cache``. What cannot be read counts as nothing."""
        stored = await self._cache.get(self.name(key))
        try:
            return None if stored is None else self._decode(stored)
        except msgspec.DecodeError:
            return None

    async def invalidate(self, key: str) -> bool:
        """See ``port.Cache``; call it after the truth has changed."""
        return await self._cache.invalidate(self.name(key))

    def name(self, key: str) -> str:
        """The key in the cache."""
        return f"{self._kind}:{key}"
