"""What adapters of Redis do alike: their calls fail as ``StoreUnavailable``, and are counted."""

from __future__ import annotations

import asyncio
from types import TracebackType
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

    def __call__(self) -> Self:
        """Bounded by the client's own time-outs."""
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, FAILURES):
            raise self._unavailable(error) from error

    def within(self, timeout_s: float) -> Within:
        """Bounded as a whole."""
        return Within(self, asyncio.timeout(timeout_s))

    def _unavailable(self, error: BaseException) -> StoreUnavailable:
        self._metrics.store_errors += 1
        return StoreUnavailable(f"{self._failed}: {type(error).__name__}: {error}")


class Within:
    """Calls that are given up when their time is over."""

    __slots__ = ("_calls", "_limit")

    def __init__(self, calls: RedisCalls, limit: asyncio.Timeout) -> None:
        self._calls = calls
        self._limit = limit

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._calls:
            await self._limit.__aexit__(kind, error, trace)
        self._calls.__exit__(kind, error, trace)


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
