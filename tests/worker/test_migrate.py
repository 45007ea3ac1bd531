from __future__ import annotations

import asyncio
import random

import pytest

from gameserver.devstack.process import free_port
from persistence_worker.apply import PostgresSink
from persistence_worker.errors import ConfigError, DatabaseUnavailable, UsageError
from persistence_worker.intake import prepare
from persistence_worker.migrate import Migrated, migrate
from persistence_worker.postgres import Database
from tests.worker.builders import story
from tests.worker.conftest import fetch

HEAD = "0002"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


async def fill(dsn: str) -> None:
    database = await Database.open(
        dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=0
    )
    await PostgresSink(database, jitter=random.random).apply([prepare(r) for r in story("m1")])
    await database.close()


async def test_up_again_and_down_on_a_filled_database(postgres_dsn: str) -> None:
    assert await migrate(postgres_dsn) == Migrated(before=None, after=HEAD)
    await fill(postgres_dsn)
    assert await migrate(postgres_dsn) == Migrated(before=HEAD, after=HEAD)
    assert await migrate(postgres_dsn, to=HEAD) == Migrated(before=HEAD, after=HEAD)
    assert await migrate(postgres_dsn, to="0001") == Migrated(before=HEAD, after="0001")
    assert (await fetch(postgres_dsn, "SELECT count(*) FROM events"))[0][0] == 10
    assert await migrate(postgres_dsn, to="-1") == Migrated(before="0001", after=None)
    # Only alembic's own table is left.
    assert (await fetch(postgres_dsn, TABLES))[0][0] == 1
    assert await migrate(postgres_dsn, to="0001") == Migrated(before=None, after="0001")
    await fill(postgres_dsn)
    assert await migrate(postgres_dsn, to="base") == Migrated(before="0001", after=None)


async def test_several_at_once(postgres_dsn: str) -> None:
    done = await asyncio.gather(*(migrate(postgres_dsn) for _ in range(5)))
    assert sorted(each.before or "" for each in done) == ["", *[HEAD] * 4]
    assert {each.after for each in done} == {HEAD}


@pytest.mark.parametrize("to", ["9999", "nonsense", "-2x", "0001:0002"])
async def test_unknown_revisions(postgres_dsn: str, to: str) -> None:
    with pytest.raises(UsageError):
        await migrate(postgres_dsn, to=to)
    assert (await fetch(postgres_dsn, TABLES))[0][0] == 0


async def test_one_down_from_nothing(postgres_dsn: str) -> None:
    with pytest.raises(UsageError):
        await migrate(postgres_dsn, to="-1")


async def test_no_database_to_migrate(postgres_dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await migrate(f"postgresql://postgres@127.0.0.1:{free_port()}/x")
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        await migrate(postgres_dsn + "_not")
    with pytest.raises(ConfigError):
        await migrate("postgresql://h:port/x")
