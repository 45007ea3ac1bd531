"""Partitions ahead, retention, and what nobody has counted yet."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameserver.adapters.wall_clock import sortable_id
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.boards import Rules
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import prepare
from persistence_worker.maintain import Done, Limits, Maintainer
from persistence_worker.metrics import Metrics
from persistence_worker.partitions import DAY_MS, Partition, floor, missing, upper_ms
from persistence_worker.postgres import Database
from tests.worker.builders import event, story
from tests.worker.conftest import fetch, until

WHERE = "SELECT tableoid::regclass::text FROM events ORDER BY match_id, seq"


def ms(year: int, month: int, day: int = 1) -> int:
    return round(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
async def first_end_ms(migrated_dsn: str) -> int:
    """Where the first partition ends: at the end of the month of the migration."""
    bounds = await fetch(
        migrated_dsn,
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_first'",
    )
    end = upper_ms(bounds[0][0])
    assert end is not None
    return end


def keeper(database: Database, now_ms: int, **limits: int) -> Maintainer:
    fields = {"retention_days": 0, "daily_boards_days": 0, "every_s": 1} | limits
    return Maintainer(database, rules=Rules(), limits=Limits(**fields), now_ms=lambda: now_ms)


async def partitions(dsn: str) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass"
    return sorted(row[0] for row in await fetch(dsn, query + " ORDER BY 1"))


def sink(database: Database) -> PostgresSink:
    return PostgresSink(database, jitter=random.random)


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))
def test_a_floor_is_below_the_ids_of_its_time(at_ms: int, chance: int) -> None:
    assert sortable_id(at_ms, chance).startswith(floor(at_ms))
    assert upper_ms(f"FOR VALUES FROM (MINVALUE) TO ('{floor(at_ms)}')") == at_ms


async def test_the_schema_knows_the_same_floor(migrated_dsn: str) -> None:
    times = [0, ms(2026, 11, 25) + 123, ms(9999, 12, 31)]
    query = "SELECT match_id_floor(to_timestamp(at / 1000.0)) FROM unnest($1::bigint[]) AS at"
    assert [row[0] for row in await fetch(migrated_dsn, query, times)] == [
        floor(at) for at in times
    ]


def test_bounds_without_an_end() -> None:
    assert upper_ms("DEFAULT") is None
    assert upper_ms("FOR VALUES FROM ('01k') TO (MAXVALUE)") is None


def test_missing_partitions_follow_on_each_other() -> None:
    found = missing([ms(2026, 11), ms(2026, 12)], now_ms=ms(2026, 11, 20), ahead_ms=45 * DAY_MS)
    assert found == [
        Partition(name="events_2026_12", from_ms=ms(2026, 12), to_ms=ms(2027, 1)),
        Partition(name="events_2027_01", from_ms=ms(2027, 1), to_ms=ms(2027, 2)),
    ]
    assert missing([ms(2027, 2)], now_ms=ms(2026, 11, 20), ahead_ms=45 * DAY_MS) == []
    first = missing([], now_ms=ms(2028, 2, 29), ahead_ms=0)
    assert first == [Partition(name="events_2028_02", from_ms=ms(2028, 2), to_ms=ms(2028, 3))]


async def test_partitions_are_made_ahead_and_old_ones_dropped(
    migrated_dsn: str, database: Database, first_end_ms: int
) -> None:
    now_ms = first_end_ms - DAY_MS
    done = await keeper(database, now_ms).run()
    assert (done.partitions_added, done.partitions) == (2, 3)
    assert await keeper(database, now_ms).run() == Done(partitions=3)
    names = await partitions(migrated_dsn)
    assert names[0] == names[1].replace(names[1][-7:], names[0][-7:])
    assert names[2:] == ["events_first", "events_other"]
    ids = [sortable_id(at, 1) for at in (now_ms, first_end_ms, first_end_ms + 40 * DAY_MS)]
    await sink(database).apply([event(match, 1) for match in ids])
    placed = [row[0] for row in await fetch(migrated_dsn, WHERE)]
    assert placed == ["events_first", *names[:2]]
    # A month is dropped when all of its matches began longer ago than is kept.
    later_ms = first_end_ms + 30 * DAY_MS
    assert (await keeper(database, later_ms - 1, retention_days=30).run()).partitions_dropped == 0
    done = await keeper(database, later_ms, retention_days=30).run()
    assert done.partitions_dropped == 1
    assert "events_first" not in await partitions(migrated_dsn)
    assert [row[0] for row in await fetch(migrated_dsn, WHERE)] == placed[1:]


async def test_nothing_is_dropped_unless_told(migrated_dsn: str, database: Database) -> None:
    await sink(database).apply([event("m1", 1), event(sortable_id(1, 1), 1)])
    done = await keeper(database, ms(2060, 1)).run()
    assert (done.partitions_dropped, done.events_expired) == (0, 0)
    assert len(await fetch(migrated_dsn, WHERE)) == 2


@pytest.mark.parametrize("at_ms", [0, 1, 2**40, 253_402_300_799_999])
async def test_no_event_is_refused_for_its_time(
    migrated_dsn: str, database: Database, at_ms: int
) -> None:
    ids = [sortable_id(at, 1) for at in (0, at_ms, 2**48 - 1)] + ["0", "m1", "z" * 64]
    given = [event(match, 1, at_ms=at_ms) for match in dict.fromkeys(ids)]
    verdicts = await sink(database).apply(given)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.APPLIED}
    again = [event(match, 1, at_ms=7) for match in dict.fromkeys(ids)]
    assert {each.outcome for each in await sink(database).apply(again)} == {Outcome.FORK}
    assert len(await fetch(migrated_dsn, WHERE)) == len(given)


async def test_a_late_partition_takes_over_what_the_other_one_holds(
    migrated_dsn: str, database: Database, first_end_ms: int
) -> None:
    match = sortable_id(first_end_ms + DAY_MS, 1)
    events = [prepare(raw) for raw in story(match)] + [event("zz", 1)]
    await sink(database).apply(events)
    assert {row[0] for row in await fetch(migrated_dsn, WHERE)} == {"events_other"}
    await keeper(database, first_end_ms + DAY_MS).run()
    placed = [row[0] for row in await fetch(migrated_dsn, WHERE)]
    assert placed[-1] == "events_other"
    assert len(set(placed[:-1])) == 1
    assert placed[0] not in ("events_other", "events_first")
    assert {each.outcome for each in await sink(database).apply(events)} == {Outcome.DUPLICATE}


async def test_a_partition_that_appears_while_events_come_refuses_none(
    migrated_dsn: str, database: Database, first_end_ms: int
) -> None:
    events = [event(sortable_id(first_end_ms + n, n), 1) for n in range(400)]

    async def feed() -> list[Outcome]:
        found = []
        for n in range(0, len(events), 4):
            found += [each.outcome for each in await sink(database).apply(events[n : n + 4])]
        return found

    async def keep() -> Done:
        async def some() -> bool:
            return len(await fetch(migrated_dsn, WHERE)) > 8

        await until(some, what="some events are stored")
        return await keeper(database, first_end_ms).run()

    outcomes, done = await asyncio.gather(feed(), keep())
    assert done.partitions_added == 2
    assert outcomes == [Outcome.APPLIED] * len(events)
    placed = {row[0] for row in await fetch(migrated_dsn, WHERE)}
    assert len(placed) == 1
    assert placed.isdisjoint({"events_other", "events_first"})


async def test_events_of_no_partition_go_by_when_they_were_applied(
    migrated_dsn: str, database: Database
) -> None:
    await sink(database).apply([event("m1", 1, at_ms=1), event("m2", 1)])
    connection = await asyncpg.connect(migrated_dsn)
    old = "UPDATE events SET applied_at = to_timestamp(0) WHERE match_id = 'm2'"
    await connection.execute(old)
    now_ms = await connection.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    done = await keeper(database, now_ms, retention_days=30).run()
    assert done.events_expired == 1
    assert await connection.fetchval("SELECT match_id FROM events") == "m1"
    await connection.close()


async def test_old_daily_boards_expire(migrated_dsn: str, database: Database) -> None:
    await sink(database).apply([prepare(raw) for raw in story("m1")])  # on 2025-10-09
    spans = "SELECT span FROM boards ORDER BY span"
    kept = await keeper(database, ms(2025, 10, 16), daily_boards_days=7).run()
    assert kept.boards_expired == 0
    done = await keeper(database, ms(2025, 10, 17), daily_boards_days=7).run()
    assert done.boards_expired == 1
    assert [row[0] for row in await fetch(migrated_dsn, spans)] == ["all", "season"]
    for table in ("board_scores", "board_buckets", "board_bands"):
        rows = await fetch(migrated_dsn, f"SELECT DISTINCT board_id FROM {table}")
        assert len(rows) == 2, table


async def test_only_one_is_at_it(migrated_dsn: str, database: Database) -> None:
    other = await asyncpg.connect(migrated_dsn)
    async with other.transaction():
        await other.execute(database.statements["try_maintain_lock"])
        assert (await keeper(database, ms(2026, 11)).run()).busy
    assert not (await keeper(database, ms(2026, 11)).run()).busy
    await other.close()


async def test_a_table_in_use_is_left_for_later(
    migrated_dsn: str, database: Database, first_end_ms: int
) -> None:
    reader = await asyncpg.connect(migrated_dsn)
    later = keeper(database, first_end_ms + 40 * DAY_MS, retention_days=30)
    async with reader.transaction():
        await reader.fetch("SELECT 1 FROM events")
        done = await later.run()
    assert (done.partitions_dropped, done.busy) == (0, False)
    assert (await later.run()).partitions_dropped == 1
    await reader.close()


async def test_the_database_refuses(postgres_dsn: str) -> None:
    database = await Database.open(
        postgres_dsn, connections_max=1, timeout_s=5, connect_s=2, statement_cache=100
    )
    with pytest.raises(DatabaseUnavailable):
        await keeper(database, ms(2026, 11)).run()
    await database.close()


async def test_a_worker_keeps_at_it(migrated_dsn: str, database: Database) -> None:
    metrics = Metrics()
    broken: list[Any] = [True]

    class Sometimes(Maintainer):
        async def run(self) -> Done:
            if broken:
                raise DatabaseUnavailable(str(broken.pop()))
            return await super().run()

    limits = Limits(retention_days=0, daily_boards_days=0, every_s=1)
    some = Sometimes(database, rules=Rules(), limits=limits, now_ms=lambda: ms(2026, 11))
    task = asyncio.create_task(some.run_forever(metrics, jitter=lambda: -0.49))

    async def counted() -> bool:
        rendered = metrics.render().decode()
        return all(
            f'worker_maintenance_runs_total{{outcome="{word}"}}' in rendered
            for word in ("failed", "done")
        )

    await until(counted, what="a run that failed and one that did not")
    task.cancel()
    never = Limits(retention_days=0, daily_boards_days=0, every_s=0)
    idle = Maintainer(database, rules=Rules(), limits=never, now_ms=lambda: 0)
    await idle.run_forever(metrics, jitter=random.random)
