"""Keeps the players who are connected to this node in their parties."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gameserver.errors import StoreUnavailable
from gameserver.ids import PlayerId
from gameserver.parties import PartyStore
from gameserver.ports import Entropy

logger = logging.getLogger(__name__)

TRIES = 5
"""How often a sign of life is given within the time after which a member is gone."""


class PartyWatch:
    """``players``: who is connected to this node."""

    def __init__(
        self,
        store: PartyStore,
        *,
        players: Callable[[], Sequence[PlayerId]],
        away_ms: int,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._players = players
        self._every_s = away_ms / 1000 / TRIES
        self._entropy = entropy
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look every now and then. Idempotent."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> None:
        """Once. Raises ``StoreUnavailable``."""
        if players := self._players():
            await self._store.seen(players)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s * (0.9 + self._entropy.jitter() / 5))
            try:
                await self.look()
            except StoreUnavailable as error:
                logger.warning("parties are not kept", extra={"error": str(error)})
            except Exception:
                logger.exception("parties could not be kept")
