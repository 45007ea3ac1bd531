"""A part of the composition root: what PostgreSQL knows, for the HTTP API."""

from __future__ import annotations

from contextlib import AsyncExitStack

from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.adapters.stored_names import PlainNames
from gameserver.cache.port import Cache
from gameserver.config import Config
from gameserver.lobby.boards import CachedBoards
from gameserver.metrics import Metrics
from gameserver.records.port import Boards, History


async def build(
    stack: AsyncExitStack, config: Config, cache: Cache, metrics: Metrics
) -> tuple[History | None, Boards | None]:
    """``None`` where no database is set. Raises ``ConfigError``."""
    if not config.postgres_dsn:
        return None, None
    names = PlainNames()
    reads = await stack.enter_async_context(
        await PostgresReads.open(config, names, metrics=metrics)
    )
    return reads, CachedBoards(reads, cache, names, ttl_ms=config.boards_ttl_ms)
