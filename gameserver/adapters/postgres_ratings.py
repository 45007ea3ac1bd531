"""Ratings in the worker's PostgreSQL, for reading only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gameserver.ids import PlayerId
from gameserver.matchmaking import Queue, Rating

RATINGS_MAX = 1_000
"""Of one player; further ones are not read."""

_OF_PLAYER = "SELECT game, mode, mu, sigma FROM ratings WHERE player_id = $1 LIMIT $2"


class Source(Protocol):
    """``PostgresReads``, whose errors are ``Unavailable``."""

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]: ...


class PostgresRatings:
    """Implements ``players.ratings.RatingSource``. One statement, by the table's primary key."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def of_player(self, player: PlayerId) -> dict[str, Rating]:
        """See ``RatingSource``."""
        rows = await self._source.fetch(_OF_PLAYER, player, RATINGS_MAX)
        return {
            str(Queue(row["game"], row["mode"])): Rating(row["mu"], row["sigma"]) for row in rows
        }
