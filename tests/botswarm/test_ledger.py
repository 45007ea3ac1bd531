"""The ledger, and its comparison with a real PostgreSQL under the worker's own schema."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botswarm import ledger as ledgers
from botswarm.check import Stored, StoredEvent, check, compare, describe, stored_digest
from botswarm.ledger import Ledger, LedgerError, content_digest
from gameserver.errors import ConfigError
from persistence_worker.migrate import migrate
from tests.botswarm.polling import until

END = {"reason": "finished", "ticks": 3, "duration_ms": 9, "standings": [], "result": None}


def sample() -> Ledger:
    ledger = Ledger(record_events=True)
    for match in ("m1", "m2"):
        ledger.joined(match, game="arena", mode="ffa")
    for _ in range(2):
        ledger.announced("m1", seq=1, kind="kill", player="p", data={"of": 2.0, "by": "é"})
    ledger.announced("m1", seq=2, kind="match_ended", player=None, data=END)
    ledger.ended("m1", seq=2, reason="finished", standings=[])
    ledger.announced("m2", seq=4, kind="kill", player="q", data={"x": 0.1})
    return ledger


def stored(ledger: Ledger) -> Stored:
    events = [
        StoredEvent(line.match, line.seq, line.kind, line.player, line.digest)
        for line in ledger.lines()
        if isinstance(line, ledgers.EventLine)
    ]
    return Stored(events, {"m1": True, "m2": False})


def test_one_content_has_one_digest_however_it_is_written():
    assert content_digest({"a": 1, "b": -0.0}) == content_digest({"b": 0, "a": 1.0})
    assert content_digest({"a": {1: "x"}}) == content_digest({"a": {"1": "x"}})
    assert content_digest({"a": 1}) != content_digest({"a": "1"})
    assert content_digest({"a": True}) != content_digest({"a": 1})


def test_two_clients_that_were_told_different_things():
    ledger = sample()
    told = {"kind": "kill", "player": "p", "data": {"of": 3.0}}
    assert ledger.announced("m1", seq=1, **told) == "protocol:event_fork"


def test_files_bring_back_what_was_written(tmp_path):
    ledgers.write(tmp_path / "l", sample().lines())
    read = ledgers.read(tmp_path / "l")
    assert list(read.lines()) == list(sample().lines())
    assert (read.matches_joined, read.matches_ended) == (2, 1)


def test_ledgers_of_processes_add_up():
    merged = Ledger(record_events=True)
    assert merged.merge(sample().lines()) == merged.merge(sample().lines()) == []
    events = [line for line in merged.lines() if isinstance(line, ledgers.EventLine)]
    assert [line.clients for line in events] == [4, 2, 2]
    assert merged.matches_ended == 1


@pytest.mark.parametrize("text", ["{}", "nonsense", '{"type":"event","match":"m"}'])
def test_a_broken_file_is_named_with_its_line(tmp_path, text):
    (tmp_path / "l").write_text(text + "\n")
    with pytest.raises(LedgerError, match="line 1"):
        ledgers.read(tmp_path / "l")


def test_equal():
    comparison = compare(sample(), stored(sample()))
    assert comparison.equal
    assert (comparison.ended_told, comparison.ended_stored) == (1, 1)
    assert (comparison.events_told, comparison.events_stored) == (3, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.events.pop(0), "told but not stored"),
        (lambda s: s.events.append(s.events[0]), "stored 2 times"),
        (lambda s: s.ended.clear(), "not stored so"),
        (lambda s: s.events.append(StoredEvent("m1", 9, "match_ended", None, "")), "2 rows"),
        (lambda s: s.events.__setitem__(0, with_(s.events[0], digest="0")), "other data"),
        (lambda s: s.events.__setitem__(0, with_(s.events[0], player="z")), "stored as kill of z"),
    ],
)
def test_every_difference_is_found(change, words):
    kept = stored(sample())
    change(kept)
    comparison = compare(sample(), kept)
    assert not comparison.equal
    assert words in describe(comparison)


def with_(event, **changes):
    return msgspec.structs.replace(event, **changes)


def test_what_no_client_was_told_is_no_difference():
    kept = stored(sample())
    kept.events.append(StoredEvent("m2", 1, "match_started", None, ""))
    comparison = compare(sample(), kept)
    assert comparison.equal
    assert comparison.events_unseen == 1


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text("xyz", max_size=2), json_values, max_size=4), max_size=5))
def test_digests_do_not_depend_on_msgpack_or_json(values):
    for value in values:
        packed = msgspec.msgpack.decode(msgspec.msgpack.encode(value))
        text = msgspec.json.decode(msgspec.json.encode(value))
        assert content_digest(packed) == content_digest(text) == content_digest(value)


@pytest.fixture
async def database(postgres_dsn):
    await migrate(postgres_dsn)
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


async def store(database, match: str, seq: int, kind: str, player: str | None, data: object):
    await database.execute(
        "INSERT INTO events (match_id, seq, kind, player, game, mode, epoch, tick, at, data,"
        " digest) VALUES ($1, $2, $3, $4, 'arena', 'ffa', 1, 1, now(), $5, '')",
        match, seq, kind, player, msgspec.json.encode(data).decode(),
    )  # fmt: skip


async def test_check_against_postgresql(database, postgres_dsn, tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = sample()
    numbers = {"big": 1e20, "tiny": 1e-7, "third": 1 / 3, "zero": -0.0, "huge": 2**53, "e": 1.5e300}
    ledger.announced("m2", seq=5, kind="numbers", player=None, data=numbers)
    ledgers.write(path, ledger.lines())
    await store(database, "m1", 1, "kill", "p", {"by": "é", "of": 2})
    await store(database, "m2", 4, "kill", "q", {"x": 0.1})
    await store(database, "m2", 5, "numbers", None, numbers)
    await database.execute(
        "INSERT INTO matches (match_id, game, mode) VALUES ('m1', 'a', 'f'), ('m2', 'a', 'f')"
    )
    missing = await check(path, dsn=postgres_dsn, wait_s=0)
    assert [line.split(" (")[0] for line in missing.differences] == [
        "event m1/2",
        "match m1: told to have ended, not stored so",
    ]
    await store(database, "m1", 2, "match_ended", None, END)
    await database.execute("UPDATE matches SET ended_at = now() WHERE match_id = 'm1'")
    complete = await check(path, dsn=postgres_dsn, wait_s=0)
    assert complete.equal, complete.differences
    assert (complete.ended_told, complete.ended_stored) == (1, 1)


async def test_check_waits_for_the_worker(database, postgres_dsn, tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(record_events=True)
    ledger.joined("m1", game="a", mode="f")
    ledger.announced("m1", seq=1, kind="kill", player=None, data={})
    ledgers.write(path, ledger.lines())
    waiting = asyncio.create_task(check(path, dsn=postgres_dsn, wait_s=60))

    async def has_asked() -> bool:
        return await database.fetchval(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%ended_at IS NOT NULL%'"
            " AND pid <> pg_backend_pid() AND datname = current_database()"
        )

    await until(has_asked)
    assert not waiting.done()
    await store(database, "m1", 1, "kill", None, {})
    assert (await waiting).equal


async def test_a_database_without_the_tables_is_explained(postgres_dsn, tmp_path):
    ledgers.write(tmp_path / "l", sample().lines())
    with pytest.raises(ConfigError, match="migrated"):
        await check(tmp_path / "l", dsn=postgres_dsn, wait_s=0)
    with pytest.raises(ConfigError, match="cannot connect"):
        await check(tmp_path / "l", dsn="postgresql://127.0.0.1:1/x", wait_s=0)


def test_what_is_sealed_is_not_compared() -> None:
    told = content_digest({"name": "Ann", "seat": 1}, "player_joined")
    assert stored_digest("player_joined", {"name": "gs1.xyz", "seat": 1}) == told
    assert stored_digest("player_joined", {"name": "gs1.xyz", "seat": 2}) != told
    sealed = "gs1." + "A" * 80
    assert stored_digest("said", {"text": sealed, "length": 3}) is None
    assert stored_digest("said", {"text": "gs1.short"}) == content_digest({"text": "gs1.short"})
