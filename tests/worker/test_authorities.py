"""A database's authorities that are not there: said before anybody connects, with what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.config import Config
from gameserver.errors import ConfigError as ServerConfigError
from gameserver.metrics import Metrics
from gameserver.records.authorities import check_authorities
from persistence_worker.errors import ConfigError
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database


def dsn(path: object) -> str:
    # Nobody listens there, and nobody is asked.
    return f"postgresql://worker:hidden@127.0.0.1:9/db?sslmode=verify-full&sslrootcert={path}"


async def worker(given: str) -> Any:
    return await Database.open(
        given, connections_max=1, timeout_s=1, connect_s=1, statement_cache=1
    )


async def server(given: str) -> Any:
    return await PostgresReads.open(Config(postgres_dsn=given), None, metrics=Metrics())


@pytest.mark.parametrize("start", [worker, migrate, server])
@pytest.mark.parametrize("content", [None, "", "not a certificate"])
async def test_a_missing_bundle_is_named_with_what_to_do(
    start: Callable[[str], Awaitable[Any]], content: str | None, tmp_path: Path
) -> None:
    bundle = tmp_path / "rds.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises((ConfigError, ServerConfigError)) as refused:
        await start(dsn(bundle))
    said = str(refused.value)
    assert f"sslrootcert={bundle}" in said and "deploy/trust/README.md" in said
    assert "hidden" not in said


def test_a_bundle_that_is_there_is_nothing_to_speak_of(tmp_path: Path) -> None:
    bundle = tmp_path / "rds.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    check_authorities(dsn(bundle))
    check_authorities("postgresql://worker@127.0.0.1/db")
    check_authorities("host=127.0.0.1 user=worker")
    check_authorities("postgresql://[::1/db")
