"""Recordings in the worker's PostgreSQL, for reading only.

A connection for each recording: replays are rare, and between them this process needs none.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import asyncpg
import msgspec

from gameserver.errors import RecordingsUnavailable
from gameserver.wire.event_record import Chunk, ChunkSetup
from gameserver.wire.recording import BadRecording

CONNECT_S = 5.0
TIMEOUT_S = 20.0

_SIZE = "SELECT coalesce(sum(length(body)), 0) FROM recordings WHERE match_id = $1"
_PIECES = """
SELECT number, epoch, game, mode, version, first_tick, end_tick, event_seq,
       (extract(epoch FROM at) * 1000)::bigint AS at_ms, revived, more, state_digest, ended,
       setup, body
FROM recordings WHERE match_id = $1 ORDER BY number
"""


class PostgresRecordings:
    """Implements ``ports.Recordings``. ``bytes_max``: of a recording's bodies."""

    def __init__(self, dsn: str, *, bytes_max: int) -> None:
        self._dsn = dsn
        self._bytes_max = bytes_max

    async def pieces(self, match_id: str) -> list[Chunk]:
        if not self._dsn:
            raise RecordingsUnavailable(
                "GAMESERVER_RECORDINGS_DSN is not set: nobody said where recordings are stored"
            )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._read(match_id)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ssl.SSLError) as error:
            # Its words do not hold the DSN.
            told = str(error) or type(error).__name__
            raise RecordingsUnavailable(f"PostgreSQL: {told}") from error
        except (ValueError, asyncpg.InternalClientError) as error:
            raise RecordingsUnavailable(f"GAMESERVER_RECORDINGS_DSN: {error}") from error

    async def _read(self, match_id: str) -> list[Chunk]:
        connection: Any = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_S,
            statement_cache_size=0,
            server_settings={
                "application_name": "gameserver",
                "default_transaction_read_only": "on",
            },
        )
        try:
            size = await connection.fetchval(_SIZE, match_id)
            if size > self._bytes_max:
                raise BadRecording(
                    f"the recording takes {size} bytes; the limit is {self._bytes_max}"
                )
            return [_chunk(match_id, row) for row in await connection.fetch(_PIECES, match_id)]
        finally:
            connection.terminate()


def _chunk(match_id: str, row: Any) -> Chunk:
    fields = dict(row)
    setup = fields.pop("setup")
    return Chunk(
        chunk=f"{match_id}/r{row['number']}",
        match=match_id,
        digest=fields.pop("state_digest"),
        setup=None if setup is None else msgspec.json.decode(setup, type=ChunkSetup),
        **fields,
    )
