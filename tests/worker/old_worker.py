"""A worker of schema revision 0001: its statements as they were, and what it did with them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gameserver.records.statements import read_statements
from persistence_worker.apply import Old, PostgresSink, Stored, Verdict
from persistence_worker.intake import Event
from persistence_worker.postgres import Database
from persistence_worker.projections import PROJECTIONS

STATEMENTS = read_statements(Path(__file__).with_name("queries_0001.sql").read_text("utf-8"))


class OldSink(PostgresSink):
    """Stores and projects; knows nothing of players, ratings and boards."""

    async def _count(self, events: Sequence[Event], verdicts: list[Verdict]) -> list[Verdict]:
        return verdicts

    async def _copy(self, connection: Any, events: list[Event]) -> Old:
        return await self._insert(connection, events)

    async def _insert(self, connection: Any, events: list[Event]) -> Old:
        columns: list[list[Any]] = [
            [event.record.match for event in events],
            [event.record.seq for event in events],
            [event.record.kind for event in events],
            [event.record.player for event in events],
            [event.record.game for event in events],
            [event.record.mode for event in events],
            [event.record.epoch for event in events],
            [event.record.tick for event in events],
            [event.record.at_ms for event in events],
            [event.data.decode() for event in events],
            [event.digest for event in events],
        ]
        inserted = await connection.fetch(STATEMENTS["insert_events"], *columns)
        new = {f"{row[0]}/{row[1]}" for row in inserted}
        old = [event for event in events if event.record.id not in new]
        stored: Old = {}
        if old:
            keys = [[event.record.match for event in old], [event.record.seq for event in old]]
            rows = await connection.fetch(STATEMENTS["stored_digests"], *keys)
            digests = {f"{row[0]}/{row[1]}": row[2] for row in rows}
            stored = {event.record.id: Stored(digests.get(event.record.id)) for event in old}
        fresh = [event for event in events if event.record.id in new]
        for projection in PROJECTIONS:
            columns = projection.fold(fresh)
            if columns:
                await connection.execute(STATEMENTS[projection.statement], *columns)
        return stored


@asynccontextmanager
async def old_sink(dsn: str) -> AsyncIterator[OldSink]:
    database = await Database.open(
        dsn, connections_max=2, timeout_s=20, connect_s=5, statement_cache=100
    )
    try:
        yield OldSink(database, jitter=random.random)
    finally:
        await database.close()
