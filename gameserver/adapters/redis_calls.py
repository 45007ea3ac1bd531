"""What adapters of Redis do alike: their calls fail as ``StoreUnavailable``, and are counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from gameserver.adapters import redis_client
from gameserver.adapters.redis_client import FAILURES, Client
from gameserver.errors import StoreUnavailable
from gameserver.metrics import Metrics


class RedisCalls:
    """Around the calls of one adapter: whatever goes wrong in them is ``StoreUnavailable``.
    That may be a refused connection, a time-out, a server that is loading, read-only or out of
    memory. ``failed``: what it means, for the log."""

    __slots__ = ("_failed", "_metrics")

    def __init__(self, metrics: Metrics, failed: str) -> None:
        self._metrics = metrics
        self._failed = failed

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Bounded by the client's own time-outs."""
        try:
            yield
        except FAILURES as error:
            raise self._unavailable(error) from error

    @asynccontextmanager
    async def within(self, timeout_s: float) -> AsyncIterator[None]:
        """Bounded as a whole."""
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except FAILURES as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: BaseException) -> StoreUnavailable:
        self._metrics.store_errors += 1
        return StoreUnavailable(f"{self._failed}: {type(error).__name__}: {error}")


class OwnClient:
    """Base of the adapters that have a client to themselves; used as ``async with``."""

    def __init__(self, client: Client, calls: RedisCalls) -> None:
        self._client = client
        self._call = calls

    async def __aenter__(self) -> Self:
        with self._call():
            await redis_client.begin(self._client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
