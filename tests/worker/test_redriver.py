"""The automatic redrive in this process: a real queue, a real table, and a clock of our own."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from gameserver.devstack.process import free_port
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.health import Health
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.messages import Outgoing
from persistence_worker.metrics import Metrics
from persistence_worker.migrate import migrate
from persistence_worker.monitor import Monitor
from persistence_worker.parked import Parked
from persistence_worker.postgres import Database
from persistence_worker.redriver import DUTY, RedriveLimits, Redriver
from tests.worker.builders import bundle, raw
from tests.worker.conftest import Queues, WorkerProcess, fetch, until

HOUR_MS = 3_600_000
FAILED = 'worker_watch_failures_total{service="database"}'


class Robot:
    """A redriver whose clock runs ``ahead_ms`` before SQS'."""

    def __init__(self, queues: Queues, database: Database, *, name: str = "w1") -> None:
        self.metrics = Metrics()
        self.health = Health(self.metrics)
        self.health.database_answered()
        self.ahead_ms = 0
        self.heartbeat = Heartbeat(database, worker_id=name, live_s=30)
        self.redriver = Redriver(
            queue=queues.queue,
            dead_letters=queues.dead_letters,
            parked=Parked(database),
            heartbeat=self.heartbeat,
            limits=RedriveLimits(every_s=0.05, per_s=1000, redrives_max=2, first_s=60),
            health=self.health,
            metrics=self.metrics,
            now_ms=self._now_ms,
            jitter=random.random,
        )

    def _now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def count(self, outcome: str) -> float:
        value = self.metrics.registry.get_sample_value
        return value("worker_redrives_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def robot(queues: Queues, database: Database) -> Robot:
    return Robot(queues, database)


async def put(queues: Queues, reason: str, *bodies: str, redrives: int = 0) -> None:
    attributes = {"reason": reason, "detail": "told", "redrives": str(redrives)}
    letters = [Outgoing(body=body, attributes=attributes) for body in bodies]
    assert await queues.dead_letters.send(letters) == []


async def waiting(queues: Queues) -> tuple[int, int]:
    """Messages in the queue, dead letters; all of them are visible."""
    letters = await queues.dead_letters.depths()
    assert letters.held == 0
    return (await queues.counts())[0], letters.visible


async def test_each_reason_goes_its_way(queues: Queues, robot: Robot, migrated_dsn: str) -> None:
    await put(queues, "unexpected", bundle(raw("m1", 1)))
    await put(queues, "received_too_often", bundle(raw("m1", 2)), redrives=1)
    await put(queues, "unexpected", bundle(raw("m1", 3)), redrives=2)
    for number, reason in enumerate(("bad_body", "bad_record", "bad_data", "fork")):
        await put(queues, reason, bundle(raw("m2", 1 + number)))
    await robot.redriver.sweep()
    # The first two wait for their time and can be seen by all meanwhile.
    assert await waiting(queues) == (0, 2)
    robot.ahead_ms = 70_000
    await robot.redriver.sweep()
    assert await waiting(queues) == (1, 1)
    robot.ahead_ms = 250_000
    await robot.redriver.sweep()
    assert await waiting(queues) == (2, 0)
    messages = await queues.queue.receive(wait_s=0, visibility_s=30)
    assert sorted(each.attributes["redrives"] for each in messages) == ["1", "2"]
    rows = await fetch(migrated_dsn, "SELECT reason, redrives FROM parked_events ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("bad_body", 0),
        ("bad_data", 0),
        ("bad_record", 0),
        ("fork", 0),
        ("unexpected", 2),
    ]
    assert (robot.count("sent_back"), robot.count("parked"), robot.count("failed")) == (2, 5, 0)


async def test_a_parked_fork_is_an_error_in_the_log(
    queues: Queues, robot: Robot, caplog: pytest.LogCaptureFixture
) -> None:
    await put(queues, "fork", bundle(raw("m1", 1)))
    await put(queues, "bad_data", bundle(raw("m1", 2)))
    await robot.redriver.sweep()
    parked = {
        each.reason: each.levelname
        for each in caplog.records
        if each.message == "dead letter parked"
    }
    assert parked == {"fork": "ERROR", "bad_data": "WARNING"}


async def test_the_same_letter_delivered_twice_is_one_row(
    queues: Queues, robot: Robot, migrated_dsn: str
) -> None:
    for detail in ("one", "two"):
        letter = Outgoing(
            body=bundle(raw("m1", 1)), attributes={"reason": "fork", "detail": detail}
        )
        await queues.dead_letters.send([letter, letter])
        await robot.redriver.sweep()
    rows = await fetch(migrated_dsn, "SELECT detail FROM parked_events")
    assert [row[0] for row in rows] == ["two"]
    assert await waiting(queues) == (0, 0)


async def test_a_delete_that_fails_parks_once(
    queues: Queues, robot: Robot, migrated_dsn: str, faults: Callable[..., None]
) -> None:
    await put(queues, "fork", bundle(raw("m1", 1)))
    faults("DeleteMessageBatch", times=1, status=503, applied=False)
    sweeping = asyncio.create_task(robot.redriver.run())

    async def parked() -> bool:
        return await waiting_now(queues) == (0, 0)

    try:
        await until(parked, what="the letter is parked and out of the queue")
    finally:
        sweeping.cancel()
    assert len(await fetch(migrated_dsn, "SELECT 1 FROM parked_events")) == 1


async def waiting_now(queues: Queues) -> tuple[int, int]:
    return sum(await queues.counts()), (await queues.dead_letters.depths()).total


async def test_without_postgresql_nothing_leaves_the_queue(queues: Queues) -> None:
    nobody = await Database.open(
        f"postgresql://postgres@127.0.0.1:{free_port()}/x",
        connections_max=1,
        timeout_s=5,
        connect_s=1,
        statement_cache=0,
    )
    robot = Robot(queues, nobody)
    robot.ahead_ms = HOUR_MS
    await put(queues, "unexpected", bundle(raw("m1", 1)))
    await put(queues, "fork", bundle(raw("m1", 2)))
    with pytest.raises(DatabaseUnavailable):
        await robot.redriver.sweep()
    assert await waiting(queues) == (0, 2)
    await nobody.close()


async def test_a_table_that_is_gone_in_the_middle(
    queues: Queues, robot: Robot, migrated_dsn: str
) -> None:
    await put(queues, "fork", bundle(raw("m1", 1)))
    await put(queues, "unexpected", bundle(raw("m1", 2)))
    robot.ahead_ms = HOUR_MS
    await fetch(migrated_dsn, "ALTER TABLE parked_events RENAME TO gone")
    with pytest.raises(DatabaseUnavailable):
        await robot.redriver.sweep()
    assert await waiting(queues) == (0, 2)


async def test_it_waits_while_events_cannot_be_stored(queues: Queues, robot: Robot) -> None:
    await put(queues, "unexpected", bundle(raw("m1", 1)))
    robot.ahead_ms = HOUR_MS
    robot.health.database_failed(DatabaseUnavailable("down"))
    await robot.redriver.sweep()
    assert await waiting(queues) == (0, 1)
    robot.health.database_answered()
    await robot.redriver.sweep()
    assert await waiting(queues) == (1, 0)


async def test_one_at_a_time(queues: Queues, database: Database, migrated_dsn: str) -> None:
    one, other = Robot(queues, database), Robot(queues, database, name="w2")
    await one.redriver.sweep()
    await put(queues, "fork", bundle(raw("m1", 1)))
    await other.redriver.sweep()
    assert await waiting(queues) == (0, 1)
    # Its duty ends by itself, or at once when it leaves.
    await one.heartbeat.leave_duty(DUTY)
    await other.redriver.sweep()
    assert await waiting(queues) == (0, 0)
    await put(queues, "fork", bundle(raw("m1", 2)))
    await one.redriver.sweep()
    assert await waiting(queues) == (0, 1)
    await fetch(migrated_dsn, "UPDATE duties SET until = now() - interval '1 second'")
    await one.redriver.sweep()
    assert await waiting(queues) == (0, 0)


async def test_what_an_older_schema_refused_is_tried_once_more(
    queues: Queues, robot: Robot, migrated_dsn: str
) -> None:
    await put(queues, "rejected", bundle(raw("m1", 1)), redrives=2)
    await put(queues, "fork", bundle(raw("m1", 2)), redrives=2)
    await robot.redriver.sweep()
    await robot.redriver.sweep()
    assert await waiting(queues) == (0, 0)
    await fetch(migrated_dsn, "UPDATE alembic_version SET version_num = 'newer'")
    for _ in range(2):
        await robot.redriver.sweep()
    assert await waiting(queues) == (1, 0)
    rows = await fetch(migrated_dsn, "SELECT reason FROM parked_events")
    assert [row[0] for row in rows] == ["fork"]


async def test_parked_anew_while_it_is_sent_back(
    queues: Queues, robot: Robot, database: Database, migrated_dsn: str
) -> None:
    await put(queues, "fork", bundle(raw("m1", 1)))
    await robot.redriver.sweep()
    letter_id = (await fetch(migrated_dsn, "SELECT id FROM parked_events"))[0][0]

    class Quick:
        """A queue whose message is a dead letter, and parked, before ``send`` returns."""

        async def send(self, messages: Any) -> list[Any]:
            await put(queues, "fork", messages[0].body, redrives=1)
            await robot.redriver.sweep()
            return []

    # One millisecond tells the two times of becoming a dead letter apart.
    await asyncio.sleep(0.01)
    assert await Parked(database).send_back(Quick(), letter_id)
    rows = await fetch(migrated_dsn, "SELECT redrives, first_at < last_at FROM parked_events")
    assert [tuple(row) for row in rows] == [(1, True)]


def monitor_of(queues: Queues, robot: Robot, database: Database, ages: list[float]) -> Monitor:
    return Monitor(
        queue=queues.queue,
        dead_letters=queues.dead_letters,
        parked=Parked(database),
        heartbeat=robot.heartbeat,
        oldest_age_s=ages.pop,
        database_failed=robot.health.database_failed,
        metrics=robot.metrics,
    )


async def test_gauges(queues: Queues, robot: Robot, database: Database, migrated_dsn: str) -> None:
    value = robot.metrics.registry.get_sample_value
    monitor = monitor_of(queues, robot, database, [0.0, 12.5])
    await queues.send(*(bundle(raw("m1", n)) for n in range(1, 7)))
    await put(queues, "fork", bundle(raw("m2", 1)), bundle(raw("m2", 2)))
    await robot.redriver.sweep()
    await put(queues, "unexpected", bundle(raw("m2", 3)))
    await Heartbeat(database, worker_id="w2", live_s=30).beat()
    await monitor.look()
    assert value("worker_queue_messages", {"state": "visible"}) == 6
    assert value("worker_dead_letter_messages") == 1
    assert value("worker_parked_events", {"reason": "fork"}) == 2
    assert value("worker_live_workers") == 2
    assert value("worker_backlog_per_worker") == 3
    assert value("worker_oldest_event_age_seconds") == 12.5
    # One has not been heard of, the other parked letters are gone, SQS does not answer.
    await fetch(
        migrated_dsn,
        "UPDATE workers SET seen_at = now() - interval '31 seconds' WHERE worker_id = 'w2'",
    )
    await fetch(migrated_dsn, "DELETE FROM parked_events")
    await monitor.look()
    assert value("worker_backlog_per_worker") == 6
    assert value("worker_parked_events", {"reason": "fork"}) is None
    assert value("worker_watch_failures_total", {"service": "queue"}) is None


async def test_gauges_stay_while_a_service_does_not_answer(
    queues: Queues,
    robot: Robot,
    database: Database,
    migrated_dsn: str,
    faults: Callable[..., None],
) -> None:
    value = robot.metrics.registry.get_sample_value
    monitor = monitor_of(queues, robot, database, [0.0] * 3)
    await queues.send(*(bundle(raw("m1", n)) for n in range(1, 5)))
    await monitor.look()
    await fetch(migrated_dsn, "ALTER TABLE workers RENAME TO gone")
    await monitor.look()
    assert value("worker_watch_failures_total", {"service": "database"}) == 1
    assert value("worker_database_up") == 0, "though there was nothing to store"
    faults("GetQueueAttributes", times=1, status=503)
    await monitor.look()
    assert value("worker_watch_failures_total", {"service": "queue"}) == 1
    assert value("worker_backlog_per_worker") == 4


async def test_a_worker_redrives_measures_and_signs_off(
    start_worker: Callable[..., WorkerProcess], queues: Queues, migrated_dsn: str
) -> None:
    worker = start_worker(redrive_every_s=1, redrive_first_s=1, watch_s=1)
    second = start_worker(redrive_every_s=1, redrive_first_s=1, watch_s=1)
    await queues.send(bundle(raw("m1", 1), raw("m1", 2, data={"text": "\0"})))
    await put(queues, "unexpected", bundle(raw("m1", 3)))

    async def done() -> bool:
        rows = await fetch(migrated_dsn, "SELECT seq FROM events ORDER BY seq")
        return (
            [row[0] for row in rows] == [1, 3]
            and worker.metric('worker_parked_events{reason="bad_data"}') == 1
            and worker.metric("worker_live_workers") == 2
            and await waiting_now(queues) == (0, 0)
        )

    await until(done, what="one letter is stored, the other parked, and all is measured")
    for each in (worker, second):
        each.signal(15)
        assert await each.exit_code() == 0
    assert await fetch(migrated_dsn, "SELECT 1 FROM workers UNION SELECT 1 FROM duties") == []
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert lines[-1]["message"] == "stopped"


async def test_a_worker_that_comes_before_its_schema_waits_for_it(
    start_worker: Callable[..., WorkerProcess], queues: Queues, migrated_dsn: str
) -> None:
    await migrate(migrated_dsn, to="0001")
    worker = start_worker(redrive_every_s=1, watch_s=1)
    await queues.send(bundle(raw("m1", 1)))
    await put(queues, "fork", bundle(raw("m1", 2)))

    async def unready() -> bool:
        return worker.get("/readyz")[0] == 503

    await until(unready, what="the missing schema is noticed")
    assert await fetch(migrated_dsn, "SELECT 1 FROM events") == []
    await migrate(migrated_dsn)

    async def parked() -> bool:
        rows = await fetch(migrated_dsn, "SELECT 1 FROM events")
        return len(rows) == 1 and await waiting_now(queues) == (0, 0)

    await until(parked, what="the event is stored, and the letter is parked")
    assert worker.get("/readyz")[0] == 200
