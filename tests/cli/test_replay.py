"""``python -m gameserver replay``: from a file, from PostgreSQL, and for people."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import msgspec
import pytest

from gameserver.__main__ import main
from gameserver.devstack.moto import Moto
from gameserver.replay.recording import write_lines
from gameserver.wire.envelope import DataKey, encryption_context
from gameserver.wire.event_record import Chunk, encode_record
from gameserver.wire.sealed_record import seal_chunk
from persistence_worker.apply import PostgresSink
from persistence_worker.intake import prepare_any
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from tests.replay.played import RecordedArena, played
from tests.sim.loop import run

GAME = "tests.replay.played:RecordedArena"
OTHER = "tests.cli.test_replay:Other"


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    """A match whose owner was lost once."""
    return run(played(8, "arena", "quick", failovers=1, seconds=4))


@pytest.fixture
def file(chunks: list[Chunk], tmp_path: Path) -> Path:
    made = tmp_path / "match.jsonl"
    made.write_bytes(b"".join(write_lines(chunks)))
    return made


class Other(RecordedArena):
    """The next version of the rules."""

    version = 3

    def step(self, state: Any, inputs: Any, tick: Any) -> None:
        super().step(state, inputs, tick)
        for body in state.bodies.values():
            body.kills += tick.number == 50


def test_a_file_is_played_again(
    chunks: list[Chunk], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--from-file", str(file), "--game", GAME]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"match {chunks[0].match}: arena, mode quick\n")
    assert said.count("  equal  ") == len(chunks)
    assert said.count("(another owner went on)") == 1
    assert f"all {len(chunks)} chunks have the digests that they had" in said
    assert main(["replay", "--from-file", str(file), "--game", GAME, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["problem"], told["ended"]) == (None, chunks[-1].ended)
    assert told["ticks"] == chunks[-1].end_tick
    assert [one["computed"] for one in told["chunks"]] == [one.digest.hex() for one in chunks]
    assert told["result"]["reason"] == chunks[-1].ended


def test_it_stops_where_it_is_asked_to(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for tick in ("0", "33"):
        arguments = ["replay", "--from-file", str(file), "--game", GAME, "--until", tick]
        assert main([*arguments, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ticks"] == int(tick) and "bullets" in told["view"]
    assert main(arguments) == 0
    assert "at tick 33 everyone sees\n{" in capsys.readouterr().out


def test_other_rules_are_named(
    chunks: list[Chunk], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--from-file", str(file), "--game", OTHER]) == 1
    said = capsys.readouterr().out
    assert "Its rules had version 2; here they have 3." in said
    different = next(one for one in chunks if one.first_tick <= 50 < one.end_tick)
    within = f"within the ticks from {different.first_tick} to {different.end_tick}"
    assert f"chunks are equal; then, {within}: the states differ" in said
    assert said.count("DIFFERS") == 1 and " ≠ " in said


def test_what_is_missing_is_named(
    chunks: list[Chunk], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(b"".join(write_lines(chunks[:2] + chunks[3:])))
    assert main(["replay", "--from-file", str(torn), "--game", GAME]) == 1
    assert "chunk 3 is missing: the rest cannot be played" in capsys.readouterr().out
    torn.write_bytes(b"".join(write_lines(chunks[1:])))
    assert main(["replay", "--from-file", str(torn), "--game", GAME]) == 1
    torn.write_text("{}")
    assert main(["replay", "--from-file", str(torn), "--game", GAME]) == 1
    said = capsys.readouterr().err
    assert "the recording's first chunk is missing" in said and "line 1: chunk:" in said


def test_wrong_usage(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GAMESERVER_RECORDINGS_DSN", raising=False)
    assert main(["replay"]) == 2
    assert main(["replay", "m1", "--from-file", str(file)]) == 2
    assert main(["replay", "--from-file", str(file), "--game", "echo"]) == 2
    assert main(["replay", "m1"]) == 1
    assert main(["replay", "--from-file", str(file) + ".not"]) == 1
    said = capsys.readouterr().err
    for words in ("name a match", "name that game by --game", "RECORDINGS_DSN is not set"):
        assert words in said
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "m1", "--until", "-1"])


def test_a_sealed_file_is_opened_by_kms(
    chunks: list[Chunk],
    moto: Moto,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = boto3.client("kms", endpoint_url=moto.endpoint_url, region_name="eu-central-1")
    key_id = b"k" * 16
    made = client.generate_data_key(
        KeyId=moto.identity["kms_key_id"],
        KeySpec="AES_256",
        EncryptionContext=encryption_context(key_id),
    )
    key = DataKey(key_id, made["Plaintext"], made["CiphertextBlob"])
    sealed = [seal_chunk(chunk, key, random=os.urandom) for chunk in chunks]
    file, copy = tmp_path / "sealed.jsonl", tmp_path / "copy.jsonl"
    file.write_bytes(b"".join(write_lines(sealed)))
    monkeypatch.setenv("GAMESERVER_KMS_ENDPOINT_URL", moto.endpoint_url)
    words = ["replay", "--from-file", str(file), "--game", GAME]
    assert main([*words, "--export", str(copy)]) == 0
    assert "digests that they had" in capsys.readouterr().out
    assert copy.read_bytes() == file.read_bytes(), "as it is stored"
    monkeypatch.setenv("GAMESERVER_KMS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(words) == 1
    assert "KMS" in capsys.readouterr().err
    file.write_bytes(b"".join(write_lines([sealed[0], *reseated(sealed[1:])])))
    monkeypatch.setenv("GAMESERVER_KMS_ENDPOINT_URL", moto.endpoint_url)
    assert main(words) == 1
    assert "cannot be opened" in capsys.readouterr().err


def reseated(chunks: list[Chunk]) -> list[Chunk]:
    """The bodies in each other's places."""
    bodies = [chunk.body for chunk in reversed(chunks)]
    return [
        msgspec.structs.replace(chunk, body=body)
        for chunk, body in zip(chunks, bodies, strict=True)
    ]


def test_from_postgresql(
    chunks: list[Chunk],
    postgres_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def store() -> None:
        await migrate(postgres_dsn)
        database = await Database.open(
            postgres_dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=0
        )
        items = [prepare_any(encode_record(chunk)) for chunk in chunks]
        await PostgresSink(database, jitter=random.random).apply(items)
        await database.close()

    asyncio.run(store())
    monkeypatch.setenv("GAMESERVER_RECORDINGS_DSN", postgres_dsn)
    export, match = tmp_path / "export.jsonl", chunks[0].match
    assert main(["replay", match, "--game", GAME, "--export", str(export)]) == 0
    assert "digests that they had" in capsys.readouterr().out
    assert export.read_bytes() == b"".join(write_lines(chunks))
    assert main(["replay", "m9", "--game", GAME]) == 1
    assert "nothing is stored" in capsys.readouterr().err
    monkeypatch.setenv("GAMESERVER_REPLAY_BYTES_MAX", "65536")
    monkeypatch.setenv("GAMESERVER_RECORDINGS_DSN", "postgresql://u:hunter2@127.0.0.1:9/x")
    assert main(["replay", match]) == 1
    said = capsys.readouterr().err
    assert "PostgreSQL" in said and "hunter2" not in said
