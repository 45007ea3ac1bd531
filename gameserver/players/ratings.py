"""Ratings of players, as matchmaking asks for them: through the cache, and never for long.

    lobby ──ratings──► cache ──► RatingSource (PostgreSQL, which the worker fills)
               └── wait_ms is over, or nobody answers: nothing is known, so NEWCOMER

One cached value holds all of a player's ratings, so that one key is to be erased with the player.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from gameserver.cache.port import KEY_CHARS_MAX, Cache
from gameserver.cache.typed import Cached
from gameserver.errors import Unavailable
from gameserver.ids import PlayerId
from gameserver.matchmaking import Queue, Rating
from gameserver.metrics import Metrics
from gameserver.players.port import RATINGS_KIND

logger = logging.getLogger(__name__)

Sheet = dict[str, Rating]
"""All ratings of one player, by the names of the queues (``game/mode``)."""

_PLAYER_CHARS_MAX = KEY_CHARS_MAX - len(RATINGS_KIND) - 1
_AWAY_S = 1.0


class RatingSource(Protocol):
    """Where ratings are kept."""

    async def of_player(self, player: PlayerId) -> Sheet:
        """All of them; empty for who has none. Raises ``Unavailable``."""


class CachedRatings:
    """Implements ``matchmaking_ports.Ratings``. ``ttl_ms``: how old a rating may be; ``wait_ms``:
    for all players of a ticket together. What comes later is in the cache for the next ticket.

    After a failure only the cache is asked for a second, so that not each ticket waits anew for a
    database that is away."""

    def __init__(
        self, source: RatingSource, cache: Cache, *, ttl_ms: int, wait_ms: int, metrics: Metrics
    ) -> None:
        self._source = source
        self._sheets = Cached(cache, RATINGS_KIND, Sheet, ttl_ms=ttl_ms)
        self._wait_s = wait_ms / 1000
        self._metrics = metrics
        self._away_until_s = float("-inf")

    async def ratings(self, queue: Queue, players: Sequence[PlayerId]) -> Mapping[PlayerId, Rating]:
        """See ``matchmaking_ports.Ratings``."""
        loop = asyncio.get_running_loop()
        ask = self._cached if loop.time() < self._away_until_s else self._sheet
        tasks = {
            player: loop.create_task(ask(player))
            for player in players
            if len(player) <= _PLAYER_CHARS_MAX
        }
        if not tasks:
            return {}
        try:
            await asyncio.wait(tasks.values(), timeout=self._wait_s)
        finally:
            for task in tasks.values():
                task.cancel()  # A load that is under way goes on, and is kept.
        found: dict[PlayerId, Rating] = {}
        missed = 0
        for player, task in tasks.items():
            sheet = task.result() if task.done() and not task.cancelled() else None
            if sheet is None:
                missed += 1
            elif (rating := sheet.get(str(queue))) is not None:
                found[player] = rating
        if missed:
            self._metrics.ratings_missed += missed
            if ask == self._sheet:
                self._away_until_s = loop.time() + _AWAY_S
                logger.warning("ratings are not known in time", extra={"players": missed})
        return found

    async def _cached(self, player: PlayerId) -> Sheet | None:
        return await self._sheets.get(player)

    async def _sheet(self, player: PlayerId) -> Sheet | None:
        try:
            return await self._sheets.get_or_load(player, lambda: self._source.of_player(player))
        except Unavailable as error:
            logger.info("a rating cannot be read", extra={"error": str(error)})
        except Exception:
            logger.exception("a rating cannot be read")
        return None
