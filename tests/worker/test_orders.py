"""Orders about dead letters: given as the server gives them, carried out by a worker's clerk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from gameserver.adapters.postgres_letters import PostgresLetters
from gameserver.adapters.postgres_reads import PostgresReads
from gameserver.config import Config
from gameserver.errors import LettersNotAllowed
from gameserver.letters import LetterOrder, OrderState, Place, Verb
from gameserver.metrics import Metrics as ServerMetrics
from persistence_worker.erase import Eraser
from persistence_worker.messages import Depth, Outgoing
from persistence_worker.orders import Clerk, Orders
from persistence_worker.parked import Parked
from persistence_worker.postgres import Database
from persistence_worker.samples import Samples, Seen
from tests.worker.builders import bundle, raw
from tests.worker.conftest import Queues, fetch


@pytest.fixture
async def desk(migrated_dsn: str) -> AsyncIterator[PostgresLetters]:
    config = Config(postgres_dsn=migrated_dsn)
    async with await PostgresReads.open(config, None, metrics=ServerMetrics()) as reads:
        yield PostgresLetters(reads)


@pytest.fixture
def clerk(queues: Queues, database: Database) -> Clerk:
    return Clerk(
        Orders(database),
        queue=queues.queue,
        dead_letters=queues.dead_letters,
        parked=Parked(database),
        per_s=1_000,
        now_ms=lambda: time.time_ns() // 1_000_000,
        wait_s=0,
    )


async def put(queues: Queues, *bodies: str, reason: str = "rejected") -> None:
    letters = [Outgoing(body=body, attributes={"reason": reason}) for body in bodies]
    assert await queues.dead_letters.send(letters) == []


async def done(desk: PostgresLetters, clerk: Clerk, number: str, **order: object) -> dict:  # type: ignore[type-arg]
    """The answer to an order."""
    await desk.order(number, LetterOrder(who="olga", why="mended", **order))  # type: ignore[arg-type]
    assert await clerk.work()
    found = await desk.outcome(number)
    assert found is not None and found.state is OrderState.DONE, found
    assert found.answer is not None
    return found.answer


async def test_letters_are_listed_shown_and_acted_on(
    queues: Queues, desk: PostgresLetters, clerk: Clerk, migrated_dsn: str
) -> None:
    assert not await clerk.work()
    await put(
        queues, bundle(raw("m1", 1, data={"a": "\0"})), bundle(raw("m2", 1)), bundle(raw("m3", 1))
    )
    await put(queues, "not json", reason="bad_body")
    listed = (await done(desk, clerk, "o1", verb=Verb.LIST))["letters"]
    assert sorted(one["reason"] for one in listed) == ["bad_body"] + 3 * ["rejected"]
    ids = {"".join(one["matches"]): one["id"] for one in listed}
    shown = await done(desk, clerk, "o2", verb=Verb.SHOW, place=Place.QUEUE, letter=ids["m1"])
    assert shown["letter"]["matches"] == ["m1"] and shown["records"][0]["id"] == "m1/1"
    shown = await done(desk, clerk, "o3", verb=Verb.SHOW, letter=ids[""])
    assert shown["records"] == [] and shown["text"].startswith("not ")
    assert (await done(desk, clerk, "o4", verb=Verb.SHOW, letter="none"))["letter"] is None

    dry = await done(desk, clerk, "o5", verb=Verb.REDRIVE, code="rejected", dry_run=True)
    assert len(dry["moved"]) == 3 and await queues.empty()
    one = await done(desk, clerk, "o6", verb=Verb.REDRIVE, place=Place.QUEUE, match="m1")
    assert one == {"moved": [ids["m1"]], "failed": []}
    assert (await queues.counts())[0] == 1
    assert (await done(desk, clerk, "o7", verb=Verb.PARK, match="m2"))["moved"] == [ids["m2"]]
    [parked] = (await done(desk, clerk, "o8", verb=Verb.LIST, place=Place.PARKED))["letters"]
    assert parked["place"] == "parked" and parked["matches"] == ["m2"]
    gone = await done(desk, clerk, "o9", verb=Verb.DISCARD, place=Place.ALL, code="rejected")
    assert len(gone["moved"]) == 2
    rows = await fetch(migrated_dsn, "SELECT who, why FROM discarded_letters")
    assert [tuple(row) for row in rows] == 2 * [("olga", "mended")]
    orders = await desk.orders(3)
    assert [each.id for each in orders] == ["o9", "o7", "o6"]
    assert (orders[0].order.why, orders[0].answer) == ("mended", None)


async def test_an_order_is_taken_once_and_not_for_ever(
    desk: PostgresLetters, clerk: Clerk, database: Database, migrated_dsn: str
) -> None:
    order = LetterOrder(verb=Verb.LIST, place=Place.PARKED)
    await desk.order("a", order)
    await desk.order("a", order)
    orders = Orders(database)
    taken = await orders.take()
    assert taken is not None and taken[0] == "a"
    assert await orders.take() is None
    found = await desk.outcome("a")
    assert found is not None and found.state is OrderState.TAKEN

    await desk.order("b", LetterOrder(verb=Verb.PARK))
    await fetch(migrated_dsn, "UPDATE letter_orders SET asked_at = now() - interval '11 minutes'")
    assert await orders.take() is None
    await fetch(migrated_dsn, "UPDATE letter_orders SET taken_at = now() - interval '2 hours' "
                "WHERE order_id = 'a'")  # fmt: skip
    await orders.tidy()
    states = {}
    for each in ("a", "b"):
        outcome = await desk.outcome(each)
        assert outcome is not None and outcome.state is OrderState.FAILED
        states[each] = outcome.failure
    assert states["b"] == "no worker took it in time" and "look at the letters" in states["a"]
    await fetch(migrated_dsn, "UPDATE letter_orders SET asked_at = now() - interval '1 hour'")
    await orders.tidy()
    assert [each.id for each in await desk.orders(9)] == ["b"]
    assert await desk.outcome("a") is None

    await desk.order("c", LetterOrder(verb=Verb.PARK, limit=10**6))
    assert await clerk.work()
    outcome = await desk.outcome("c")
    assert outcome is not None and outcome.failure == "it is not understood"


async def test_an_answer_holds_what_postgresql_cannot(
    desk: PostgresLetters, database: Database
) -> None:
    await desk.order("a", LetterOrder(verb=Verb.LIST))
    await Orders(database).finish("a", {"b\0": ["\ud83d", {"c": 1}]})
    found = await desk.outcome("a")
    assert found is not None and found.answer == {"b\\x00": ["\\ud83d", {"c": 1}]}


async def test_what_workers_see_is_kept_once_for_all(
    desk: PostgresLetters, database: Database, migrated_dsn: str
) -> None:
    samples = Samples(database)
    for age_s in (0.0, 2.5, 1.0):
        depth = Depth(visible=3, held=2, delayed=1)
        await samples.note(
            Seen(workers=2, depth=depth, dead_letters=4, parked=5, oldest_age_s=age_s)
        )
    seen = await desk.samples(0)
    assert 1 <= len(seen) <= 2  # the looks may fall on both sides of ten seconds
    assert max(each.oldest_age_ms for each in seen) == 2_500
    assert (seen[0].visible, seen[0].dead_letters, seen[0].parked) == (3, 4, 5)
    assert await desk.samples(seen[-1].at_ms) == []
    await fetch(migrated_dsn, "UPDATE queue_samples SET at = at - interval '2 hours'")
    await samples.note(Seen(workers=1, depth=depth, dead_letters=0, parked=0, oldest_age_s=0))
    assert len(await fetch(migrated_dsn, "SELECT 1 FROM queue_samples")) == 1


async def test_a_reader_needs_the_right_to_order(desk: PostgresLetters, migrated_dsn: str) -> None:
    role = "reader_" + migrated_dsn.rpartition("/")[2]
    await fetch(migrated_dsn, f"CREATE ROLE {role} LOGIN IN ROLE pg_read_all_data")
    try:
        config = Config(postgres_dsn=migrated_dsn.replace("postgres@", f"{role}@"))
        async with await PostgresReads.open(config, None, metrics=ServerMetrics()) as reads:
            theirs = PostgresLetters(reads)
            with pytest.raises(LettersNotAllowed):
                await theirs.order("a", LetterOrder(verb=Verb.LIST))
            await fetch(migrated_dsn, f"GRANT INSERT ON letter_orders TO {role}")
            await theirs.order("a", LetterOrder(verb=Verb.LIST))
            assert await theirs.outcome("a") is not None
            with pytest.raises(asyncpg.PostgresError):
                try:
                    await reads.write("DELETE FROM letter_orders")
                except Exception as error:
                    assert error.__cause__ is not None
                    raise error.__cause__ from None
    finally:
        await fetch(migrated_dsn, f"DROP OWNED BY {role}")
        await fetch(migrated_dsn, f"DROP ROLE {role}")


async def test_an_answer_that_names_an_erased_player_goes(
    queues: Queues, desk: PostgresLetters, clerk: Clerk, database: Database
) -> None:
    await put(queues, bundle(raw("m1", 1, player="ann")))
    [letter] = (await done(desk, clerk, "o1", verb=Verb.LIST))["letters"]
    shown = await done(desk, clerk, "o2", verb=Verb.SHOW, letter=letter["id"])
    assert "ann" in str(shown)
    await Eraser(database, player="ann", pseudonym="p-1").run()
    found = await desk.outcome("o2")
    assert found is not None and found.answer is None
