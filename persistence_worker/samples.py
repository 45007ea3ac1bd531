"""What workers see of the queues, noted for people who watch: rows of the last hour."""

from __future__ import annotations

import msgspec

from persistence_worker.messages import Depth
from persistence_worker.postgres import Database

EVERY_S = 10
"""Of all workers one sample is kept in so many seconds."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look. ``depth``: of the queue; ``oldest_age_s``: of events seen since the last one."""

    workers: int
    depth: Depth
    dead_letters: int
    parked: int
    oldest_age_s: float


class Samples:
    """The table ``queue_samples``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, seen: Seen) -> None:
        """Write a look down, and forget old ones. Raises ``DatabaseUnavailable``."""
        async with self._database.chore() as (connection, statements):
            await connection.execute(
                statements["note_queues"],
                EVERY_S,
                seen.workers,
                seen.depth.visible,
                seen.depth.held,
                seen.depth.delayed,
                seen.dead_letters,
                seen.parked,
                seen.oldest_age_s,
            )
            await connection.execute(statements["forget_queues"])
