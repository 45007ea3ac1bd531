"""Invalidations that the store did not hear: tried again until it does."""

from __future__ import annotations

import asyncio
import logging

from gameserver.cache.port import CacheStore
from gameserver.errors import StoreUnavailable
from gameserver.ports import Entropy

logger = logging.getLogger(__name__)

RETRY_S = 0.5
OWED_MAX = 10_000
"""Over it the oldest is forgotten, and what it was about lives on to its end."""


class Owed:
    """Keys to be deleted. One is given up after ``keep_s``: nothing lives that long."""

    def __init__(self, store: CacheStore, *, keep_s: float, entropy: Entropy) -> None:
        self._store = store
        self._keep_s = keep_s
        self._entropy = entropy
        self._since: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._since

    def __len__(self) -> int:
        return len(self._since)

    def add(self, key: str) -> None:
        """Delete ``key`` as soon as the store answers."""
        loop = asyncio.get_running_loop()
        self._since.pop(key, None)
        if len(self._since) >= OWED_MAX:
            self._since.pop(next(iter(self._since)))
            logger.warning("too many invalidations wait for the store: one is forgotten")
        self._since[key] = loop.time()
        if self._task is None:
            self._task = loop.create_task(self._settle())

    def done(self, key: str) -> None:
        """``key`` has been deleted."""
        self._since.pop(key, None)

    async def close(self) -> None:
        """Stop trying."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        while self._since:
            key, since = next(iter(self._since.items()))
            if loop.time() - since > self._keep_s:
                self.done(key)
                continue
            try:
                await self._store.delete(key)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_S * (0.5 + self._entropy.jitter()))
            else:
                # Unless it was owed once more meanwhile: that deletion may have come too early.
                if self._since.get(key) == since:
                    self.done(key)
        self._task = None
