"""PostgreSQL by asyncpg: a bounded pool that outlives the server's restarts, and its errors told
apart by what can be done about them."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import asyncpg

from gameserver.records.authorities import check_authorities
from gameserver.records.statements import statements_of
from persistence_worker.errors import ConfigError, DatabaseUnavailable
from persistence_worker.retry import ErrorKind

DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What asyncpg raises; ``kind_of`` tells them apart."""

Password = Callable[[], Awaitable[str]]
"""Gives the password of one new connection."""

IDLE_S = 300.0
"""A connection unused for so long is closed: a failed-over RDS keeps no stale ones."""

_ARGUMENT = re.compile(r"\$(\d+)")

STATEMENT_FILES = ("queries.sql", "tally.sql", "maintain.sql", "carry.sql", "erase.sql")


@lru_cache(maxsize=64)
def _renumbered(statement: str, by: int) -> tuple[str, int]:
    """The statement with its arguments counted from ``by`` + 1, and the number of the last."""
    numbers = [int(number) for number in _ARGUMENT.findall(statement)]
    return _ARGUMENT.sub(lambda found: f"${int(found[1]) + by}", statement), by + max(numbers)


def together(statements: Sequence[str]) -> str:
    """One statement that does what ``statements``, which return nothing, do one after the other,
    and takes their arguments one after the other: one question to the server instead of several.
    """
    parts, last = [], 0
    for number, statement in enumerate(statements):
        text, last = _renumbered(statement, last)
        parts.append(f"part{number} AS (\n{text}\n)")
    # PostgreSQL executes what nobody reads from from the last to the first.
    return f"WITH {', '.join(reversed(parts))}\nSELECT"


def load_statements() -> Mapping[str, str]:
    """The statements of ``STATEMENT_FILES``, by name."""
    statements: dict[str, str] = {}
    for file in STATEMENT_FILES:
        statements |= statements_of("persistence_worker", file)
    return statements


class Database:
    """A pool of at most ``connections_max`` connections, each opened when first needed.

    Nothing is connected at start: the worker comes up, and stays up, without PostgreSQL.
    ``statement_cache=0`` is for pooling proxies that do not keep prepared statements apart
    (PgBouncer before 1.21); RDS Proxy works with the cache but pins connections.

    ``statements`` are those of ``STATEMENT_FILES``, ``chores`` those of ``chores.sql``, by name.
    """

    def __init__(self, pool: asyncpg.Pool[Any], *, connect_s: float) -> None:
        self._pool = pool
        self._connect_s = connect_s
        self.statements = load_statements()
        self.chores = statements_of("persistence_worker", "chores.sql")

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        connections_max: int,
        timeout_s: float,
        connect_s: float,
        statement_cache: int,
        password: Password | None = None,
    ) -> Database:
        """Set the pool up. ``password`` is asked for each new connection; without it the DSN's is
        used. Raises ``ConfigError`` for a DSN that cannot be understood."""
        try:
            check_authorities(dsn)
            await _check(dsn)
            pool = await asyncpg.create_pool(
                dsn,
                password=password,
                min_size=0,
                max_size=connections_max,
                command_timeout=timeout_s,
                timeout=connect_s,
                statement_cache_size=statement_cache,
                max_inactive_connection_lifetime=IDLE_S,
                reset=_keep,
                server_settings={"application_name": "persistence_worker"},
            )
        except (asyncpg.InterfaceError, ValueError, ssl.SSLError) as error:
            raise ConfigError(f"WORKER_POSTGRES_DSN: {error}") from None
        return cls(pool, connect_s=connect_s)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection inside a transaction that commits at the end.

        Raises ``DatabaseUnavailable`` where no connection is to be had or it breaks; errors that
        PostgreSQL itself states are asyncpg's. A server that has become read-only was the primary
        until a failover: all connections to it are given up, so that the next ones look for the
        new primary.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
        except asyncpg.ReadOnlySQLTransactionError:
            await self._pool.expire_connections()
            raise
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            raise DatabaseUnavailable(told(error)) from error

    @asynccontextmanager
    async def chore(self) -> AsyncIterator[tuple[Any, Mapping[str, str]]]:
        """A transaction for what is not the storing of events, with the statements for it. Raises
        ``DatabaseUnavailable``, also for what PostgreSQL states."""
        try:
            async with self.transaction() as connection:
                yield connection, self.chores
        except DATABASE_ERRORS as error:
            raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error

    async def ping(self) -> None:
        """Raises ``DatabaseUnavailable`` unless PostgreSQL answers, has our schema, and takes
        writes: a standby answers too."""
        try:
            async with self.transaction() as connection:
                await connection.execute(
                    "SELECT tallied, named_by FROM events, matches, players, erased_players "
                    "WHERE false"
                )
                if await connection.fetchval("SHOW transaction_read_only") == "on":
                    raise asyncpg.ReadOnlySQLTransactionError("the server is read-only")
        except DATABASE_ERRORS as error:
            raise DatabaseUnavailable(told(error), kind=kind_of(error)) from error

    async def close(self) -> None:
        """Close all connections; those still busy after a few seconds are cut."""
        try:
            async with asyncio.timeout(self._connect_s):
                await self._pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # The process is ending and the server may be away: PostgreSQL rolls back what
            # was open, and the queue still holds what was not deleted.
            self._pool.terminate()


async def _keep(connection: Any) -> None:
    """Nothing here outlasts its transaction, so that there is nothing to reset after one: the
    driver's own way costs a question to the server each time."""


async def _check(dsn: str) -> None:
    """Raises what is wrong with a DSN, and does not wait for anyone to answer.

    asyncpg reads it, certificates included, before it waits for the first time; a pool that opens
    its connections later would state it only then, as if the database were away.
    """
    try:
        async with asyncio.timeout(0):
            connection = await asyncpg.connect(dsn)
            connection.terminate()
    except ssl.SSLError:
        raise
    except OSError as error:
        # Mostly it says that nobody has answered yet, which is of no interest here. Only a
        # missing socket shows in the same way as a missing certificate, and that has no TLS.
        if isinstance(error, FileNotFoundError | PermissionError) and "sslmode" in dsn:
            raise ValueError(f"a certificate's file cannot be read: {error}") from error


_REJECTING = ("22", "23", "54", "P0")
"""Classes of SQLSTATE that concern a row: data exception, integrity constraint, program limit,
and what a trigger raises (PostgreSQL documentation, appendix A)."""
_SCHEMA = ("42", "3D", "3F", "28", "0A")
"""No such table or right, no such database or schema, who are you, not supported."""
_CONTENTION = frozenset({"40001", "40P01", "55P03"})


def kind_of(error: BaseException) -> ErrorKind:
    """Whether an error concerns a row, the moment, the schema, or the server."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in _CONTENTION or isinstance(error, asyncpg.InvalidCachedStatementError):
            return ErrorKind.CONTENTION
        if state.startswith(_REJECTING):
            return ErrorKind.REJECTED
        if state.startswith(_SCHEMA):
            return ErrorKind.DATABASE_SCHEMA
        return ErrorKind.DATABASE_DOWN
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ErrorKind.DATABASE_SCHEMA
    # asyncpg states a value that does not fit its column as an InterfaceError that is a
    # ValueError, before anything is sent.
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return ErrorKind.REJECTED
    return ErrorKind.DATABASE_DOWN


def told(error: BaseException) -> str:
    """One line about an error, without the row's values that PostgreSQL puts into DETAIL."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{error.args[0] if error.args else ''} (SQLSTATE {error.sqlstate})"
    return str(error) or type(error).__name__
