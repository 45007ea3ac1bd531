"""The commands ``maintain`` and ``rebuild``: each returns the line that is printed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from persistence_worker import rebuild as anew
from persistence_worker.config import Config, rules
from persistence_worker.databases import open_database
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.postgres import Database
from persistence_worker.service import maintainer

STATEMENT_S = 86_400.0
"""Of one statement: these may have a lot to move."""


async def maintain(config: Config) -> str:
    """Do all that is due, now."""
    async with _opened(config) as database:
        done = await maintainer(database, config).run()
    told = (
        f"partitions: {done.partitions_added} added, {done.partitions_dropped} dropped, "
        f"{done.partitions} in all; {done.events_expired} other events and "
        f"{done.boards_expired} daily boards expired; {done.matches_caught_up} matches caught up"
    )
    return f"{told}; cut short, because a worker is at it as well" if done.busy else told


async def rebuild(config: Config) -> str:
    """Count everything anew."""
    async with _opened(config) as database:
        count = await anew.rebuild(database, rules(config))
    return f"{count} matches counted anew"


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Database]:
    try:
        async with open_database(config, connections_max=1, timeout_s=STATEMENT_S) as database:
            yield database
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"PostgreSQL: {error}", kind=error.kind) from error
