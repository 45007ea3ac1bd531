"""Answers to calls with an Idempotency-Key, in memory."""

from __future__ import annotations

import asyncio

from gameserver.adapters.http_idempotency import Kept


class MemoryAnswers:
    """Implements ``AnswerStore``; ``failure`` is raised by every call."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self._kept: dict[str, tuple[Kept, float]] = {}

    async def claim(self, key: str, kept: Kept, *, ttl_ms: int) -> Kept | None:
        self._fail()
        found, until_s = self._kept.get(key, (None, 0.0))
        if found is not None and self._now_s() < until_s:
            return found
        await self.keep(key, kept, ttl_ms=ttl_ms)
        return None

    async def keep(self, key: str, kept: Kept, *, ttl_ms: int) -> None:
        self._fail()
        self._kept[key] = (kept, self._now_s() + ttl_ms / 1000)

    async def give_up(self, key: str) -> None:
        self._fail()
        self._kept.pop(key, None)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
