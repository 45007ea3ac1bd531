"""Errors of PostgreSQL told apart, on a real one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import msgspec
import pytest

from gameserver.devstack.process import free_port
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.errors import ConfigError, DatabaseUnavailable
from persistence_worker.postgres import Database, kind_of, together
from persistence_worker.retry import ErrorKind
from tests.worker.builders import event
from tests.worker.conftest import until


def with_state(state: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"S": "ERROR", "V": "ERROR", "C": state, "M": "told"})


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("22P05", "rejected"),
        ("22001", "rejected"),
        ("23514", "rejected"),
        ("54000", "rejected"),
        ("P0001", "rejected"),
        ("40001", "contention"),
        ("40P01", "contention"),
        ("55P03", "contention"),
        ("42P01", "database_schema"),
        ("42703", "database_schema"),
        ("42501", "database_schema"),
        ("28P01", "database_schema"),
        ("3D000", "database_schema"),
        ("08006", "database_down"),
        ("53300", "database_down"),
        ("53100", "database_down"),
        ("57P01", "database_down"),
        ("57014", "database_down"),
        ("25006", "database_down"),
        ("XX000", "database_down"),
    ],
)
def test_states_of_postgresql(state: str, kind: str) -> None:
    assert kind_of(with_state(state)) is ErrorKind(kind)


def test_errors_of_the_driver() -> None:
    assert kind_of(asyncpg.InterfaceError("connection is closed")) is ErrorKind.DATABASE_DOWN
    assert kind_of(asyncpg.InternalClientError("odd")) is ErrorKind.DATABASE_DOWN
    assert kind_of(asyncpg.ClientConfigurationError("dsn")) is ErrorKind.DATABASE_SCHEMA
    assert kind_of(OSError()) is ErrorKind.DATABASE_DOWN


async def opened(dsn: str, **changes: Any) -> Database:
    settings = {"connections_max": 2, "timeout_s": 5, "connect_s": 2, "statement_cache": 100}
    return await Database.open(dsn, **(settings | changes))


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://db:notaport/x",
        "postgresql://h/x?sslmode=perhaps",
        "postgresql://h/x?sslmode=verify-full&sslrootcert=/does/not/exist.pem",
    ],
)
async def test_dsns_that_cannot_be_understood(dsn: str) -> None:
    with pytest.raises(ConfigError, match="WORKER_POSTGRES_DSN"):
        database = await opened(dsn)
        await database.close()


async def test_nobody_listens() -> None:
    database = await opened(f"postgresql://postgres@127.0.0.1:{free_port()}/x")
    sink = PostgresSink(database, jitter=random.random)
    with pytest.raises(DatabaseUnavailable) as caught:
        await sink.apply([event()])
    assert caught.value.kind is ErrorKind.DATABASE_DOWN
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


async def test_not_migrated_is_no_fault_of_the_events(postgres_dsn: str) -> None:
    database = await opened(postgres_dsn)
    with pytest.raises(DatabaseUnavailable) as caught:
        await PostgresSink(database, jitter=random.random).apply([event()])
    assert caught.value.kind is ErrorKind.DATABASE_SCHEMA
    await database.close()


async def test_a_statement_that_takes_too_long(migrated_dsn: str) -> None:
    database = await opened(migrated_dsn, timeout_s=0.2)
    blocker = await asyncpg.connect(migrated_dsn)
    sink = PostgresSink(database, jitter=random.random)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE events")
        with pytest.raises(DatabaseUnavailable):
            await sink.apply([event()])
    assert (await sink.apply([event()]))[0].outcome is Outcome.APPLIED
    await blocker.close()
    await database.close()


async def test_connections_that_the_server_cut(migrated_dsn: str, database: Database) -> None:
    sink = PostgresSink(database, jitter=random.random)
    await sink.apply([event("m1", 1)])
    killer = await asyncpg.connect(migrated_dsn)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await killer.close()
    for _ in range(5):
        try:
            verdicts = await sink.apply([event("m1", 2)])
        except DatabaseUnavailable:
            continue
        assert verdicts[0].outcome in (Outcome.APPLIED, Outcome.DUPLICATE)
        return
    raise AssertionError("the pool did not recover")


async def test_a_lost_deadlock_is_repeated(migrated_dsn: str, database: Database) -> None:
    sink = PostgresSink(database, jitter=random.random)
    other = await asyncpg.connect(migrated_dsn)
    insert = (
        "INSERT INTO events SELECT 'm1', n, 'k', NULL, 'g', 'm', 1, 1, now(), '{}', '\\x' "
        "FROM unnest($1::bigint[]) AS n"
    )
    transaction = other.transaction()
    await transaction.start()
    await other.execute(insert, [2])
    # The sink stores 1 and waits for 2; the other then waits for 1: one of them has to lose.
    applying = asyncio.create_task(sink.apply([event("m1", 1), event("m1", 2)]))

    async def waits() -> bool:
        return bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await until(waits, what="the sink waits for a row")
    try:
        await other.execute(insert, [1])
        await transaction.commit()
    except asyncpg.DeadlockDetectedError:
        await transaction.rollback()
    outcomes = {verdict.outcome for verdict in await applying}
    assert outcomes in ({Outcome.APPLIED}, {Outcome.FORK})
    await other.close()


async def test_a_value_that_the_driver_refuses_concerns_its_row_only(database: Database) -> None:
    good = event("m1", 1)
    # intake never lets such a record through; whatever it may miss is still singled out.
    record = msgspec.structs.replace(good.record, seq=2**63, id=f"m1/{2**63}")
    bad = msgspec.structs.replace(good, id=record.id, stated=record)
    verdicts = await PostgresSink(database, jitter=random.random).apply([bad, good])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.REJECTED, Outcome.APPLIED]


async def test_statements_put_together_are_done_in_their_order(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute(
        "CREATE TABLE told (number bigint GENERATED ALWAYS AS IDENTITY, x int)"
    )
    one = "INSERT INTO told (x) SELECT unnest($1::int[]) + $2"
    other = "INSERT INTO told (x) VALUES ($1)"
    await connection.execute(together([one, other, one]), [1, 2], 10, 7, [3], 20)
    rows = await connection.fetch("SELECT x FROM told ORDER BY number")
    assert [row[0] for row in rows] == [11, 12, 7, 23]
    await connection.close()
