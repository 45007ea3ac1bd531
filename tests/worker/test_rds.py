"""What Amazon RDS asks of a client: TLS to be verified, tokens as passwords, failovers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import botocore.auth
import pytest
from aiobotocore.session import get_session
from botocore.credentials import Credentials

from gameserver.devstack.postgres import Postgres
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.config import load
from persistence_worker.databases import password_of
from persistence_worker.errors import ConfigError, DatabaseUnavailable
from persistence_worker.migrate import migrate
from persistence_worker.postgres import DATABASE_ERRORS, Database
from persistence_worker.rds_iam import Account, account_of, passwords, token
from persistence_worker.retry import ErrorKind
from tests.postgres_tls import TlsPostgres
from tests.worker.builders import bundle, event, match_id, raw
from tests.worker.conftest import Queues, WorkerProcess, call, fetch, until

REGION = "eu-central-1"
SAFE = "postgresql://app@db.example:5433/game?sslmode=verify-full&sslrootcert=/ca.pem"


@pytest.fixture(autouse=True)
async def connections_are_gone() -> AsyncIterator[None]:
    """asyncpg does not wait for the end of a connection over TLS whose log-in is refused: it may
    come after the end of the test and of its loop."""
    yield
    transports: Any = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
    for transport in list(transports.values()):
        transport.abort()
    await asyncio.sleep(0)  # Each is closed in the next turn of the loop.


@asynccontextmanager
async def opened(dsn: str, **changes: Any) -> AsyncIterator[Database]:
    settings = {"connections_max": 2, "timeout_s": 10, "connect_s": 5, "statement_cache": 100}
    database = await Database.open(dsn, **(settings | changes))
    try:
        yield database
    finally:
        await database.close()


async def refused(dsn: str) -> str:
    async with opened(dsn) as database:
        with pytest.raises(DatabaseUnavailable) as caught:
            await database.ping()
    assert caught.value.kind is ErrorKind.DATABASE_DOWN
    return str(caught.value)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.system
async def test_a_verified_connection(postgres_tls: TlsPostgres) -> None:
    dsn = postgres_tls.url()
    await migrate(dsn)
    async with opened(dsn) as database:
        await database.ping()
        async with database.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            )
        assert row["ssl"]
        assert row["version"] in ("TLSv1.2", "TLSv1.3")


@pytest.mark.system
async def test_a_wrong_name_is_refused(postgres_tls: TlsPostgres) -> None:
    # The same server by another of its names, which its certificate does not hold.
    dsn = postgres_tls.url().replace("@127.0.0.1:", "@localhost:")
    assert "certificate is not valid for 'localhost'" in await refused(dsn)
    # Without the name being checked it would have been taken: the refusal is about that alone.
    async with opened(dsn.replace("verify-full", "verify-ca")) as database:
        async with database.transaction() as connection:
            assert await connection.fetchval("SELECT 1") == 1


@pytest.mark.system
async def test_an_unknown_authority_is_refused(postgres_tls: TlsPostgres) -> None:
    dsn = postgres_tls.url(sslrootcert=str(postgres_tls.other_ca_file))
    assert "certificate verify failed" in await refused(dsn)
    with pytest.raises(ConfigError, match="certificate verify failed"):
        await migrate(dsn)


@pytest.mark.system
async def test_a_server_without_tls_is_refused(
    postgres: Postgres, postgres_tls: TlsPostgres
) -> None:
    dsn = postgres_tls.url().replace(f":{postgres_tls.port}/", f":{postgres.port}/")
    assert "SSL" in await refused(dsn)


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────


def test_the_account_of_a_dsn() -> None:
    assert account_of(SAFE) == Account(host="db.example", port=5433, user="app")
    plain = SAFE.replace(":5433", "").replace("app@", "a%40b@")
    assert account_of(plain) == Account(host="db.example", port=5432, user="a@b")


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        (SAFE.replace("verify-full", "verify-ca"), "sslmode=verify-full"),
        (SAFE.replace("verify-full", "require"), "sslmode=verify-full"),
        ("postgresql://app@db.example/game", "sslmode=verify-full"),
        (SAFE + "&sslmode=prefer", "sslmode=verify-full"),
        (SAFE.replace("app@", "app:hunter2@"), "take it out"),
        (SAFE + "&password=hunter2", "take it out"),
        (SAFE.replace("app@", ""), "a host and a user"),
        (SAFE.replace("db.example:5433", "a:1,b:2"), "one host"),
        (SAFE + "&host=elsewhere", "one host"),
    ],
)
def test_what_a_token_is_not_made_for(dsn: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        passwords(dsn, region=REGION)
    assert "hunter2" not in str(caught.value)


async def test_a_worker_does_not_start_without_verification() -> None:
    settings = {
        "sqs_queue_url": "http://127.0.0.1:9/0/q",
        "sqs_dlq_url": "http://127.0.0.1:9/0/d",
        "postgres_dsn": "postgresql://app@127.0.0.1:9/x?sslmode=require",
        "postgres_iam": "true",
    }
    for words in (("run",), ("migrate",), ("dlq", "list")):
        done = await call(*words, **settings)
        assert done.returncode == 2, done.stderr
        assert "WORKER_POSTGRES_IAM needs sslmode=verify-full" in done.stderr


async def test_a_token_is_botocores(monkeypatch: pytest.MonkeyPatch) -> None:
    now = botocore.auth.get_current_datetime()
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: now)
    async with get_session().create_client("rds", region_name=REGION) as client:
        theirs = await client.generate_db_auth_token(
            DBHostname="db.example", Port=5433, DBUsername="app"
        )
    ours = await passwords(SAFE, region=REGION)()
    assert ours == theirs
    assert ours.startswith("db.example:5433/?Action=connect&DBUser=app&X-Amz-Algorithm=")
    assert parse_qs(ours)["X-Amz-Expires"] == ["900"]
    # With a role's credentials their session token is signed as well.
    session = Credentials("key", "secret", "session+token/=")
    role = token(account_of(SAFE), session.get_frozen_credentials(), region=REGION)
    assert parse_qs(role)["X-Amz-Security-Token"] == ["session+token/="]


def test_tokens_are_used_only_where_they_are_asked_for() -> None:
    environ = {"WORKER_POSTGRES_DSN": SAFE}
    assert password_of(load(environ, required=())) is None
    environ["WORKER_POSTGRES_IAM"] = "true"
    assert password_of(load(environ, required=())) is not None


@pytest.mark.system
async def test_each_new_connection_has_a_token_of_its_own(postgres_tls: TlsPostgres) -> None:
    """The server knows the newest token only, as if the older ones had run out."""
    dsn = postgres_tls.url(user="app", password="")
    made: list[str] = []
    make = passwords(dsn, region=REGION)
    admin = await asyncpg.connect(postgres_tls.url())
    await admin.execute("CREATE ROLE app LOGIN")

    async def password() -> str:
        given = f"{await make()}&n={len(made)}"
        made.append(given)
        await admin.execute(f"ALTER ROLE app PASSWORD '{given}'")
        return given

    async with opened(dsn, password=password, connections_max=1) as database:
        for _ in range(2):
            async with database.transaction() as connection:
                assert await connection.fetchval("SELECT current_user") == "app"
        assert len(made) == 1
        # The old token is of no use, and the open connection does not care.
        await admin.execute("ALTER ROLE app PASSWORD 'another'")
        async with database.transaction() as connection:
            await connection.fetchval("SELECT 1")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        )

        async def back() -> bool:
            try:
                async with database.transaction() as connection:
                    return bool(await connection.fetchval("SELECT true"))
            except (DatabaseUnavailable, *DATABASE_ERRORS):
                return False

        await until(back, what="it is back with a new token")
        assert len(made) == 2
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn, password=made[0])
    await admin.execute("DROP ROLE app")
    await admin.close()


# ── Failover ─────────────────────────────────────────────────────────────────────────────────────


async def read_only(dsn: str, on: bool) -> None:
    """New sessions of the database are read-only, as on a standby; old ones stay as they are."""
    name = dsn.rpartition("/")[2]
    await fetch(dsn, f'ALTER DATABASE "{name}" SET default_transaction_read_only = {on}')


async def test_what_was_the_primary_is_left_for_the_new_one(migrated_dsn: str) -> None:
    await read_only(migrated_dsn, True)
    async with opened(migrated_dsn) as database:
        sink = PostgresSink(database, jitter=random.random)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match="SQLSTATE 25006"):
                await sink.apply([event("m1", 1)])
            with pytest.raises(DatabaseUnavailable, match="read-only"):
                await database.ping()
        async with database.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
        admin = await asyncpg.connect(migrated_dsn)
        await admin.execute("SET default_transaction_read_only = off")
        name = migrated_dsn.rpartition("/")[2]
        await admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await admin.close()
        # The session that is open would be read-only for ever: the first try gives it up.
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        await database.ping()
        verdicts = await sink.apply([event("m1", 1)])
        assert verdicts[0].outcome is Outcome.APPLIED
        async with database.transaction() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") != pid


async def test_cut_in_the_middle_of_a_transaction(
    start_worker: Callable[..., WorkerProcess], queues: Queues, migrated_dsn: str
) -> None:
    match = match_id()
    await queues.send(*(bundle(raw(match, 1 + 2 * n), raw(match, 2 + 2 * n)) for n in range(50)))
    blocker = await asyncpg.connect(migrated_dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE events IN SHARE MODE")
    worker = start_worker(pool_connections_max=2, batch_records_max=20)
    waits = (
        "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'relation' "
        "AND relation = 'events'::regclass"
    )
    for _ in range(3):

        async def waiting() -> bool:
            return bool(await blocker.fetch(waits))

        await until(waiting, what="an insert waits for the lock")
        await blocker.execute(f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS waiting")
    await transaction.rollback()
    await blocker.close()
    await until(queues.empty, what="queue is empty")
    seqs = await fetch(migrated_dsn, "SELECT seq FROM events ORDER BY seq")
    assert [row[0] for row in seqs] == list(range(1, 101))
    assert worker.metric('worker_events_total{outcome="applied"}') == 100
    assert await queues.letters() == []


async def test_a_failover_under_load(
    start_worker: Callable[..., WorkerProcess], queues: Queues, migrated_dsn: str
) -> None:
    """All connections are cut, and for a while only a read-only server answers."""
    worker = start_worker(pool_connections_max=3, batch_records_max=20, watch_s=1)
    match = match_id()
    sent = 0

    async def send(messages: int) -> None:
        nonlocal sent
        bodies = [
            bundle(*(raw(match, sent + 5 * n + k) for k in range(1, 6))) for n in range(messages)
        ]
        sent += 5 * messages
        await queues.send(*bodies)

    await send(100)

    async def some() -> bool:
        return bool(await fetch(migrated_dsn, "SELECT 1 FROM events LIMIT 1"))

    await until(some, what="something is stored")
    admin = await asyncpg.connect(migrated_dsn)
    name = migrated_dsn.rpartition("/")[2]
    await admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await admin.execute(f"SELECT pg_terminate_backend(pid) {others}")
    # A worker notices by what it is to store, and may have stored all of the first messages.
    await send(20)
    body = await worker.until_status("/readyz", 503)
    assert "database" in body

    # At most the pool, and the one connection for heartbeats; one that was given up may need a
    # while to end.
    async def few() -> bool:
        return bool(await admin.fetchval(f"SELECT count(*) {others}") <= 4)

    async def tried() -> bool:
        await until(few, what="there are no more connections than may be")
        return worker.metric('worker_retries_total{error="database_down"}') >= 5

    await until(tried, what="it has tried for some seconds")
    await admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    # The sessions of before are still read-only: what helps is that they are given up.
    await until(queues.empty, what="queue is empty")
    await worker.until_status("/readyz", 200)
    seqs = await admin.fetch("SELECT seq FROM events ORDER BY seq")
    assert [row[0] for row in seqs] == list(range(1, sent + 1))
    await until(few, what="there are no more connections than may be")
    assert await queues.letters() == []
    await admin.close()
