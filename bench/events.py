"""What it costs to store events: partitions by match id against two other designs, and the worker.

    python -m bench.events [--matches N] [--out FILE]

The designs get the same insert of the same batches, as the worker sends them: whole matches of
nearby times, each batch partly delivered again. Then the whole worker's sink, before and after
players, ratings and boards were told as well. Several rounds in turn; medians are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from bench.database import circumstances, postgres
from gameserver.adapters.wall_clock import sortable_id
from persistence_worker.apply import PostgresSink, event_columns
from persistence_worker.intake import Event, prepare
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database, load_statements
from tests.worker.builders import story
from tests.worker.old_worker import OldSink

OUT = Path(__file__).parent / "results" / "events.md"
BATCH = 2_000
ROUNDS = 5
AGAIN = 0.05
"""The share of events that come a second time."""

COLUMNS = """
    match_id text COLLATE "C" NOT NULL, seq bigint NOT NULL, kind text NOT NULL, player text,
    game text NOT NULL, mode text NOT NULL, epoch bigint NOT NULL, tick bigint NOT NULL,
    at timestamptz NOT NULL, data jsonb NOT NULL, digest bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
"""
PLAYER = "CREATE INDEX ON {0} (player, at) WHERE player IS NOT NULL"
INSERT = load_statements()["insert_events"]
BY_AT = """
WITH given AS (
    SELECT match_id, seq, kind, player, game, mode, epoch, tick,
           to_timestamp(at_ms / 1000.0) AS at, data, digest
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::bigint[], $8::bigint[], $9::bigint[], $10::jsonb[], $11::bytea[])
         AS given (match_id, seq, kind, player, game, mode, epoch, tick, at_ms, data, digest)
), new AS (
    INSERT INTO event_ids SELECT match_id, seq, digest FROM given
    ON CONFLICT (match_id, seq) DO NOTHING RETURNING match_id, seq
)
INSERT INTO events (match_id, seq, kind, player, game, mode, epoch, tick, at, data, digest)
SELECT given.* FROM given JOIN new USING (match_id, seq)
RETURNING match_id, seq
"""
MONTHS = 14
DESIGNS: dict[str, tuple[Sequence[str], str]] = {
    "one table, as before": (
        (f"CREATE TABLE events ({COLUMNS}, PRIMARY KEY (match_id, seq))", PLAYER.format("events")),
        INSERT,
    ),
    "ranges of match_id (chosen)": (
        (
            f"CREATE TABLE events ({COLUMNS}, PRIMARY KEY (match_id, seq)) "
            "PARTITION BY RANGE (match_id)",
            PLAYER.format("events"),
            "CREATE TABLE events_other PARTITION OF events DEFAULT",
        ),
        INSERT,
    ),
    "ranges of at, and a table of ids": (
        (
            f"CREATE TABLE events ({COLUMNS}) PARTITION BY RANGE (at)",
            "CREATE INDEX ON events (match_id, seq)",
            PLAYER.format("events"),
            "CREATE TABLE events_other PARTITION OF events DEFAULT",
            'CREATE TABLE event_ids (match_id text COLLATE "C", seq bigint, digest bytea NOT NULL, '
            "PRIMARY KEY (match_id, seq))",
        ),
        BY_AT,
    ),
    "hash of match_id, 16 (no retention)": (
        (
            f"CREATE TABLE events ({COLUMNS}, PRIMARY KEY (match_id, seq)) "
            "PARTITION BY HASH (match_id)",
            PLAYER.format("events"),
            *(
                f"CREATE TABLE events_{n} PARTITION OF events "
                f"FOR VALUES WITH (MODULUS 16, REMAINDER {n})"
                for n in range(16)
            ),
        ),
        INSERT,
    ),
}
BEGAN_MS = 1_760_000_000_000
MONTH_MS = 30 * 86_400_000
SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'event%'
"""
"""Of tables with their indexes."""


def batches(matches: int, chance: random.Random) -> list[list[Event]]:
    """Matches of twelve events that began one after the other, some events twice."""
    events: list[Event] = []
    for n in range(matches):
        match = sortable_id(BEGAN_MS + n * 50, chance.getrandbits(80))
        told = [prepare(raw) for raw in _renamed(story(match, scores=5), chance)]
        events += told
        events += [each for each in told if chance.random() < AGAIN]
    return [events[n : n + BATCH] for n in range(0, len(events), BATCH)]


def _renamed(raws: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """Two players of a hundred thousand."""
    one, other = (b"%06d" % n for n in chance.sample(range(100_000), 2))
    return [raw.replace(b'"p1"', b'"a%s"' % one).replace(b'"p2"', b'"b%s"' % other) for raw in raws]


async def set_up(connection: Any, name: str) -> None:
    """The design's tables, empty, with a partition for each month."""
    await connection.execute("DROP TABLE IF EXISTS events, event_ids")
    for statement in DESIGNS[name][0]:
        await connection.execute(statement)
    for n in range(MONTHS):
        low, high = BEGAN_MS + (n - 1) * MONTH_MS, BEGAN_MS + n * MONTH_MS
        times = [f"to_timestamp({at / 1000})" for at in (low, high)]
        if name.startswith("ranges of match_id"):
            bounds = ", ".join(f"match_id_floor({at})" for at in times)
        elif name.startswith("ranges of at"):
            bounds = ", ".join(times)
        else:
            return
        first, last = await connection.fetchrow(f"SELECT {bounds}")
        await connection.execute(
            f"CREATE TABLE event_m{n} PARTITION OF events FOR VALUES FROM ('{first}') TO ('{last}')"
        )


async def store(connection: Any, name: str, given: list[list[Event]]) -> tuple[float, float]:
    """Events per second, and bytes per event, of one design."""
    await set_up(connection, name)
    statement = await connection.prepare(DESIGNS[name][1])
    columns = []
    for batch in given:
        distinct = {event.key: event for event in batch}
        columns.append(event_columns([distinct[key] for key in sorted(distinct)]))
    await connection.execute("CHECKPOINT")
    began, stored = time.perf_counter(), 0
    for each in columns:
        stored += len(await statement.fetch(*each))
    spent = time.perf_counter() - began
    return stored / spent, await connection.fetchval(SIZE) / stored


async def sink_rate(dsn: str, sink_type: type[PostgresSink], given: list[list[Event]]) -> float:
    """Events per second of a whole sink with one connection, into empty tables."""
    database = await Database.open(
        dsn, connections_max=1, timeout_s=60, connect_s=5, statement_cache=100
    )
    async with database.transaction() as connection:
        await connection.execute(
            "TRUNCATE events, matches, participants, results, players, ratings, rating_changes, "
            "boards, board_scores, board_buckets, board_bands"
        )
    sink = sink_type(database, jitter=random.random)
    began, stored = time.perf_counter(), 0
    for batch in given:
        stored += len(await sink.apply(batch))
    spent = time.perf_counter() - began
    await database.close()
    return stored / spent


async def run(service: Any, matches: int) -> list[str]:
    """All rounds; the report's lines."""
    given = batches(matches, random.Random(1))
    connection = await asyncpg.connect(service.dsn("designs"))
    version = (await connection.fetchval("SHOW server_version")).split()[0]
    rates: dict[str, list[float]] = {name: [] for name in DESIGNS}
    sizes: dict[str, float] = {}
    sinks: dict[str, type[PostgresSink]] = {
        "revision 0001: events, matches, participants, results": OldSink,
        "revision 0003: players, ratings, boards as well": PostgresSink,
    }
    wholes: dict[str, list[float]] = {name: [] for name in sinks}
    for _ in range(ROUNDS):
        for name in DESIGNS:
            rate, sizes[name] = await store(connection, name, given)
            rates[name].append(rate)
        for name, sink_type in sinks.items():
            wholes[name].append(await sink_rate(service.dsn("sinks"), sink_type, given))
    await connection.close()
    return [
        "# Storing events",
        "",
        f"`python -m bench.events`, {circumstances(version)}",
        f"{matches:,} matches of two players and 12 events, {AGAIN:.0%} of the events twice, "
        f"batches of {BATCH:,}, one connection, medians of {ROUNDS} rounds in turn.",
        "",
        "| the insert alone | events/s | lowest to highest | bytes an event, with indexes |",
        "|---|---|---|---|",
        *(f"| {name} | {_figures(rates[name])} | {sizes[name]:.0f} |" for name in DESIGNS),
        "",
        "| the whole sink | events/s | lowest to highest |",
        "|---|---|---|",
        *(f"| {name} | {_figures(wholes[name])} |" for name in sinks),
        "",
    ]


def _figures(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} | {min(rates):,.0f}–{max(rates):,.0f}"


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--matches", type=int, default=8_000)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with postgres() as service:
        for name in ("designs", "sinks"):
            service.ensure_database(name)
            asyncio.run(migrate(service.dsn(name)))
        lines = asyncio.run(run(service, arguments.matches))
    arguments.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
