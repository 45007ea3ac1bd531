"""The worker as a real process against real services, which are killed under its hands."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gameserver.devstack.postgres import Postgres
from gameserver.devstack.process import free_port
from gameserver.devstack.sqs import SqsEndpoint
from persistence_worker.intake import prepare
from persistence_worker.migrate import migrate
from tests.worker.builders import bundle, joined, match_id, raw, story
from tests.worker.conftest import Queues, WorkerProcess, fetch, until
from tests.worker.old_worker import old_sink

Start = Callable[..., WorkerProcess]

VISIBLE_AFTER_S = 12
"""Of held messages where hundreds are: a busy machine must keep up with prolonging them."""


async def count(dsn: str) -> int:
    return int((await fetch(dsn, "SELECT count(*) FROM events"))[0][0])


async def fill(queues: Queues, messages: int, *, per_message: int = 5) -> tuple[str, int]:
    """Send ``messages`` bundles of one match; its id and the number of events."""
    match = match_id()
    bodies = [
        bundle(*(raw(match, 1 + n * per_message + k) for k in range(per_message)))
        for n in range(messages)
    ]
    await queues.send(*bodies)
    return match, messages * per_message


async def test_drains_and_stops(start_worker: Start, queues: Queues, migrated_dsn: str) -> None:
    worker = start_worker()
    await worker.until_status("/readyz", 200)
    match = match_id()
    told = story(match)
    await queues.send(bundle(*told[:4]), bundle(*told[4:]), bundle(*told[2:6]))
    await until(queues.empty, what="queue is empty")
    assert await count(migrated_dsn) == len(told)
    assert worker.metric('worker_events_total{outcome="applied"}') == len(told)
    assert worker.metric('worker_events_total{outcome="duplicate"}') == 4
    assert worker.metric("worker_messages_received_total") == 3
    assert worker.metric("worker_event_age_seconds_count") > 0
    ended = await fetch(migrated_dsn, "SELECT * FROM matches WHERE match_id = $1", match)
    assert (ended[0]["reason"], ended[0]["ticks"]) == ("finished", 900)
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert [line["message"] for line in lines][-1] == "stopped"
    assert {line["service"] for line in lines} == {"persistence_worker"}


async def test_killed_while_draining_each_event_is_applied_once(
    start_worker: Start, queues: Queues, migrated_dsn: str
) -> None:
    _, total = await fill(queues, 400)
    blocker = await asyncpg.connect(migrated_dsn)
    # First in the middle of a transaction: it waits for this lock with its messages in hand.
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE events IN SHARE MODE")
        worker = start_worker(visibility_s=4)

        async def waits() -> bool:
            query = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass"
            return bool(await fetch(migrated_dsn, query))

        await until(waits, what="an insert waits for the lock")
        worker.kill()
    await blocker.close()
    # Then anywhere, with some batches stored and some not.
    worker = start_worker(batch_records_max=25, pool_connections_max=2, visibility_s=4)

    async def some() -> bool:
        return await count(migrated_dsn) >= total // 4

    await until(some, what="a quarter is stored")
    worker.kill()
    start_worker()
    await until(queues.empty, what="queue is empty")
    seqs = await fetch(migrated_dsn, "SELECT seq FROM events ORDER BY seq")
    assert [row[0] for row in seqs] == list(range(1, total + 1))
    assert await queues.letters() == []


async def test_stops_gracefully_in_the_middle(
    start_worker: Start, queues: Queues, migrated_dsn: str
) -> None:
    _, total = await fill(queues, 400)
    worker = start_worker(batch_records_max=10, pool_connections_max=1, visibility_s=600)

    async def some() -> bool:
        return await count(migrated_dsn) > 0

    await until(some, what="something is stored")
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0
    stored = await count(migrated_dsn)
    # Nothing is held any more, although the visibility is ten minutes. An answer that was on its
    # way when the receivers ended is the one exception: at most ten messages a receiver.
    visible, held = await queues.counts()
    assert held <= 40
    assert stored + (visible + held) * 5 == total


async def test_gives_back_what_it_cannot_finish(
    start_worker: Start, queues: Queues, settings: dict[str, Any], migrated_dsn: str
) -> None:
    worker = start_worker(drain_ms=300, visibility_s=600)
    await worker.until_status("/readyz", 200)
    await fetch(migrated_dsn, "ALTER TABLE events RENAME TO gone")
    await fill(queues, 5)
    await worker.until_status("/readyz", 503)
    worker.signal(signal.SIGINT)
    assert await worker.exit_code() == 0

    async def back() -> bool:
        return await queues.counts() == (5, 0)

    await until(back, what="messages are given back")


async def test_a_second_signal_ends_at_once(
    start_worker: Start, queues: Queues, migrated_dsn: str
) -> None:
    worker = start_worker(drain_ms=600_000)
    await worker.until_status("/readyz", 200)
    await fetch(migrated_dsn, "ALTER TABLE events RENAME TO gone")
    await fill(queues, 2)
    await worker.until_status("/readyz", 503)
    worker.signal(signal.SIGTERM)

    async def draining() -> bool:
        return "draining" in (await asyncio.to_thread(worker.get, "/readyz"))[1]

    await until(draining, what="it drains")
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 130


async def test_waits_for_the_schema(start_worker: Start, queues: Queues, postgres_dsn: str) -> None:
    _, total = await fill(queues, 3)
    worker = start_worker()
    body = await worker.until_status("/readyz", 503)
    assert (await worker.until_status("/healthz", 200)) == '{"status": "alive"}'

    async def complains() -> bool:
        _, text = await asyncio.to_thread(worker.get, "/readyz")
        return 'relation \\"events\\" does not exist' in text

    await until(complains, what=f"it says what is missing, not {body}")
    assert await queues.counts() == (3, 0)
    await migrate(postgres_dsn)
    await until(queues.empty, what="queue is empty")
    assert await count(postgres_dsn) == total


@pytest.fixture
def own_postgres(tmp_path: Path, devstack_dir: Path) -> Iterator[Postgres]:
    service = Postgres(
        port=free_port(),
        data=devstack_dir / f"pg-{match_id()}",
        log=tmp_path / "postgres.log",
        fsync=False,
    )
    service.start()
    yield service
    service.stop()


async def test_postgresql_goes_away_and_comes_back(
    start_worker: Start, queues: Queues, own_postgres: Postgres
) -> None:
    dsn = own_postgres.dsn()
    await migrate(dsn)
    _, total = await fill(queues, 300)
    worker = start_worker(
        postgres_dsn=dsn, batch_records_max=20, pool_connections_max=2, visibility_s=VISIBLE_AFTER_S
    )

    async def some() -> bool:
        return await count(dsn) > 0

    await until(some, what="something is stored")
    await asyncio.to_thread(own_postgres.stop)
    await worker.until_status("/readyz", 503)
    _, more = await fill(queues, 20)
    visible, held = await queues.counts()
    assert visible + held > 20
    received = worker.metric("worker_messages_received_total")
    began_s = time.monotonic()

    # For longer than the visibility time nothing comes up again: what is held is prolonged.
    async def prolonged() -> bool:
        calls = worker.metric('worker_retries_total{error="database_down"}')
        return calls >= 8 and time.monotonic() - began_s > VISIBLE_AFTER_S + 1

    await until(prolonged, what="it has tried for longer than the visibility time")
    # What a receive that was under way brought in is the only thing that may be added.
    assert worker.metric("worker_messages_received_total") <= received + 40
    assert worker.get("/healthz")[0] == 200
    await asyncio.to_thread(own_postgres.start)
    await until(queues.empty, what="queue is empty")
    assert await count(dsn) == total + more
    assert await queues.letters() == []


async def test_starts_without_postgresql(
    start_worker: Start, queues: Queues, own_postgres: Postgres
) -> None:
    dsn = own_postgres.dsn()
    await migrate(dsn)
    await asyncio.to_thread(own_postgres.stop)
    worker = start_worker(postgres_dsn=dsn)
    await worker.until_status("/readyz", 503)
    _, total = await fill(queues, 3)
    assert await queues.counts() == (3, 0)
    await asyncio.to_thread(own_postgres.start)
    await until(queues.empty, what="queue is empty")
    assert await count(dsn) == total


async def test_sqs_goes_away_and_comes_back(
    start_worker: Start, tmp_path: Path, devstack_dir: Path, migrated_dsn: str
) -> None:
    service = SqsEndpoint(
        port=free_port(), data=devstack_dir / f"sqs-{match_id()}", log=tmp_path / "sqs.log"
    )
    service.start()
    try:
        dlq_url = service.create_queue("d")
        url = service.create_queue("q", dead_letters_to="d", receives_max=5)
        worker = start_worker(
            sqs_queue_url=url, sqs_dlq_url=dlq_url, sqs_endpoint_url=service.endpoint_url
        )
        await worker.until_status("/readyz", 200)
        await asyncio.to_thread(service.kill)
        await worker.until_status("/readyz", 503)
        assert worker.get("/healthz")[0] == 200
        await asyncio.to_thread(service.start)
        match = match_id()
        for seq in range(1, 21):
            service.call("SendMessage", QueueUrl=url, MessageBody=bundle(raw(match, seq)))

        async def stored() -> bool:
            return await count(migrated_dsn) == 20

        await until(stored, what="all events are stored")
        await worker.until_status("/readyz", 200)
        worker.signal(signal.SIGTERM)
        assert await worker.exit_code() == 0
    finally:
        service.stop()


async def test_two_workers_share_a_queue(
    start_worker: Start, queues: Queues, migrated_dsn: str
) -> None:
    workers = [start_worker(batch_records_max=20), start_worker(batch_records_max=20)]
    totals = [(await fill(queues, 40))[1] for _ in range(3)]
    match = match_id()
    await queues.send(*(bundle(joined(match, 1 + n, f"p{n % 7}")) for n in range(50)))
    await until(queues.empty, what="queue is empty")
    assert await count(migrated_dsn) == sum(totals) + 50
    applied = sum(w.metric('worker_events_total{outcome="applied"}') for w in workers)
    assert applied == sum(totals) + 50
    rows = await fetch(migrated_dsn, "SELECT last_seq FROM participants ORDER BY last_seq")
    assert [row[0] for row in rows] == list(range(44, 51))


async def test_a_worker_counts_what_an_old_one_stored(
    start_worker: Start, migrated_dsn: str
) -> None:
    async with old_sink(migrated_dsn) as old:
        await old.apply([prepare(record) for record in story("m1")])
    worker = start_worker(maintain_every_s=1)

    async def counted() -> bool:
        return bool(await fetch(migrated_dsn, "SELECT 1 FROM matches WHERE tallied"))

    await until(counted, what="the match is counted")
    assert len(await fetch(migrated_dsn, "SELECT 1 FROM rating_changes")) == 2

    async def said() -> bool:
        return worker.metric("worker_matches_caught_up_total") == 1.0

    await until(said, what="the metric says so")
    assert worker.metric("worker_event_partitions") > 1
    worker.signal(signal.SIGTERM)
    assert await worker.exit_code() == 0
