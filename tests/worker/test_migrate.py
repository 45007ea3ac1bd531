from __future__ import annotations

import asyncio
import random
import time

import pytest

from gameserver.adapters.wall_clock import sortable_id
from gameserver.devstack.process import free_port
from gameserver.wire.event_record import encode_record
from persistence_worker.apply import PostgresSink
from persistence_worker.errors import ConfigError, DatabaseUnavailable, UsageError
from persistence_worker.intake import prepare, prepare_any
from persistence_worker.migrate import Migrated, migrate
from persistence_worker.postgres import Database
from tests.worker.builders import chunk, story
from tests.worker.conftest import fetch
from tests.worker.old_worker import old_sink

HEAD = "0007"
BEFORE = "0002"
TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


async def fill(dsn: str) -> None:
    database = await Database.open(
        dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=0
    )
    await PostgresSink(database, jitter=random.random).apply([prepare(r) for r in story("m1")])
    await database.close()


EVENTS = (
    "SELECT match_id, seq, kind, player, game, mode, epoch, tick, at, data::text, digest, "
    "applied_at FROM events ORDER BY match_id, seq"
)
NOW_MS = time.time_ns() // 1_000_000


def ids() -> list[str]:
    """Of matches of long ago, of now, of next year, and of ids that are no ULIDs."""
    days = (-9000, -30, 0, 365)
    return [sortable_id(NOW_MS + day * 86_400_000, 7) for day in days] + ["m1", "0", "zz"]


async def test_up_again_and_down_on_a_filled_database(postgres_dsn: str) -> None:
    assert await migrate(postgres_dsn, to="0001") == Migrated(before=None, after="0001")
    async with old_sink(postgres_dsn) as sink:
        for match in ids():
            await sink.apply([prepare(raw) for raw in story(match)])
    events = await fetch(postgres_dsn, EVENTS)
    assert len(events) == 10 * len(ids())
    assert await migrate(postgres_dsn) == Migrated(before="0001", after=HEAD)
    assert await migrate(postgres_dsn) == Migrated(before=HEAD, after=HEAD)
    assert await migrate(postgres_dsn, to=HEAD) == Migrated(before=HEAD, after=HEAD)
    assert await fetch(postgres_dsn, EVENTS) == events
    where = "SELECT DISTINCT tableoid::regclass::text, match_id FROM events ORDER BY 2"
    partitions = {row[1]: row[0] for row in await fetch(postgres_dsn, where)}
    first = {*ids()[:3], "0"}
    assert partitions == {
        match: "events_first" if match in first else "events_other" for match in ids()
    }
    # What was stored before is known as a repetition, which counts what nobody has counted yet.
    assert (await fetch(postgres_dsn, "SELECT count(*) FROM players"))[0][0] == 0
    await fill(postgres_dsn)
    assert await fetch(postgres_dsn, EVENTS) == events
    assert (await fetch(postgres_dsn, "SELECT count(*) FROM players"))[0][0] == 2
    assert await migrate(postgres_dsn, to=BEFORE) == Migrated(before=HEAD, after=BEFORE)
    assert await fetch(postgres_dsn, EVENTS) == events
    async with old_sink(postgres_dsn) as sink:
        verdicts = await sink.apply([prepare(raw) for raw in story("m1")])
        assert {verdict.outcome.value for verdict in verdicts} == {"duplicate"}
    assert await migrate(postgres_dsn) == Migrated(before=BEFORE, after=HEAD)
    assert await fetch(postgres_dsn, EVENTS) == events
    assert await migrate(postgres_dsn, to="base") == Migrated(before=HEAD, after=None)
    # Only alembic's own table is left, and the database can be filled again.
    assert (await fetch(postgres_dsn, TABLES))[0][0] == 1
    functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert (await fetch(postgres_dsn, functions))[0][0] == 0
    await migrate(postgres_dsn)
    await fill(postgres_dsn)
    assert (await fetch(postgres_dsn, "SELECT count(*) FROM events"))[0][0] == 10


SCHEMA = (
    "SELECT 'column', table_name, ordinal_position::text, column_name, data_type, is_nullable, "
    "coalesce(column_default, ''), coalesce(collation_name, '') "
    "FROM information_schema.columns WHERE table_schema = 'public' "
    "UNION ALL SELECT 'index', tablename, indexname, indexdef, '', '', '', '' "
    "FROM pg_indexes WHERE schemaname = 'public' "
    "UNION ALL SELECT 'comment', objoid::regclass::text, objsubid::text, description, '', '', "
    "'', '' FROM pg_description JOIN pg_class ON pg_class.oid = objoid "
    "WHERE classoid = 'pg_class'::regclass AND relnamespace = 'public'::regnamespace "
    "ORDER BY 1, 2, 3"
)


@pytest.mark.parametrize("revision", [BEFORE, "0003"])
async def test_down_leaves_the_schema_as_it_was(postgres_dsn: str, revision: str) -> None:
    await migrate(postgres_dsn, to=revision)
    before = await fetch(postgres_dsn, SCHEMA)
    await migrate(postgres_dsn)
    assert await fetch(postgres_dsn, SCHEMA) != before
    await migrate(postgres_dsn, to=revision)
    assert await fetch(postgres_dsn, SCHEMA) == before


async def test_recordings_come_and_go_with_their_table(postgres_dsn: str) -> None:
    """Their revision is taken down and up again; what else is stored stays."""
    await migrate(postgres_dsn)
    database = await Database.open(
        postgres_dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=0
    )
    records = [*story("m1"), *(encode_record(chunk("m1", number)) for number in (1, 2))]
    await PostgresSink(database, jitter=random.random).apply([prepare_any(r) for r in records])
    await database.close()
    count = "SELECT count(*) FROM recordings"
    assert (await fetch(postgres_dsn, count))[0][0] == 2
    down = await migrate(postgres_dsn, to="0003")
    assert down == Migrated(before=HEAD, after="0003")
    assert (await fetch(postgres_dsn, "SELECT count(*) FROM events"))[0][0] == 10
    assert await migrate(postgres_dsn) == Migrated(before="0003", after=HEAD)
    assert (await fetch(postgres_dsn, count))[0][0] == 0


async def test_the_bucket_of_points_is_part_of_the_statement(postgres_dsn: str) -> None:
    """On a filled database, down and up again: it says the same, and is no call of a function."""
    await migrate(postgres_dsn)
    await fill(postgres_dsn)
    query = "SELECT board_id, player_id, board_bucket(points), board_bucket(previous) AS was"
    query += " FROM board_scores ORDER BY board_id, player_id"
    rows, plan = await fetch(postgres_dsn, query), f"EXPLAIN (VERBOSE) {query}"
    assert rows
    assert not any("board_bucket(" in row[0] for row in await fetch(postgres_dsn, plan))
    assert await migrate(postgres_dsn, to="0005") == Migrated(before=HEAD, after="0005")
    assert any("board_bucket(" in row[0] for row in await fetch(postgres_dsn, plan))
    assert await fetch(postgres_dsn, query) == rows
    assert await migrate(postgres_dsn) == Migrated(before="0005", after=HEAD)
    assert await fetch(postgres_dsn, query) == rows


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
