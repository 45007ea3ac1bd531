"""Sealed records in PostgreSQL: stored as they are, opened by whoever may, wrapped anew."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest

from gameserver.devstack.moto import Moto
from gameserver.records.leaderboard import Leaderboards
from gameserver.wire import envelope
from gameserver.wire import event_record as wire
from gameserver.wire.envelope import DataKey
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.boards import Board, Span
from persistence_worker.carry import carry
from persistence_worker.config import Config
from persistence_worker.errors import KeysUnavailable
from persistence_worker.intake import prepare
from persistence_worker.kms import Kms, open_kms
from persistence_worker.messages import Outgoing
from persistence_worker.migrate import migrate
from persistence_worker.opener import Opener
from persistence_worker.postgres import Database
from persistence_worker.rewrap import rewrap
from tests.worker.builders import KEY, bundle, ended, joined_sealed, raw, record, sealed, started
from tests.worker.conftest import Queues, call


class Keys:
    """KMS that knows one data key; counts."""

    def __init__(self, *keys: DataKey) -> None:
        self.keys = {key.id: key for key in keys or (KEY,)}
        self.calls = 0

    async def unwrap(self, key_id: bytes, wrapped: bytes) -> DataKey:
        self.calls += 1
        found = self.keys.get(key_id)
        if found is None or found.wrapped != wrapped:
            raise KeysUnavailable("AccessDeniedException")
        return found


def told() -> list[bytes]:
    said = sealed(record("m1", 4, "said", "ann", {"text": "psst", "n": 3}), "text")
    return [
        started("m1", 1),
        joined_sealed("m1", 2, "ann", 0, "Ann-Secret"),
        joined_sealed("m1", 3, "bob", 1, "Bob-Secret"),
        said,
        ended("m1", 5, [("ann", 1, 9), ("bob", 2, 3)]),
    ]


async def store(database: Database, *records: bytes, **given: Any) -> list[str]:
    sink = PostgresSink(database, jitter=random.random, **given)
    return [one.outcome.value for one in await sink.apply([prepare(each) for each in records])]


async def test_names_stay_sealed_and_their_key_is_stored_once(database: Database) -> None:
    assert await store(database, *told()) == ["applied"] * 5
    assert await store(database, *told()) == ["duplicate"] * 5
    async with database.transaction() as connection:
        keys = await connection.fetch("SELECT key_id, wrapped FROM data_keys")
        names = await connection.fetch(
            "SELECT name FROM players UNION SELECT name FROM participants"
        )
        data = await connection.fetchval("SELECT data::text FROM events WHERE kind = 'said'")
    assert [tuple(row) for row in keys] == [(envelope.key_name(KEY.id), KEY.wrapped)]
    assert all(envelope.field_key(row[0]) == KEY.id for row in names)
    assert "psst" not in data
    assert '"n": 3' in data


async def test_the_same_fact_sealed_again_is_a_fork(database: Database) -> None:
    await store(database, told()[1])
    other = DataKey(b"o" * 16, b"t" * 32, b"w" * 190)
    fact = record("m1", 2, wire.PLAYER_JOINED, "ann", {"name": "Ann-Secret", "seat": 0})
    assert await store(database, sealed(fact, "name", key=other)) == [Outcome.FORK.value]


async def test_a_board_is_opened_for_who_may(database: Database) -> None:
    await store(database, *told())
    keys = Keys()
    async with database.transaction() as connection:
        board = Board("arena", "duel", Span.ALL, "")
        entries = await Leaderboards(connection).top(board, 10)
    assert [entry.player for entry in entries] == ["ann", "bob"]
    assert "Secret" not in str(entries)
    opened = await Opener(keys, database).entries(entries)
    assert [entry.name for entry in opened] == ["Ann-Secret", "Bob-Secret"]
    assert keys.calls == 1
    with pytest.raises(KeysUnavailable):
        await Opener(Keys(DataKey(b"x" * 16, b"y" * 32, b"z")), database).entries(entries)


async def test_the_latest_join_says_the_name_whatever_it_reads_like(database: Database) -> None:
    later = record("m2", 1, wire.PLAYER_JOINED, "ann", {"name": "A", "seat": 0})
    first = record("m1", 1, wire.PLAYER_JOINED, "ann", {"name": "Z", "seat": 0})
    assert later.at_ms == first.at_ms
    for order in ([later, first], [first, later]):
        async with database.transaction() as connection:
            await connection.execute("DELETE FROM players; DELETE FROM events")
        for each in order:
            await store(database, sealed(each, "name"))
        async with database.transaction() as connection:
            row = await connection.fetchrow("SELECT name, named_by FROM players")
        assert row["named_by"] == "m2/1"
        assert await Opener(Keys(), database).name(row["name"], row["named_by"]) == "A"


async def test_events_are_carried_with_their_keys(database: Database, postgres: Any) -> None:
    await store(database, *told())
    postgres.execute('CREATE DATABASE "carried"')
    dsn = postgres.dsn("carried")
    await migrate(dsn)
    there = await Database.open(
        dsn, connections_max=2, timeout_s=20, connect_s=5, statement_cache=0
    )
    try:
        done = await carry(database, PostgresSink(there, jitter=random.random))
        assert (done.stored, done.refused) == (5, 0)
        async with there.transaction() as connection:
            row = await connection.fetchrow(
                "SELECT name, named_by FROM players WHERE player_id = 'bob'"
            )
        assert await Opener(Keys(), there).name(row["name"], row["named_by"]) == "Bob-Secret"
    finally:
        await there.close()
        postgres.execute('DROP DATABASE "carried" WITH (FORCE)')


# ── against moto ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def kms(moto: Moto) -> AsyncIterator[Kms]:
    async with open_kms(Config(kms_endpoint_url=moto.endpoint_url)) as opened:
        yield opened


def client(moto: Moto) -> Any:
    return boto3.client("kms", endpoint_url=moto.endpoint_url, region_name=moto.region)


def new_key(moto: Moto, under: str) -> DataKey:
    key_id = os.urandom(16)
    answer = client(moto).generate_data_key(
        KeyId=under, KeySpec="AES_256", EncryptionContext=envelope.encryption_context(key_id)
    )
    return DataKey(key_id, answer["Plaintext"], answer["CiphertextBlob"])


async def test_data_keys_are_wrapped_anew_and_open_the_same(
    moto: Moto, kms: Kms, database: Database
) -> None:
    other = client(moto).create_key()["KeyMetadata"]
    keys = [new_key(moto, moto.identity["kms_key_id"]) for _ in range(5)]
    facts = [
        record("m1", seq, wire.PLAYER_JOINED, f"p{seq}", {"name": f"Name {seq}", "seat": 0})
        for seq in range(1, 6)
    ]
    for fact, key in zip(facts, keys, strict=True):
        await store(database, sealed(fact, "name", key=key))
    hour = timedelta(hours=1)
    done = await rewrap(database, kms, under=other["KeyId"], older_than=hour, dry_run=False)
    assert done.keys == 0
    done = await rewrap(database, kms, under=other["KeyId"], older_than=timedelta(0), dry_run=True)
    assert (done.keys, done.under) == (5, other["Arn"])
    # Cut short: two are done by an earlier run.
    async with database.transaction() as connection:
        for key in keys[:2]:
            wrapped = await kms.rewrap(key.id, key.wrapped, under=other["KeyId"])
            await connection.execute(
                database.chores["rewrap_key"], envelope.key_name(key.id), wrapped, other["Arn"]
            )
    done = await rewrap(database, kms, under=other["KeyId"], older_than=timedelta(0), dry_run=False)
    assert done.keys == 3
    # The first KMS key is not needed any more.
    client(moto).disable_key(KeyId=moto.identity["kms_key_id"])
    try:
        async with database.transaction() as connection:
            rows = await connection.fetch("SELECT name, named_by FROM players ORDER BY player_id")
        opener = Opener(kms, database)
        assert [await opener.name(*row) for row in rows] == [f"Name {n}" for n in range(1, 6)]
    finally:
        client(moto).enable_key(KeyId=moto.identity["kms_key_id"])
    # An old record that comes again does not bring its old wrapping back.
    await store(database, sealed(facts[0], "name", key=keys[0]))
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "SELECT kms_key FROM data_keys WHERE key_id = $1", envelope.key_name(keys[0].id)
        )
    assert row["kms_key"] == other["Arn"]


async def test_the_command_wraps_anew(moto: Moto, migrated_dsn: str) -> None:
    other = client(moto).create_key()["KeyMetadata"]
    settings = {"postgres_dsn": migrated_dsn, "kms_endpoint_url": moto.endpoint_url}
    done = await call("rewrap", **settings)
    assert (done.returncode, "--to" in done.stderr) == (2, True)
    done = await call("rewrap", "--to", other["KeyId"], "--older-than", "30d", **settings)
    assert done.stdout == f"0 data keys wrapped anew under {other['Arn']}\n", done.stderr
    done = await call("rewrap", "--to", "alias/none", **settings)
    assert (done.returncode, "NotFoundException" in done.stderr) == (1, True)


async def test_a_dead_letter_is_opened_on_demand(
    moto: Moto, queues: Queues, settings: dict[str, Any]
) -> None:
    key = new_key(moto, moto.identity["kms_key_id"])
    fact = record("m1", 2, wire.PLAYER_JOINED, "ann", {"name": "Ann-Secret", "seat": 0})
    body = bundle(sealed(fact, "name", key=key), raw("m1", 3, "scored", "ann"))
    await queues.dead_letters.send([Outgoing(body=body, attributes={"reason": "rejected"})])
    settings |= {"kms_endpoint_url": moto.endpoint_url}
    listed = await call("dlq", "list", "--place", "queue", **settings)
    letter_id = listed.stdout.splitlines()[1].split("\t")[1]
    shown = await call("dlq", "show", letter_id, "--place", "queue", **settings)
    assert (shown.returncode, "Ann-Secret" in shown.stdout) == (0, False)
    shown = await call("dlq", "show", letter_id, "--place", "queue", "--open", **settings)
    assert "Ann-Secret" in shown.stdout, shown.stderr
