"""Workers of two versions beside each other, over a schema that changes under them."""

from __future__ import annotations

import asyncio
import random

import asyncpg

from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.boards import Rules
from persistence_worker.intake import Event, prepare
from persistence_worker.maintain import Limits, Maintainer
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from persistence_worker.rebuild import rebuild
from tests.worker.builders import story
from tests.worker.conftest import until
from tests.worker.old_worker import old_sink
from tests.worker.tables import check_counts, check_ratings, rating_tables, told
from tests.worker.test_migrate import HEAD

MATCHES = 60


def history(chance: random.Random) -> tuple[list[Event], list[list[Event]]]:
    """All events, and batches of them in which every event comes at least once."""
    events = [prepare(raw) for n in range(MATCHES) for raw in story(f"m{n:02}")]
    given = events + chance.sample(events, len(events) // 3)
    chance.shuffle(given)
    batches = []
    while given:
        cut = chance.randint(1, 20)
        batches.append(given[:cut])
        del given[:cut]
    return events, batches


async def apply_all(sinks: list[PostgresSink], batches: list[list[Event]]) -> list[Outcome]:
    """Each sink takes batches until there are no more."""
    outcomes: list[Outcome] = []
    waiting = list(batches)

    async def work(sink: PostgresSink) -> None:
        while waiting:
            outcomes.extend(verdict.outcome for verdict in await sink.apply(waiting.pop()))

    await asyncio.gather(*(work(sink) for sink in sinks))
    return outcomes


async def expected(dsn: str, database: Database, events: list[Event]) -> object:
    """What the tables say after one worker of the new version has stored all at once."""
    await PostgresSink(database, jitter=random.random).apply(events)
    connection = await asyncpg.connect(dsn)
    tables = await told(connection), await rating_tables(connection)
    await connection.execute(
        "TRUNCATE events, matches, participants, results, players, ratings, rating_changes, "
        "boards, board_scores, board_buckets, board_bands"
    )
    await connection.close()
    return tables


async def test_old_and_new_workers_side_by_side(migrated_dsn: str, database: Database) -> None:
    events, batches = history(random.Random(1))
    wanted = await expected(migrated_dsn, database, events)
    connection = await asyncpg.connect(migrated_dsn)
    async with old_sink(migrated_dsn) as old:
        sinks = [old, PostgresSink(database, jitter=random.random), old]
        sinks.append(PostgresSink(database, jitter=random.random))
        outcomes = await apply_all(sinks, batches)
    assert outcomes.count(Outcome.APPLIED) == len(events)
    assert set(outcomes) == {Outcome.APPLIED, Outcome.DUPLICATE}
    uncounted = "SELECT count(*) FROM matches WHERE NOT tallied"
    assert 0 < await connection.fetchval(uncounted) < MATCHES
    # What the old ones did not count, the next maintenance does, each match once.
    limits = Limits(retention_days=0, daily_boards_days=0, every_s=1)
    keeper = Maintainer(database, rules=Rules(), limits=limits, now_ms=lambda: 1_760_000_000_000)
    counts = [done.matches_caught_up for done in await asyncio.gather(keeper.run(), keeper.run())]
    assert sum(counts) > 0
    assert await connection.fetchval(uncounted) == 0
    await check_counts(connection)
    await check_ratings(connection)
    assert len((await rating_tables(connection))["changes"]) == 2 * MATCHES
    # And counted anew all is as if there had been no old worker.
    assert await rebuild(database, Rules()) == MATCHES
    assert (await told(connection), await rating_tables(connection)) == wanted
    await connection.close()


async def test_an_old_worker_goes_on_while_the_schema_changes_under_it(
    postgres_dsn: str,
) -> None:
    await migrate(postgres_dsn, to="0001")
    events, batches = history(random.Random(2))
    async with old_sink(postgres_dsn) as old:
        outcomes, _ = await asyncio.gather(
            apply_all([old, old], batches), _migrate_in_the_middle(postgres_dsn)
        )
    assert outcomes.count(Outcome.APPLIED) == len(events)
    assert set(outcomes) == {Outcome.APPLIED, Outcome.DUPLICATE}
    connection = await asyncpg.connect(postgres_dsn)
    assert await connection.fetchval("SELECT count(*) FROM events") == len(events)
    assert await connection.fetchval("SELECT count(*) FROM results") == 2 * MATCHES
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == HEAD
    await connection.close()


async def _migrate_in_the_middle(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)

    async def some() -> bool:
        return bool(await connection.fetchval("SELECT count(*) > 20 FROM events"))

    await until(some, what="some events are stored")
    await connection.close()
    await migrate(dsn)
    await migrate(dsn, to="0002")
    await migrate(dsn)
