"""Match history and leaderboards from PostgreSQL: read only, few connections, bounded time. What
is written over them is an order about dead letters, and nothing else.

    pool of ``postgres_connections_max``   each opened when first needed, read-only transactions
    ``postgres_timeout_ms``                bounds the wait for a connection, the connecting, and a
                                           statement, here and in PostgreSQL (statement_timeout)

Nothing is connected at start: matches are played without PostgreSQL. Every error is
``RecordsUnavailable``; what PostgreSQL says goes to the log.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import asyncpg

from gameserver.adapters.data_keys import DataKeys
from gameserver.adapters.stored_names import PlainNames, SealedNames
from gameserver.config import Config
from gameserver.errors import ConfigError, RecordsUnavailable
from gameserver.metrics import Metrics
from gameserver.records.authorities import check_authorities
from gameserver.records.board import Board
from gameserver.records.leaderboard import Entry, Leaderboards
from gameserver.records.port import (
    PARTICIPANTS_MAX,
    Names,
    Participant,
    Played,
    Result,
    StoredName,
)
from gameserver.records.statements import statements_of

logger = logging.getLogger(__name__)

IDLE_S = 300.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    ssl.SSLError,
)
_STATEMENTS = statements_of("gameserver.records", "history.sql")


class PostgresReads:
    """Implements ``records.port.History``, and the reading of boards for ``lobby.boards``; to be
    used as ``async with``."""

    def __init__(
        self, pool: asyncpg.Pool[Any], keys: DataKeys | None, *, timeout_s: float, metrics: Metrics
    ) -> None:
        self._pool = pool
        self.names: Names = PlainNames() if keys is None else SealedNames(self, keys)
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._boards = Leaderboards(self)

    @classmethod
    async def open(cls, config: Config, keys: DataKeys | None, *, metrics: Metrics) -> Self:
        """Set the pool up; ``keys``: what names were sealed with. Raises ``ConfigError`` for
        a DSN that cannot be understood."""
        timeout_s = config.postgres_timeout_ms / 1000
        try:
            check_authorities(config.postgres_dsn)
            await _check(config.postgres_dsn)
            pool = await asyncpg.create_pool(
                config.postgres_dsn,
                min_size=0,
                max_size=config.postgres_connections_max,
                command_timeout=timeout_s,
                timeout=timeout_s,
                max_inactive_connection_lifetime=IDLE_S,
                server_settings={
                    "application_name": "gameserver",
                    "default_transaction_read_only": "on",
                    "statement_timeout": str(config.postgres_timeout_ms),
                },
            )
        except (asyncpg.InterfaceError, ValueError, ssl.SSLError) as error:
            raise ConfigError(f"GAMESERVER_POSTGRES_DSN: {error}") from None
        return cls(pool, keys, timeout_s=timeout_s, metrics=metrics)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._pool.close()
        except _FAILURES:
            self._pool.terminate()

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        """The rows of one statement. Raises ``RecordsUnavailable``."""
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return await connection.fetch(query, *arguments)
        except _FAILURES as error:
            raise self._failed(error) from error

    async def write(self, statement: str, *arguments: Any) -> None:
        """One statement in a transaction that may write. Raises ``RecordsUnavailable``."""
        try:
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                async with connection.transaction():
                    await connection.execute("SET TRANSACTION READ WRITE")
                    await connection.execute(statement, *arguments)
        except _FAILURES as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> RecordsUnavailable:
        self._metrics.reads_failed += 1
        logger.warning(
            "records cannot be read", extra={"error": str(error) or type(error).__name__}
        )
        return RecordsUnavailable("PostgreSQL does not answer")

    # ── History ──────────────────────────────────────────────────────────────────────────────

    async def matches_of(
        self, player: str, *, game: str, mode: str, before: tuple[int, str] | None, limit: int
    ) -> list[Played]:
        """See ``History``."""
        at = None if before is None else _EPOCH + timedelta(microseconds=before[0])
        match = "" if before is None else before[1]
        rows = await self.fetch(
            _STATEMENTS["matches_of_player"], player, at, match, limit, game, mode
        )
        return [
            Played(
                match=row["match_id"],
                game=row["game"],
                mode=row["mode"],
                joined_us=(row["joined_at"] - _EPOCH) // timedelta(microseconds=1),
                started_ms=_ms(row["started_at"]),
                ended_ms=_ms(row["ended_at"]),
                duration_ms=row["duration_ms"],
                reason=row["reason"],
                seat=row["seat"],
                left_ms=_ms(row["left_at"]),
                leave_reason=row["leave_reason"],
                place=row["place"],
                score=row["score"],
            )
            for row in rows
        ]

    async def result(self, match: str) -> Result | None:
        """See ``History``. Two statements: who joins in between is not in the list, or not yet."""
        rows = await self.fetch(_STATEMENTS["match_result"], match)
        if not rows:
            return None
        [row] = rows
        players = await self.fetch(_STATEMENTS["match_players"], match, PARTICIPANTS_MAX)
        names = await self.names.opened(
            [StoredName(one["name"], _said_by(match, one["joined_seq"])) for one in players]
        )
        return Result(
            match=row["match_id"],
            game=row["game"],
            mode=row["mode"],
            players_max=row["players_max"],
            started_ms=_ms(row["started_at"]),
            ended_ms=_ms(row["ended_at"]),
            reason=row["reason"],
            ticks=row["ticks"],
            duration_ms=row["duration_ms"],
            result=row["result"],
            players=[
                Participant(
                    player=one["player_id"],
                    name=name,
                    seat=one["seat"],
                    left_ms=_ms(one["left_at"]),
                    leave_reason=one["leave_reason"],
                    place=one["place"],
                    score=one["score"],
                )
                for one, name in zip(players, names, strict=True)
            ],
        )

    # ── boards, with names as they are stored ────────────────────────────────────────────────

    async def newest(self, game: str, mode: str, span: str) -> str | None:
        """See ``Boards``."""
        rows = await self.fetch(_STATEMENTS["newest_period"], game, mode, span)
        return str(rows[0]["period"]) if rows else None

    async def top(self, board: Board, places: int, offset: int) -> tuple[list[Entry], int]:
        """See ``Boards``."""
        return await self._boards.top(board, places, offset), await self._boards.size(board)

    async def around(self, board: Board, player: str, places: int) -> list[Entry]:
        """See ``Boards``."""
        return await self._boards.around(board, player, places)

    async def rank(self, board: Board, player: str) -> Entry | None:
        """See ``Boards``."""
        return await self._boards.rank(board, player)


async def _check(dsn: str) -> None:
    """Raises what is wrong with a DSN, and waits for nobody: asyncpg reads it before it connects,
    a pool only when it opens its first connection."""
    try:
        async with asyncio.timeout(0):
            (await asyncpg.connect(dsn)).terminate()
    except ssl.SSLError:
        raise
    except OSError:  # Mostly: nobody has answered in no time, which is of no interest here.
        pass


def _said_by(match: str, seq: int | None) -> str | None:
    return None if seq is None else f"{match}/{seq}"


def _ms(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(milliseconds=1)
