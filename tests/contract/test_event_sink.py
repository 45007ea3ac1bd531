"""What every event sink does: the real one over PostgreSQL, and the fake of the simulations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from gameserver.wire.event_record import Chunk, encode_record
from persistence_worker.apply import Outcome, PostgresSink
from persistence_worker.intake import Event, Item, Piece, prepare, prepare_any
from persistence_worker.migrate import migrate
from persistence_worker.postgres import Database
from persistence_worker.recordings import Recordings
from tests.fakes.memory_sink import MemorySink
from tests.worker.builders import chunk, event, story

Tables = dict[str, Any]


class MemoryCase:
    def __init__(self) -> None:
        self.sink = MemorySink()

    async def recording(self, match: str) -> list[Chunk]:
        return self.sink.recording(match)

    async def tables(self) -> Tables:
        sink = self.sink
        return {
            "events": sorted(sink.stored),
            "matches": {
                key: (row.started_at_ms, row.ended_at_ms, row.reason, row.ticks, row.players_max)
                for key, row in sink.matches().items()
            },
            "participants": {
                key: (row.seat, row.name, row.joined_at_ms, row.left_at_ms, row.leave_reason)
                for key, row in sink.participants().items()
            },
            "results": sink.results(),
        }


class PostgresCase:
    def __init__(self, database: Database) -> None:
        self.sink = PostgresSink(database, jitter=random.random)
        self._database = database

    async def recording(self, match: str) -> list[Chunk]:
        return [one async for one in Recordings(self._database).pieces(match)]

    async def tables(self) -> Tables:
        ms = "(extract(epoch from {0}) * 1000)::bigint AS {0}"
        queries = {
            "events": "SELECT match_id, seq FROM events ORDER BY match_id, seq",
            "matches": f"SELECT match_id, {ms.format('started_at')}, {ms.format('ended_at')}, "
            "reason, ticks, players_max FROM matches",
            "participants": "SELECT match_id, player_id, seat, name, "
            f"{ms.format('joined_at')}, {ms.format('left_at')}, leave_reason FROM participants",
            "results": "SELECT match_id, player_id, place, score FROM results",
        }
        async with self._database.transaction() as connection:
            rows = {name: await connection.fetch(query) for name, query in queries.items()}
        return {
            "events": [tuple(row) for row in rows["events"]],
            "matches": {row[0]: tuple(row)[1:] for row in rows["matches"]},
            "participants": {tuple(row)[:2]: tuple(row)[2:] for row in rows["participants"]},
            "results": {tuple(row)[:2]: tuple(row)[2:] for row in rows["results"]},
        }


@pytest.fixture(params=["memory", "postgres"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[MemoryCase | PostgresCase]:
    if request.param == "memory":
        yield MemoryCase()
        return
    dsn = request.getfixturevalue("postgres_dsn")
    await migrate(dsn)
    database = await Database.open(
        dsn, connections_max=4, timeout_s=20, connect_s=5, statement_cache=100
    )
    yield PostgresCase(database)
    await database.close()


def told(match: str, scores: int = 3) -> list[Event]:
    return [prepare(raw) for raw in story(match, scores)]


def piece(*args: Any, **changes: Any) -> Item:
    return prepare_any(encode_record(chunk(*args, **changes)))


async def outcomes(case: Any, events: Sequence[Item]) -> list[str]:
    return [verdict.outcome.value for verdict in await case.sink.apply(events)]


async def test_nothing_to_apply(case: Any) -> None:
    assert await case.sink.apply([]) == []


async def test_a_match_is_told_in_all_tables(case: Any) -> None:
    assert await outcomes(case, told("m1")) == ["applied"] * 10
    tables = await case.tables()
    began = 1_760_000_000_000
    assert tables["events"] == [("m1", seq) for seq in range(1, 11)]
    assert tables["matches"] == {"m1": (began + 1000, began + 10_000, "finished", 900, 2)}
    assert tables["participants"] == {
        ("m1", "p1"): (2, "Anna", began + 2000, None, None),
        ("m1", "p2"): (1, "Bob", began + 3000, began + 6000, "left"),
    }
    assert tables["results"] == {("m1", "p1"): (1, 10.5), ("m1", "p2"): (2, 3.0)}


async def test_a_repetition_changes_nothing(case: Any) -> None:
    events = told("m1")
    await case.sink.apply(events)
    before = await case.tables()
    assert await outcomes(case, events) == ["duplicate"] * 10
    assert await outcomes(case, [*events[3:], event("m1", 99)]) == ["duplicate"] * 7 + ["applied"]
    after = await case.tables()
    assert after["events"] == [*before["events"], ("m1", 99)]
    assert {**after, "events": 0} == {**before, "events": 0}


async def test_another_content_under_a_stored_id_is_a_fork(case: Any) -> None:
    await case.sink.apply([event("m1", 1, data={"points": 1})])
    given = [event("m1", 1, data={"points": 2}), event("m1", 2), event("m1", 1, data={"points": 1})]
    assert await outcomes(case, given) == ["fork", "applied", "duplicate"]


@pytest.mark.parametrize("change", [{"epoch": 8}, {"at_ms": 5}, {"player": "p9"}, {"tick": 11}])
async def test_every_field_counts_for_a_fork(case: Any, change: dict[str, Any]) -> None:
    await case.sink.apply([event("m1", 1)])
    assert await outcomes(case, [event("m1", 1, **change)]) == ["fork"]


async def test_of_two_in_one_batch_the_first_counts(case: Any) -> None:
    same, other = event("m1", 1, data={"a": 1}), event("m1", 1, data={"a": 2})
    given = [event("m1", 2), same, other, same]
    assert await outcomes(case, given) == ["applied", "applied", "fork", "duplicate"]
    assert await outcomes(case, [same, other]) == ["duplicate", "fork"]


async def test_a_fork_does_not_project(case: Any) -> None:
    await case.sink.apply(told("m1"))
    before = await case.tables()
    forks = [prepare(raw.replace(b'"epoch":7', b'"epoch":8')) for raw in story("m1")]
    assert await outcomes(case, forks) == ["fork"] * 10
    assert await case.tables() == before


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_and_any_cut_gives_the_same_tables(case: Any, seed: int) -> None:
    chance = random.Random(seed)
    events = told("m1") + told("m2", scores=1)
    expected = MemoryCase()
    await expected.sink.apply(events)
    shuffled = events + chance.sample(events, 5)
    chance.shuffle(shuffled)
    while shuffled:
        cut = chance.randint(1, 6)
        await case.sink.apply(shuffled[:cut])
        del shuffled[:cut]
    assert await case.tables() == await expected.tables()


async def test_concurrent_batches_apply_each_event_once(case: Any) -> None:
    events = [each for n in range(5) for each in told(f"m{n}")]
    batches = []
    for seed in range(8):
        batch = list(events)
        random.Random(seed).shuffle(batch)
        batches.append(batch)
    answers = await asyncio.gather(*(case.sink.apply(batch) for batch in batches))
    applied = [
        each.key
        for batch, verdicts in zip(batches, answers, strict=True)
        for each, verdict in zip(batch, verdicts, strict=True)
        if verdict.outcome is Outcome.APPLIED
    ]
    assert sorted(applied) == sorted(each.key for each in events)
    allowed = {Outcome.APPLIED, Outcome.DUPLICATE}
    assert {verdict.outcome for verdicts in answers for verdict in verdicts} == allowed
    assert (await case.tables())["events"] == sorted(each.key for each in events)


async def test_a_refused_event_does_not_fail_its_neighbours(case: Any) -> None:
    if isinstance(case, MemoryCase):
        case.sink.refuses = lambda each: each.record.kind == "poison"
    else:
        async with case._database.transaction() as connection:
            await connection.execute("ALTER TABLE events ADD CHECK (kind <> 'poison')")
    events = told("m1")
    events.insert(3, event("m2", 1, "poison"))
    events.append(event("m2", 2, "poison"))
    answer = await case.sink.apply(events)
    refused = [n for n, verdict in enumerate(answer) if verdict.outcome is Outcome.REJECTED]
    assert refused == [3, 11]
    assert all(answer[n].detail for n in refused)
    assert sum(verdict.outcome is Outcome.APPLIED for verdict in answer) == 10
    assert (await case.tables())["results"] == {("m1", "p1"): (1, 10.5), ("m1", "p2"): (2, 3.0)}
    assert await outcomes(case, events[2:5]) == ["duplicate", "rejected", "duplicate"]


async def test_pieces_of_recordings_are_stored_once_beside_events(case: Any) -> None:
    given = [event("m1", 1), piece("m1", 1), piece("m1", 2), event("m1", 2), piece("m1", 2)]
    expected = ["applied", "applied", "applied", "applied", "duplicate"]
    assert await outcomes(case, given) == expected
    assert await outcomes(case, given) == ["duplicate"] * 5
    other = [piece("m1", 2, body=b"other"), piece("m2", 1), piece("m1", 1, epoch=8)]
    assert await outcomes(case, other) == ["fork", "applied", "fork"]
    assert await case.recording("m1") == [chunk("m1", 1), chunk("m1", 2)]


async def test_a_refused_piece_does_not_fail_its_neighbours(case: Any) -> None:
    if isinstance(case, MemoryCase):
        case.sink.refuses = lambda each: isinstance(each, Piece) and each.record.number == 3
    else:
        async with case._database.transaction() as connection:
            await connection.execute("ALTER TABLE recordings ADD CHECK (number <> 3)")
    given = [event("m1", 3), *(piece("m1", number) for number in range(1, 6)), event("m1", 4)]
    expected = ["applied"] * 3 + ["rejected"] + ["applied"] * 3
    assert await outcomes(case, given) == expected


async def test_large_batches(case: Any) -> None:
    events = [event(f"m{n % 50}", 1 + n // 50, data={"text": "ü" * 50}) for n in range(5000)]
    assert set(await outcomes(case, events)) == {"applied"}
    assert len((await case.tables())["events"]) == 5000


async def test_postgres_keeps_every_field(postgres_dsn: str) -> None:
    await migrate(postgres_dsn)
    database = await Database.open(
        postgres_dsn, connections_max=1, timeout_s=20, connect_s=5, statement_cache=0
    )
    sink = PostgresSink(database, jitter=random.random)
    given = event(
        "m1", 2**40, "scored", "p\u00e4", {"deep": [1, {"x": None}], "n": 10**30}, at_ms=1
    )
    await sink.apply([given])
    await database.close()
    connection = await asyncpg.connect(postgres_dsn)
    row = dict(await connection.fetchrow("SELECT *, data->>'n' AS n FROM events"))
    await connection.close()
    assert (row["match_id"], row["seq"], row["player"]) == ("m1", 2**40, "pä")
    assert (row["game"], row["mode"], row["kind"]) == ("arena", "duel", "scored")
    assert (row["epoch"], row["tick"], row["n"]) == (7, 2**40 * 10, str(10**30))
    assert row["digest"] == given.digest
