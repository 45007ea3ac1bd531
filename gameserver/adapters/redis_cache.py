"""The cache's store in Redis.

    <prefix>:cache:<key>   string   V<value> | N (known not to be there) | L<token> (being loaded)

One key holds value or lease, so that DEL ends a load as well as a value, and each change is one
command or script on one key. Changes are heard through ``redis_tracking``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self, cast

from gameserver.adapters import redis_client
from gameserver.adapters.redis_calls import RedisCalls
from gameserver.adapters.redis_script import Script
from gameserver.adapters.redis_tracking import RedisTracking
from gameserver.cache.port import CacheListener, Found, Leased, Loading, Missing
from gameserver.config import Config
from gameserver.metrics import Metrics
from gameserver.ports import Entropy

CONNECTIONS_MAX = 16


def key_prefix(redis_prefix: str) -> str:
    """What the keys of all cached values start with."""
    return f"{redis_prefix}:cache:"


class RedisCacheStore:
    """Implements ``cache.port.CacheStore``, to be used as ``async with``, after ``listen``."""

    def __init__(self, config: Config, *, entropy: Entropy, metrics: Metrics) -> None:
        # Its own connections, so that a storm of reads never delays a commit.
        self._client = redis_client.connect(
            config, name="gameserver-cache", connections_max=CONNECTIONS_MAX
        )
        self._prefix = key_prefix(config.redis_prefix)
        self._call = partial(
            RedisCalls(metrics, "the cache did not answer").within, config.redis_timeout_ms / 1000
        )
        self._listener: CacheListener | None = None
        self._tracking: RedisTracking | None = None
        if config.cache_near_entries_max:
            self._tracking = RedisTracking(
                config,
                prefix=self._prefix,
                changed=self._changed,
                entropy=entropy,
                metrics=metrics,
            )
        self._read = Script("cache_read")
        self._fill = Script("cache_fill")
        self._expire = Script("cache_expire")

    async def __aenter__(self) -> Self:
        """Raises ``StoreUnavailable`` where a cluster does not answer."""
        async with self._call():
            await redis_client.begin(self._client)
        if self._tracking is not None:
            self._tracking.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tracking is not None:
            await self._tracking.close()
        await self._client.aclose()

    def listen(self, listener: CacheListener) -> None:
        """See ``CacheStore``."""
        self._listener = listener

    def current_until(self) -> float:
        """See ``CacheStore``."""
        return float("-inf") if self._tracking is None else self._tracking.current_until

    async def read(self, key: str) -> Found | Loading | Missing:
        """See ``CacheStore``."""
        return await self._look(key, "", 0) or Missing()

    async def lease(self, key: str, token: str, *, lease_ms: int) -> Found | Loading | Leased:
        """See ``CacheStore``."""
        return await self._look(key, token, lease_ms) or Leased()

    async def fill(self, key: str, token: str, value: bytes | None, *, ttl_ms: int) -> bool:
        """See ``CacheStore``."""
        stored = b"N" if value is None else b"V" + value
        async with self._call():
            arguments = (token, ttl_ms, stored)
            return bool(await self._fill.call(self._client, [self._prefix + key], arguments))

    async def give_up(self, key: str, token: str) -> None:
        """See ``CacheStore``."""
        async with self._call():
            await self._fill.call(self._client, [self._prefix + key], (token, 0, b""))

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """See ``CacheStore``."""
        async with self._call():
            await cast(Any, self._client.set(self._prefix + key, b"V" + value, px=ttl_ms))

    async def delete(self, key: str) -> None:
        """See ``CacheStore``."""
        async with self._call():
            await cast(Any, self._client.delete(self._prefix + key))

    async def expire(self, key: str, *, ttl_ms: int) -> bool:
        """See ``CacheStore``."""
        async with self._call():
            return bool(await self._expire.call(self._client, [self._prefix + key], (ttl_ms,)))

    async def _look(self, key: str, token: str, lease_ms: int) -> Found | Loading | None:
        async with self._call():
            answer = await self._read.call(self._client, [self._prefix + key], (token, lease_ms))
        if answer is None:
            return None
        stored, ttl_ms = answer
        match stored[:1]:
            case b"V":
                return Found(stored[1:], ttl_ms)
            case b"N":
                return Found(None, ttl_ms)
            case _:
                return Loading()

    def _changed(self, keys: Sequence[bytes] | None) -> None:
        if self._listener is not None:
            cut = len(self._prefix)
            self._listener.changed(
                None if keys is None else [key.decode(errors="replace")[cut:] for key in keys]
            )
