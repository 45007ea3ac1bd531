"""The database that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from persistence_worker.config import Config
from persistence_worker.postgres import Database, Password


@asynccontextmanager
async def open_database(
    config: Config, *, connections_max: int, timeout_s: float | None = None
) -> AsyncIterator[Database]:
    """The database that the settings name. ``timeout_s``: of one statement, instead of the
    setting. Raises ``ConfigError``."""
    database = await Database.open(
        config.postgres_dsn,
        connections_max=connections_max,
        timeout_s=config.postgres_timeout_ms / 1000 if timeout_s is None else timeout_s,
        connect_s=config.postgres_connect_ms / 1000,
        statement_cache=config.statement_cache,
        password=password_of(config),
    )
    try:
        yield database
    finally:
        await database.close()


def password_of(config: Config) -> Password | None:
    """What makes passwords where the DSN's own is not used. Raises ``ConfigError``."""
    if not config.postgres_iam:
        return None
    from persistence_worker.rds_iam import passwords  # loads the AWS libraries

    return passwords(config.postgres_dsn, region=config.aws_region)
