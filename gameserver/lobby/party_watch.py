"""Keeps the players who are connected to this node in their parties."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from gameserver.ids import PlayerId
from gameserver.parties import PartyStore
from gameserver.ports import Entropy
from gameserver.rounds import Rounds, about

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
        self._rounds = Rounds(
            self.look,
            wait_s=about(away_ms / 1000 / TRIES, entropy),
            logger=logger,
            failed="parties are not kept",
        )

    async def start(self) -> None:
        """Look every now and then. Idempotent."""
        self._rounds.start()

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        await self._rounds.stop()

    async def look(self) -> None:
        """Once. Raises ``StoreUnavailable``."""
        if players := self._players():
            await self._store.seen(players)
