"""An erased player is nowhere, does not come back, and is not missed by the others' results."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from gameserver.wire import event_record as wire
from persistence_worker import rebuild as anew
from persistence_worker.apply import PostgresSink
from persistence_worker.boards import Rules
from persistence_worker.dlq import Found
from persistence_worker.erase import Eraser, erase_letters
from persistence_worker.erasure import Pseudonymizer, is_pseudonym, without, without_in_body
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.export import export_database
from persistence_worker.intake import prepare, prepare_any
from persistence_worker.letters import describe
from persistence_worker.messages import Message, Outgoing
from persistence_worker.parked import Parked
from persistence_worker.postgres import Database
from persistence_worker.recordings import Recordings
from tests.worker import tables
from tests.worker.builders import (
    bundle,
    ended,
    event,
    joined_sealed,
    left,
    raw,
    record,
    sealed,
    sealed_chunk,
    started,
)
from tests.worker.conftest import Queues

ANN = "0d5ac1d8-1111-4222-8333-444455556666"
PSEUDONYMS = Pseudonymizer("a secret of more than thirty-two characters")
GHOST = PSEUDONYMS.of(ANN)


def told(match: str = "m1") -> list[bytes]:
    said = record(match, 6, "said", ANN, {"text": "psst", "n": 3})
    return [
        started(match, 1),
        joined_sealed(match, 2, ANN, 0, "Ann"),
        joined_sealed(match, 3, "bob", 1, "Bob"),
        raw(match, 4, "kill", "bob", {"victim": ANN, "by": {ANN: 1}}),
        left(match, 5, ANN),
        sealed(said, "text"),
        ended(match, 7, [("bob", 1, 9), (ANN, 2, 3)], result={"loser": ANN}),
    ]


async def store(database: Database, *records: bytes) -> list[str]:
    sink = PostgresSink(database, jitter=random.random, pseudonyms=PSEUDONYMS)
    return [one.outcome.value for one in await sink.apply([prepare_any(each) for each in records])]


def eraser(database: Database) -> Eraser:
    return Eraser(database, player=ANN, pseudonym=GHOST)


async def dump(database: Database) -> str:
    """Every row of every table as text."""
    async with database.transaction() as connection:
        names = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace ORDER BY 1"
        )
        rows = [
            f"{name[0]}: {row[0]}"
            for name in names
            for row in await connection.fetch(f'SELECT t::text FROM "{name[0]}" AS t')
        ]
    return "\n".join(rows)


async def test_nothing_of_the_player_is_left_and_all_of_the_others(database: Database) -> None:
    for match in ("m1", "m2", "m3"):
        await store(database, *told(match))
    before = await dump(database)
    assert ANN in before
    async with database.transaction() as connection:
        bob = await connection.fetch(
            "SELECT mu, sigma, matches FROM ratings WHERE player_id = 'bob'"
        )
    counts = await eraser(database).look()
    assert counts.pop("recordings") == 0
    assert counts == {"matches": 3, "players": 1, "ratings": 1, "boards": 3, "parked_events": 0}
    done = await eraser(database).run()
    assert (done["events"], done["participants"], done["results"]) == (15, 3, 3)
    assert (done["players"], done["ratings"], done["boards"]) == (1, 1, 3)
    after = await dump(database)
    assert ANN not in after
    for line in after.splitlines():
        if GHOST in line and not line.startswith(("events", "erased_players")):
            assert line.startswith(("participants", "results", "matches")), line
        if f",{GHOST}," in line and line.startswith("events"):
            assert "gs1." not in line
    async with database.transaction() as connection:
        assert bob == await connection.fetch(
            "SELECT mu, sigma, matches FROM ratings WHERE player_id = 'bob'"
        )
        standings = await connection.fetchval("SELECT data->'standings' FROM events WHERE seq = 7")
        assert GHOST in standings
        assert await connection.fetchval("SELECT result->>'loser' FROM matches LIMIT 1") == GHOST
        names = await connection.fetch("SELECT player_id, name FROM participants")
        assert all((row["name"] is None) == (row["player_id"] == GHOST) for row in names)
        said = await connection.fetchval("SELECT data::text FROM events WHERE seq = 6")
        assert said == '{"n": 3, "text": null}'
        await tables.check_counts(connection)
    again = await eraser(database).run()
    assert not any(again.values())
    assert await dump(database) == after


def pieces(match: str, *numbers: int) -> list[bytes]:
    return [wire.encode_record(sealed_chunk(match, number)) for number in numbers]


async def recorded(database: Database) -> dict[str, int]:
    """Pieces by match."""
    async with database.transaction() as connection:
        rows = await connection.fetch(
            "SELECT match_id, count(*) FROM recordings GROUP BY match_id ORDER BY match_id"
        )
    return {row[0]: row[1] for row in rows}


async def test_recordings_of_the_players_matches_are_listed_and_deleted(database: Database) -> None:
    others = [started("m2", 1), joined_sealed("m2", 2, "bob", 0, "Bob")]
    await store(database, *told("m1"), *pieces("m1", 1, 2), *others, *pieces("m2", 1))
    found = await export_database(database, None, player=ANN)
    [listed] = found["recordings"]
    assert (listed["match_id"], listed["pieces"]) == ("m1", 2)
    assert listed["bytes"] > 80
    assert (await eraser(database).look())["recordings"] == 2
    assert (await eraser(database).run())["recordings"] == 2
    assert await recorded(database) == {"m2": 1}
    assert (await export_database(database, None, player=ANN))["recordings"] == []


@pytest.mark.parametrize("join_first", [True, False])
async def test_pieces_that_come_after_the_erasure_are_dropped(
    database: Database, join_first: bool
) -> None:
    await eraser(database).run()
    late = [told("m1"), pieces("m1", 1, 2)]
    for records in late if join_first else reversed(late):
        await store(database, *records)
    await store(database, *pieces("m2", 1))
    kept = Recordings(database)
    assert await kept.drop_erased() == 2
    assert await kept.drop_erased() == 0
    assert await recorded(database) == {"m2": 1}


async def test_what_comes_again_or_late_does_not_bring_the_player_back(
    database: Database,
) -> None:
    await store(database, *told("m1")[:3])
    await eraser(database).run()
    assert await store(database, *told("m1")) == ["duplicate"] * 3 + ["applied"] * 4
    assert await store(database, *told("m2")) == ["applied"] * 7
    assert await store(database, *told("m2")) == ["duplicate"] * 7
    text = await dump(database)
    assert ANN not in text
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM players") == 1
        assert await connection.fetchval("SELECT count(*) FROM ratings") == 1
        rows = await connection.fetch("SELECT data::text FROM events WHERE player = $1", GHOST)
        assert rows
        assert not any("gs1." in row[0] for row in rows)
        kill = await connection.fetchval(
            "SELECT data::text FROM events WHERE match_id = 'm2' AND seq = 4"
        )
        assert kill == f'{{"by": {{"{GHOST}": 1}}, "victim": "{GHOST}"}}'
        await tables.check_counts(connection)
    await eraser(database).run()
    assert await dump(database) == text


async def test_counting_anew_does_not_bring_the_player_back(database: Database) -> None:
    for match in ("m1", "m2"):
        await store(database, *told(match))
    await eraser(database).run()
    assert await anew.rebuild(database, Rules()) == 2
    assert await anew.rebuild(database, Rules()) == 2
    async with database.transaction() as connection:
        for table in ("players", "ratings", "rating_changes", "board_scores"):
            rows = await connection.fetch(f"SELECT DISTINCT player_id FROM {table}")
            assert [row[0] for row in rows] == ["bob"], table
        await tables.check_counts(connection)


async def test_a_batch_under_way_is_waited_for(database: Database) -> None:
    statements = database.statements
    async with database.transaction() as connection:
        # As the sink begins: it has looked, and found nobody.
        assert not await connection.fetchval(statements["any_erased"])
        erasing = asyncio.create_task(eraser(database).run())
        await asyncio.sleep(0.3)
        assert not erasing.done()
        await connection.execute(
            "INSERT INTO participants (match_id, player_id, seat, name, last_seq) "
            "VALUES ('late', $1, 0, 'gs1.name', 1)",
            ANN,
        )
    assert (await erasing)["participants"] == 1
    assert ANN not in await dump(database)


async def test_a_worker_without_the_secret_stores_nothing_once_players_were_erased(
    database: Database,
) -> None:
    await eraser(database).run()
    sink = PostgresSink(database, jitter=random.random)
    with pytest.raises(DatabaseUnavailable, match="WORKER_ERASURE_KEY"):
        await sink.apply([prepare(each) for each in told()])


async def test_workers_store_while_players_are_erased(database: Database) -> None:
    async def work(number: int) -> None:
        for match in range(10):
            await store(database, *told(f"w{number}x{match}"))

    await asyncio.gather(work(1), work(2), eraser(database).run())
    assert ANN not in await dump(database)
    async with database.transaction() as connection:
        await tables.check_counts(connection)


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────


def message(body: str) -> Message:
    return Message(
        id="x", receipt="r", body=body, receives=1, sent_at_ms=1, attributes={"reason": "rejected"}
    )


async def test_parked_letters_are_stripped_and_may_be_sent_back(
    database: Database, queues: Queues
) -> None:
    await store(database, *told()[:1])
    parked = Parked(database)
    bodies = [bundle(*told()), bundle(raw("m9", 1, "kill", "bob")), f'{{"v":1,"{ANN}":"gs1.abc"}}']
    for body in bodies:
        sent = message(body)
        await parked.park([Found(letter=describe(sent), message=sent)])
    assert (await eraser(database).look())["parked_events"] == 2
    assert (await eraser(database).run())["parked_events"] == 2
    text = await dump(database)
    assert ANN not in text
    assert "gs1.abc" not in text
    async with database.transaction() as connection:
        rows = await connection.fetch("SELECT id, body FROM parked_events")
    body = next(row["body"] for row in rows if row["body"].count('"id"') == 7)
    assert body.count("gs1.") == 1, "the other player's name stays"
    for row in rows:
        await parked.send_back(queues.queue, row["id"])
    raws = list(wire.decode_bundle(body))
    assert await store(database, *raws) == ["duplicate"] + ["applied"] * 6
    assert ANN not in await dump(database)
    assert await store(database, *raws) == ["duplicate"] * 7
    assert not any((await eraser(database).run()).values())


async def test_a_stripped_letter_of_an_event_that_is_stored_is_no_fork(database: Database) -> None:
    await store(database, *told())
    stripped = without_in_body(bundle(*told()), ANN, GHOST)
    await eraser(database).run()
    assert stripped is not None
    outcomes = await store(database, *wire.decode_bundle(stripped))
    assert outcomes[1] == outcomes[4] == outcomes[5] == "duplicate"


async def test_dead_letters_are_exchanged(queues: Queues) -> None:
    bodies = [bundle(*told()), bundle(raw("m9", 1, "kill", "bob"))]
    await queues.dead_letters.send(
        [Outgoing(body=body, attributes={"reason": "fork", "redrives": "2"}) for body in bodies]
    )
    arguments: dict[str, Any] = {"player": ANN, "pseudonym": GHOST, "started_ms": 2**50}
    assert await erase_letters(queues.dead_letters, dry_run=True, **arguments) == 1
    assert await erase_letters(queues.dead_letters, dry_run=False, **arguments) == 1
    assert await erase_letters(queues.dead_letters, dry_run=False, **arguments) == 0
    letters = await queues.letters()
    assert len(letters) == 2
    assert not any(ANN in letter.body for letter in letters)
    assert {letter.attributes["redrives"] for letter in letters} == {"2"}


# ── pure ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_pseudonym_needs_the_secret_and_is_told_from_an_id() -> None:
    other = Pseudonymizer("another secret of more than thirty-two characters")
    assert other.of(ANN) != GHOST
    assert is_pseudonym(GHOST)
    assert not is_pseudonym(ANN)
    assert not is_pseudonym("erased-x")
    assert not is_pseudonym(None)


def test_an_event_of_others_is_left_as_it_is() -> None:
    theirs = event("m1", 4, "kill", "bob", {"victim": "carl"})
    assert without(theirs, {ANN: GHOST}) is theirs


def test_an_id_within_a_longer_text_is_none() -> None:
    theirs = event("m1", 4, "note", "bob", {"text": f"about {ANN}"})
    assert without(theirs, {ANN: GHOST}) is theirs
    assert without_in_body(bundle(theirs.raw), ANN, GHOST) is None


def test_a_name_that_was_never_sealed_goes_too() -> None:
    plain = event("m1", 2, wire.PLAYER_JOINED, ANN, {"name": "Ann", "seat": 0})
    stripped = without(plain, {ANN: GHOST})
    assert stripped.data == b'{"name":null,"seat":0}'
    assert stripped.digest == plain.digest
    body = without_in_body(bundle(plain.raw), ANN, GHOST)
    assert body is not None
    assert "Ann" not in body
    assert prepare(wire.decode_bundle(body)[0]).record.player == GHOST
