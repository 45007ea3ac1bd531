"""Whether everything is as if no worker had ever died."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from gameserver.wire import event_record as wire
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from tests.kills.feed import Feed
from tests.worker.tables import check_counts, check_ratings, told

_MATCHES = "SELECT * FROM matches ORDER BY match_id"
_PARTICIPANTS = "SELECT * FROM participants ORDER BY match_id, player_id"
_RESULTS = "SELECT * FROM results ORDER BY match_id, player_id"
BATCH = 5_000


async def judge(dsn: str, reference_dsn: str, feed: Feed) -> None:
    """Raises ``AssertionError`` with what differs. ``reference_dsn``: an empty database."""
    async with _connected(dsn) as connection:
        parked = await _parked(connection)
        await _check_events(connection, feed, parked)
        _check_poison(feed, parked)
        await check_counts(connection)
        await check_ratings(connection)
        await _fill(reference_dsn, feed)
        async with _connected(reference_dsn) as reference:
            for query in (_MATCHES, _PARTICIPANTS, _RESULTS):
                found = await connection.fetch(query)
                assert found == await reference.fetch(query), query
            assert await told(connection) == await told(reference)


async def _check_events(
    connection: asyncpg.Connection[Any], feed: Feed, parked: dict[bytes, set[str]]
) -> None:
    rows = await connection.fetch("SELECT match_id, seq, digest FROM events")
    stored = {f"{row[0]}/{row[1]}": row[2] for row in rows}
    for one, other in feed.forks:
        assert {stored.pop(one.record.id)} < {one.digest, other.digest}
        refused = [each for each in (one, other) if each.raw in parked]
        assert len(refused) == 1, one.record.id
        assert parked.pop(refused[0].raw) == {"fork"}
    assert len(rows) == len(feed.good) + len(feed.forks)
    wrong = [key for key, event in feed.good.items() if stored.get(key) != event.digest]
    assert not wrong, f"{len(wrong)} good events are missing or different: {wrong[:5]}"


def _check_poison(feed: Feed, parked: dict[bytes, set[str]]) -> None:
    expected = {raw: {reason} for raw, reason in feed.poison.items()}
    wrong = [raw for raw in expected.keys() | parked.keys() if expected.get(raw) != parked.get(raw)]
    shown = [(raw[:200], expected.get(raw), parked.get(raw)) for raw in wrong[:5]]
    assert not wrong, f"{len(wrong)} parked otherwise than expected: {shown}"


async def _parked(connection: asyncpg.Connection[Any]) -> dict[bytes, set[str]]:
    """The reasons of each parked record, or whole body."""
    found: dict[bytes, set[str]] = {}
    for row in await connection.fetch("SELECT reason, body FROM parked_events"):
        whole = row["reason"] == "bad_body"
        for raw in [row["body"].encode()] if whole else wire.decode_bundle(row["body"]):
            found.setdefault(raw, set()).add(row["reason"])
    return found


async def _fill(dsn: str, feed: Feed) -> None:
    """What one worker stores that nobody disturbs."""
    await migrate(dsn)
    database = await Database.open(
        dsn, connections_max=1, timeout_s=60, connect_s=5, statement_cache=100
    )
    sink, events = PostgresSink(database, jitter=random.random), list(feed.good.values())
    for start in range(0, len(events), BATCH):
        verdicts = await sink.apply(events[start : start + BATCH])
        assert {verdict.outcome for verdict in verdicts} == {Outcome.APPLIED}
    await database.close()


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
