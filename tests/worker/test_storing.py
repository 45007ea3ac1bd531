"""The ways in which a batch is stored, and when it is counted."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from persistence_worker import apply
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.intake import Event, prepare
from persistence_worker.postgres import Database
from tests.worker.builders import ended, event, story
from tests.worker.conftest import fetch, until
from tests.worker.tables import check_counts, check_ratings

ODD = [
    event("m1", 1, player=None, data={}),
    event("m1", 2, player="pä\ttab\nline\\N", data={"text": '"\\\t\n\x7f🎲', "n": 10**30}),
    event("m1", 3, game="\\", mode='"', kind="'", at_ms=0),
    event("m1", 4, at_ms=4_102_444_799_999, data={"deep": [1, {"x": [None, 1.5, True]}]}),
    event("m1", 2**53 - 1, epoch=2**53 - 1, tick=2**53 - 1, at_ms=1, player="p" * 128),
]


def ways(sink: PostgresSink) -> list[str]:
    """What ``sink`` has tried, as it goes."""
    tried: list[str] = []

    def note(way: Any) -> Any:
        def noted(connection: Any, events: list[Event]) -> Any:
            tried.append(way.__name__)
            return way(connection, events)

        return noted

    for name in ("_copy", "_insert", "_insert_by_halves"):
        setattr(sink, name, note(getattr(sink, name)))
    return tried


async def test_copied_and_inserted_rows_are_the_same(
    migrated_dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "DELETE FROM events RETURNING match_id, seq, kind, player, game, mode, epoch, tick, "
    query += "at, data::text, digest"
    sink = PostgresSink(database, jitter=random.random)
    await sink.apply(ODD)
    copied = await fetch(migrated_dsn, query)
    monkeypatch.setattr(sink, "_wary", 1)
    await sink.apply(ODD)
    inserted = await fetch(migrated_dsn, query)
    assert len(copied) == len(ODD)
    assert sorted(copied) == sorted(inserted)


async def test_after_a_duplicate_batches_are_inserted_for_a_while(database: Database) -> None:
    sink = PostgresSink(database, jitter=random.random)
    tried = ways(sink)
    await sink.apply([event("m1", 1)])
    assert tried == ["_copy"]
    verdicts = await sink.apply([event("m1", 1), event("m1", 2)])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.DUPLICATE, Outcome.APPLIED]
    assert tried == ["_copy", "_copy", "_insert"]
    for seq in range(apply.WARY_BATCHES + 1):
        await sink.apply([event("m2", 1 + seq)])
    assert tried[3:] == ["_insert"] * apply.WARY_BATCHES + ["_copy"]


async def test_several_batches_are_counted_together(migrated_dsn: str, database: Database) -> None:
    sink = PostgresSink(database, jitter=random.random)
    blocker = await asyncpg.connect(migrated_dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE players")
    tasks = [
        asyncio.create_task(sink.apply([prepare(raw) for raw in story(f"m{n}")])) for n in range(6)
    ]

    # The first is being counted and waits; the others are stored meanwhile.
    async def all_stored() -> bool:
        return bool(await blocker.fetchval("SELECT count(*) = 12 FROM results"))

    await until(all_stored, what="all are stored")
    assert not any(task.done() for task in tasks)
    await transaction.commit()
    assert {each.outcome for done in await asyncio.gather(*tasks) for each in done} == {
        Outcome.APPLIED
    }
    # A transaction leaves its mark in each row that it has written.
    groups = "SELECT count(DISTINCT xmin::text) FROM rating_changes"
    assert await blocker.fetchval(groups) == 2
    await check_counts(blocker)
    await check_ratings(blocker)
    await blocker.close()


async def test_what_was_stored_and_not_counted_is_counted_when_it_comes_again(
    migrated_dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [prepare(raw) for raw in story("m1")]
    dying = PostgresSink(database, jitter=random.random)

    async def die(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(dying._counter, "count", die)
    with pytest.raises(DatabaseUnavailable):
        await dying.apply(events)
    assert len(await fetch(migrated_dsn, "SELECT 1 FROM events")) == len(events)
    assert await fetch(migrated_dsn, "SELECT 1 FROM players") == []
    for _ in range(2):
        verdicts = await PostgresSink(database, jitter=random.random).apply(events)
        assert {verdict.outcome for verdict in verdicts} == {Outcome.DUPLICATE}
        told = await fetch(migrated_dsn, "SELECT name, matches FROM players ORDER BY player_id")
        assert [tuple(row) for row in told] == [("Anna", 1), ("Bob", 1)]
        assert len(await fetch(migrated_dsn, "SELECT 1 FROM rating_changes")) == 2


async def test_a_match_that_cannot_be_counted_is_rejected_alone(
    migrated_dsn: str, database: Database
) -> None:
    await fetch(migrated_dsn, "ALTER TABLE board_scores ADD CHECK (points < 1000000)")
    sink = PostgresSink(database, jitter=random.random)
    batches = [[prepare(raw) for raw in story(f"m{n}")] for n in range(4)]
    batches[1].append(prepare(ended("bad", 1, [("p1", 1, 5000.0), ("p3", 2, 1.0)])))
    answers = await asyncio.gather(*(sink.apply(batch) for batch in batches))
    refused = [verdict for answer in answers for verdict in answer if verdict.detail]
    assert [verdict.outcome for verdict in refused] == [Outcome.REJECTED]
    assert refused[0].detail.startswith("stored, but not counted: ")
    connection = await asyncpg.connect(migrated_dsn)
    counted = "SELECT match_id FROM matches WHERE tallied ORDER BY match_id"
    assert [row[0] for row in await connection.fetch(counted)] == ["m0", "m1", "m2", "m3"]
    await check_counts(connection)
    await check_ratings(connection)
    # Once it can be, what comes again counts.
    await connection.execute("ALTER TABLE board_scores DROP CONSTRAINT board_scores_points_check")
    await sink.apply(batches[1])
    assert await connection.fetchval("SELECT tallied FROM matches WHERE match_id = 'bad'")
    await check_counts(connection)
    await connection.close()
