"""Brings a database to a revision of the schema: safe to run twice, and by several at once."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from gameserver.records.authorities import check_authorities
from persistence_worker.errors import ConfigError, DatabaseUnavailable, UsageError
from persistence_worker.postgres import Password, told

logger = logging.getLogger(__name__)

LOCK = 7_236_901_402
"""The key of the advisory lock: any number that nothing else in the database uses."""


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """From which revision to which; ``None`` is the empty database."""

    before: str | None
    after: str | None


async def migrate(
    dsn: str, *, to: str = "head", connect_s: float = 10.0, password: Password | None = None
) -> Migrated:
    """Go up or down to revision ``to``: its name, ``head``, ``base``, or ``-1`` for one down.

    Whoever comes second waits for the first and then finds nothing to do. Raises ``UsageError``
    for an unknown revision, ``ConfigError`` for a DSN that cannot be understood, else
    ``DatabaseUnavailable``.
    """

    async def connect() -> Any:
        return await asyncpg.connect(dsn, timeout=connect_s, password=password)

    # The DSN goes to asyncpg as it is: SQLAlchemy would not understand its TLS parameters.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        check_authorities(dsn)
        async with engine.connect() as connection:
            # Held by the session, not by a transaction: each revision has one of its own.
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
            await connection.commit()
            return await connection.run_sync(_go, to)
    except CommandError as error:
        raise UsageError(str(error)) from error
    except (asyncpg.InterfaceError, ValueError, ssl.SSLError) as error:
        raise ConfigError(f"WORKER_POSTGRES_DSN: {error}") from None
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnavailable(f"PostgreSQL: {str(cause).splitlines()[0]}") from error
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise DatabaseUnavailable(f"PostgreSQL: {told(error)}") from error
    finally:
        await engine.dispose()


def _go(connection: Connection, to: str) -> Migrated:
    config = AlembicConfig()
    # "%" begins an interpolation in alembic's configuration.
    place = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", place)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    before = _revision(connection)
    script = ScriptDirectory.from_config(config)
    if _is_down(script, before, to):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)
    after = _revision(connection)
    connection.commit()
    logger.info("migrated", extra={"before": before, "after": after})
    return Migrated(before=before, after=after)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_down(script: ScriptDirectory, current: str | None, to: str) -> bool:
    if to in ("-1", "base"):
        return True
    if to == "head" or current is None:
        return False
    target = script.get_revision(to)
    known = {revision.revision for revision in script.walk_revisions("base", current)}
    return target is not None and target.revision != current and target.revision in known
