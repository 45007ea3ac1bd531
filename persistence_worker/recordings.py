"""Recordings in PostgreSQL: read whole, as they are stored or opened, and dropped when they are old
or one of their players was erased."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from gameserver.wire.event_record import Chunk, ChunkSetup, encode_record
from persistence_worker.config import Config
from persistence_worker.databases import open_database
from persistence_worker.errors import DatabaseUnavailable, UsageError
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.kms import open_kms
from persistence_worker.opener import Opener
from persistence_worker.postgres import Database

logger = logging.getLogger(__name__)

DUTY = "recordings"
DUTY_S = 120.0
PAGE = 500
EVERY_S = 600.0
"""From one look for old recordings to the next, give or take half."""
DROPPED_AT_ONCE = 5_000
"""In one transaction, so that none takes long."""


class Recordings:
    """Every method raises ``DatabaseUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pieces(self, match: str) -> AsyncIterator[Chunk]:
        """All that is stored of a match, in order."""
        last = 0
        while True:
            async with self._database.chore() as (connection, statements):
                rows = await connection.fetch(statements["recording"], match, last, PAGE)
            for row in rows:
                yield chunk_of(row)
            if len(rows) < PAGE:
                return
            last = rows[-1]["number"]

    async def drop_erased(self) -> int:
        """Drop some pieces of matches in which an erased player took part; how many. They came
        after the erasure, which has deleted those that were there."""
        async with self._database.chore() as (connection, statements):
            done = await connection.execute(statements["drop_erased_recordings"], DROPPED_AT_ONCE)
        return int(done.rpartition(" ")[2])

    async def drop_old(self, kept_s: float) -> int:
        """Drop some pieces stored before ``kept_s`` ago; how many."""
        async with self._database.chore() as (connection, statements):
            done = await connection.execute(
                statements["drop_old_recordings"], kept_s, DROPPED_AT_ONCE
            )
        return int(done.rpartition(" ")[2])


def chunk_of(row: Any) -> Chunk:
    """A row as the piece that it was stored from."""
    setup = row["setup"]
    return Chunk(
        chunk=f"{row['match_id']}/r{row['number']}",
        match=row["match_id"],
        number=row["number"],
        epoch=row["epoch"],
        game=row["game"],
        mode=row["mode"],
        version=row["version"],
        first_tick=row["first_tick"],
        end_tick=row["end_tick"],
        event_seq=row["event_seq"],
        at_ms=row["at_ms"],
        revived=row["revived"],
        more=row["more"],
        digest=row["state_digest"],
        ended=row["ended"],
        setup=None if setup is None else msgspec.json.decode(setup, type=ChunkSetup),
        body=row["body"],
    )


async def read_lines(config: Config, match: str, *, opened: bool) -> list[bytes]:
    """A match's recording, as the lines of a file; ``opened``: with what is sealed opened. Raises
    ``UsageError`` where nothing is stored, ``DatabaseUnavailable``, ``KeysUnavailable``."""
    async with open_database(config, connections_max=1) as database:
        pieces = [one async for one in Recordings(database).pieces(match)]
    if not pieces:
        raise UsageError(f"nothing is stored of a recording of the match {match!r}")
    if opened:
        async with open_kms(config) as kms:
            opener = Opener(kms, None)
            pieces = [await opener.chunk(one) for one in pieces]
    return [encode_record(one) + b"\n" for one in pieces]


async def drop_due(
    recordings: Recordings, heartbeat: Heartbeat, *, kept_s: float, jitter: Callable[[], float]
) -> None:
    """Drop what is older than ``kept_s`` (0: nothing) and what is left of erased players, one
    worker at a time, until cancelled."""
    while True:
        await asyncio.sleep(EVERY_S * (0.5 + jitter()))
        try:
            while await heartbeat.take_duty(DUTY, for_s=DUTY_S):
                erased = await recordings.drop_erased()
                old = await recordings.drop_old(kept_s) if kept_s else 0
                if erased or old:
                    logger.info("recordings dropped", extra={"erased": erased, "old": old})
                if max(erased, old) < DROPPED_AT_ONCE:
                    await heartbeat.leave_duty(DUTY)
                    break
        except DatabaseUnavailable as error:
            logger.warning("recordings not dropped", extra={"error": str(error)})
