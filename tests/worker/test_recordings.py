"""Recordings read back, exported and dropped, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import msgspec
import pytest

from gameserver.devstack.moto import Moto
from gameserver.replay.recording import read_lines
from gameserver.wire import envelope
from gameserver.wire.envelope import DataKey
from gameserver.wire.event_record import encode_record
from persistence_worker import recordings
from persistence_worker.apply import PostgresSink
from persistence_worker.config import Config
from persistence_worker.errors import KeysUnavailable
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.intake import prepare_any
from persistence_worker.letters import records
from persistence_worker.postgres import Database
from persistence_worker.recordings import Recordings, drop_due
from tests.worker.builders import bundle, chunk, raw, sealed_chunk
from tests.worker.conftest import Queues, WorkerProcess, call, fetch, until

KEPT_S = 86_400.0


async def store(database: Database, match: str, pieces: int) -> None:
    given = [prepare_any(encode_record(chunk(match, one + 1))) for one in range(pieces)]
    await PostgresSink(database, jitter=random.random).apply(given)


async def age(database: Database, match: str, days: int) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            "UPDATE recordings SET stored_at = now() - make_interval(days => $2) "
            "WHERE match_id = $1",
            match,
            days,
        )


async def test_what_comes_back_is_what_was_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "PAGE", 3)
    await store(database, "m1", 7)
    await store(database, "m2", 1)
    found = [one async for one in Recordings(database).pieces("m1")]
    assert found == [chunk("m1", one) for one in range(1, 8)]
    assert [one async for one in Recordings(database).pieces("m3")] == []


async def test_old_ones_are_dropped_a_few_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "DROPPED_AT_ONCE", 4)
    for match, days in (("old", 2), ("older", 3), ("new", 0)):
        await store(database, match, 5)
        await age(database, match, days)
    stored = Recordings(database)
    assert [await stored.drop_old(KEPT_S) for _ in range(4)] == [4, 4, 2, 0]
    assert len([one async for one in stored.pieces("new")]) == 5


async def test_one_worker_at_a_time_drops_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "EVERY_S", 0.01)
    monkeypatch.setattr(recordings, "DROPPED_AT_ONCE", 2)
    await store(database, "m1", 5)
    await age(database, "m1", 2)
    other = Heartbeat(database, worker_id="other", live_s=30)
    own = Heartbeat(database, worker_id="own", live_s=30)
    assert await other.take_duty(recordings.DUTY, for_s=60)
    rounds = 0

    def jitter() -> float:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise StopIteration
        return 0.5

    async def left() -> int:
        async with database.transaction() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM recordings"))

    async def go(heartbeat: Heartbeat) -> None:
        nonlocal rounds
        rounds = 0
        with pytest.raises(RuntimeError):
            await drop_due(Recordings(database), heartbeat, kept_s=KEPT_S, jitter=jitter)

    await go(own)
    assert await left() == 5
    await other.leave_duty(recordings.DUTY)
    await go(own)
    assert await left() == 0


async def test_from_the_queue_into_a_file(
    start_worker: Any, queues: Queues, migrated_dsn: str, tmp_path: Path
) -> None:
    pieces = [chunk("m1", number) for number in range(1, 4)]
    torn = encode_record(pieces[0]).replace(b'"number":1', b'"number":9')
    await queues.send(bundle(raw("m1", 1), *map(encode_record, pieces)), bundle(torn))
    worker: WorkerProcess = start_worker()

    async def stored() -> bool:
        return len(await fetch(migrated_dsn, "SELECT 1 FROM recordings")) == 3

    await until(stored, what="three pieces")
    worker.signal(15)
    assert await worker.exit_code() == 0
    [letter] = await queues.letters()
    assert letter.attributes["reason"] == "bad_record"
    file = tmp_path / "m1.jsonl"
    done = await call("recording", "m1", "--out", str(file), postgres_dsn=migrated_dsn)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(read_lines(file.read_bytes().splitlines(True))) == pieces
    done = await call("recording", "m1", postgres_dsn=migrated_dsn)
    assert done.stdout.encode() == file.read_bytes()
    done = await call("recording", "m9", postgres_dsn=migrated_dsn)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing is stored" in done.stderr


async def test_a_sealed_one_is_written_as_it_is_stored_or_opened(
    database: Database, moto: Moto, migrated_dsn: str
) -> None:
    client = boto3.client("kms", endpoint_url=moto.endpoint_url, region_name="eu-central-1")
    key_id = b"k" * 16
    made = client.generate_data_key(
        KeyId=moto.identity["kms_key_id"],
        KeySpec="AES_256",
        EncryptionContext=envelope.encryption_context(key_id),
    )
    key = DataKey(key_id, made["Plaintext"], made["CiphertextBlob"])
    pieces = [sealed_chunk("m1", number, key=key) for number in (1, 2)]
    await PostgresSink(database, jitter=random.random).apply(
        [prepare_any(encode_record(one)) for one in pieces]
    )
    config = Config(postgres_dsn=migrated_dsn, kms_endpoint_url=moto.endpoint_url)
    kept = await recordings.read_lines(config, "m1", opened=False)
    assert list(read_lines(kept)) == pieces
    opened = await recordings.read_lines(config, "m1", opened=True)
    assert list(read_lines(opened)) == [chunk("m1", 1), chunk("m1", 2)]
    without_kms = Config(postgres_dsn=migrated_dsn, kms_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(KeysUnavailable):
        await recordings.read_lines(without_kms, "m1", opened=True)


async def test_what_is_left_of_erased_players_is_dropped_for_ever_kept_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "EVERY_S", 0.01)
    ghost = "erased-" + "0" * 32
    await store(database, "m1", 2)
    await store(database, "m2", 2)
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO erased_players (pseudonym) VALUES ($1)", ghost)
        await connection.execute(
            "INSERT INTO participants (match_id, player_id, seat, last_seq) "
            "VALUES ('m1', $1, 0, 2)",
            ghost,
        )
    heartbeat = Heartbeat(database, worker_id="own", live_s=30)
    dropping = asyncio.create_task(
        drop_due(Recordings(database), heartbeat, kept_s=0, jitter=lambda: 0.5)
    )

    async def gone() -> bool:
        return [one async for one in Recordings(database).pieces("m1")] == []

    await until(gone, what="the pieces of the erased player's match are dropped")
    dropping.cancel()
    assert len([one async for one in Recordings(database).pieces("m2")]) == 2


def test_a_dead_letter_shows_its_pieces() -> None:
    [shown] = records(bundle(encode_record(chunk("m1", 2))))
    assert shown == msgspec.to_builtins(chunk("m1", 2))
