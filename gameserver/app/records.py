"""A part of the composition root: what PostgreSQL knows, for the HTTP API and matchmaking."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import NamedTuple

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.postgres_letters import PostgresLetters
from gameserver.adapters.postgres_ratings import PostgresRatings
from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.cache.port import Cache
from gameserver.config import Config
from gameserver.letters import LetterDesk
from gameserver.lobby.boards import CachedBoards
from gameserver.lobby.entry import NoRatings
from gameserver.matchmaking_ports import Ratings
from gameserver.metrics import Metrics
from gameserver.players.ratings import CachedRatings
from gameserver.records.port import Boards, History


class Records(NamedTuple):
    """All but ratings are ``None`` where no database is set; everybody is a newcomer then."""

    history: History | None
    boards: Boards | None
    ratings: Ratings
    letters: LetterDesk | None = None


async def build_records(
    stack: AsyncExitStack, config: Config, cache: Cache, keys: DataKeys | None, metrics: Metrics
) -> Records:
    """Raises ``ConfigError``."""
    if not config.postgres_dsn:
        return Records(None, None, NoRatings())
    reads = await stack.enter_async_context(await PostgresReads.open(config, keys, metrics=metrics))
    return Records(
        reads,
        CachedBoards(reads, cache, reads.names, ttl_ms=config.boards_ttl_ms),
        CachedRatings(
            PostgresRatings(reads),
            cache,
            ttl_ms=config.ratings_ttl_ms,
            wait_ms=config.ratings_wait_ms,
            metrics=metrics,
        ),
        PostgresLetters(reads),
    )
