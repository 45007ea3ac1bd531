"""A part of the composition root: what PostgreSQL knows, for the HTTP API."""

from __future__ import annotations

from contextlib import AsyncExitStack

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.cache.port import Cache
from gameserver.config import Config
from gameserver.lobby.boards import CachedBoards
from gameserver.metrics import Metrics
from gameserver.records.port import Boards, History


async def build(
    stack: AsyncExitStack, config: Config, cache: Cache, keys: DataKeys | None, metrics: Metrics
) -> tuple[History | None, Boards | None]:
    """``None`` where no database is set. Raises ``ConfigError``."""
    if not config.postgres_dsn:
        return None, None
    reads = await stack.enter_async_context(await PostgresReads.open(config, keys, metrics=metrics))
    return reads, CachedBoards(reads, cache, reads.names, ttl_ms=config.boards_ttl_ms)
