"""The worker's loop in this process: dead letters, faults of SQS, and what nobody foresaw."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from persistence_worker import intake
from persistence_worker.apply import EventSink, PostgresSink, Verdict
from persistence_worker.errors import DatabaseUnavailable
from persistence_worker.health import Health
from persistence_worker.intake import Event
from persistence_worker.metrics import Metrics
from persistence_worker.postgres import Database
from persistence_worker.worker import Limits, Worker
from tests.fakes.memory_sink import MemorySink
from tests.worker.builders import BEGAN_MS, bundle, ended, raw, story
from tests.worker.conftest import Queues, until

LIMITS: dict[str, int] = {
    "receivers": 2,
    "appliers": 2,
    "receive_wait_s": 1,
    "visibility_s": 10,
    "buffer_messages_max": 100,
    "buffer_bytes_max": 1_000_000,
    "batch_records_max": 100,
    "attempts_max": 3,
    "drain_ms": 5_000,
}


class Running:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.health = Health(self.metrics)
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None]

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def running(queues: Queues, sink: EventSink, **limits: int) -> AsyncIterator[Running]:
    """A worker at work; stopped gracefully at the end."""
    state = Running()

    async def ping() -> None:
        if getattr(sink, "down", False):
            raise DatabaseUnavailable("the sink is down")

    worker = Worker(
        queue=queues.queue,
        dead_letters=queues.dead_letters,
        sink=sink,
        ping=ping,
        limits=Limits(**(LIMITS | limits)),
        health=state.health,
        metrics=state.metrics,
        now_ms=lambda: BEGAN_MS + 60_000,
        jitter=random.random,
    )
    state.task = asyncio.create_task(worker.run(state.stop))
    try:
        yield state
    finally:
        state.stop.set()
        await state.task


async def test_a_bad_record_goes_alone(queues: Queues, database: Database) -> None:
    sink = PostgresSink(database, jitter=random.random)
    bad = raw("m1", 2, data={"text": "\0"})
    worse = ended("m1", 4, ticks=-1)
    strange = raw("m1", 5).replace(b'"kind"', b'"kinds"')
    body = bundle(raw("m1", 1), bad, raw("m1", 3), worse, strange, raw("m1", 6))
    async with running(queues, sink) as worker:
        await queues.send(body, bundle(raw("m2", 1)))
        await until(queues.empty, what="queue is empty")
    async with database.transaction() as connection:
        rows = await connection.fetch("SELECT match_id, seq FROM events ORDER BY 1, 2")
    assert [tuple(row) for row in rows] == [("m1", 1), ("m1", 3), ("m1", 6), ("m2", 1)]
    letters = {each.attributes["reason"]: each for each in await queues.letters()}
    assert set(letters) == {"bad_data", "bad_record"}
    assert letters["bad_data"].body == bundle(bad, worse)
    assert letters["bad_data"].attributes["records"] == "2"
    assert letters["bad_record"].body == bundle(strange)
    assert "kind" in letters["bad_record"].attributes["detail"]
    assert worker.value("worker_dead_letters_total", reason="bad_data") == 1


async def test_a_bad_body_goes_whole(queues: Queues) -> None:
    bodies = ["not json at all", '{"v":9,"records":[]}', "x" * 1_000_000]
    async with running(queues, MemorySink()):
        await queues.send(*bodies, bundle(raw("m1", 1)))
        await until(queues.empty, what="queue is empty")
    letters = await queues.letters()
    assert sorted(each.body for each in letters) == sorted(bodies)
    assert {each.attributes["reason"] for each in letters} == {"bad_body"}


# aiohttp warns of bodies over 1 MiB; with its JSON around it the largest message is just over.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_that_leaves_no_room_for_attributes(queues: Queues) -> None:
    body = "x" * 1_048_576
    async with running(queues, MemorySink()):
        await queues.send(body)
        await until(queues.empty, what="queue is empty")
    assert [each.body for each in await queues.letters()] == [body]


async def test_forks_and_refusals_become_dead_letters(
    queues: Queues, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with database.transaction() as connection:
        await connection.execute("ALTER TABLE events ADD CHECK (kind <> 'poison')")
    sink = PostgresSink(database, jitter=random.random)
    await sink.apply([intake.prepare(each) for each in story("m1")])
    fork = raw("m1", 7, data={"points": 99})
    poison = raw("m1", 101, "poison", data={"secret": "hunter2"})
    async with running(queues, sink) as worker:
        await queues.send(bundle(fork, raw("m1", 100), poison), bundle(raw("m2", 1)))
        await until(queues.empty, what="queue is empty")
    letters = {each.attributes["reason"]: each for each in await queues.letters()}
    assert letters["fork"].body == bundle(fork)
    assert letters["fork"].attributes["detail"].startswith("m1/7: ")
    assert letters["rejected"].body == bundle(poison)
    assert "SQLSTATE 23514" in letters["rejected"].attributes["detail"]
    assert worker.value("worker_events_total", outcome="fork") == 1
    assert worker.value("worker_events_total", outcome="rejected") == 1
    assert worker.value("worker_events_total", outcome="applied") == 2
    assert "hunter2" not in caplog.text
    assert [each.levelname for each in caplog.records if each.message == "dead letter"].count(
        "ERROR"
    ) == 1


class Poisoned(MemorySink):
    """Fails in a way that nobody foresaw as soon as an event of kind ``bomb`` is in the batch."""

    async def apply(self, events: Sequence[Event]) -> list[Verdict]:
        if any(event.record.kind == "bomb" for event in events):
            raise ZeroDivisionError("boom")
        return await super().apply(events)


async def test_the_unforeseen_is_isolated_tried_again_and_given_up(queues: Queues) -> None:
    sink = Poisoned()
    await queues.send(
        *(bundle(raw("m1", n)) for n in range(1, 6)), bundle(raw("m2", 1, "bomb"), raw("m2", 2))
    )
    async with running(queues, sink, attempts_max=2) as worker:
        await until(queues.empty, what="queue is empty")
        assert worker.value("worker_retries_total", error="unexpected") == 1
    assert sorted(sink.stored) == [("m1", n) for n in range(1, 6)]
    letters = await queues.letters()
    assert [(each.attributes["reason"], each.attributes["detail"]) for each in letters] == [
        ("unexpected", "ZeroDivisionError: boom")
    ]
    assert letters[0].body == bundle(raw("m2", 1, "bomb"), raw("m2", 2))


async def test_an_outage_holds_everything_and_resumes(queues: Queues) -> None:
    sink = MemorySink()
    async with running(queues, sink, visibility_s=4) as worker:
        await worker.health.database_up()
        sink.down = True
        await queues.send(*(bundle(raw("m1", n)) for n in range(1, 31)))

        async def fails() -> bool:
            return worker.value("worker_database_up") == 0

        await until(fails, what="the outage is noticed")
        assert "database" in worker.health.complaints()
        held = worker.value("worker_held_messages")
        assert held >= 1
        await asyncio.sleep(5)  # longer than the visibility time: a lapse would show
        assert (await queues.counts())[1] >= held
        sink.down = False
        await until(queues.empty, what="queue is empty")
        assert worker.health.complaints() == {}
        assert worker.value("worker_events_total", outcome="duplicate") == 0
    assert len(sink.stored) == 30


async def test_partly_failed_deletes_are_repeated(
    queues: Queues, faults: Callable[..., None]
) -> None:
    sink = MemorySink()
    faults("DeleteMessageBatch", times=2, entries=3)
    async with running(queues, sink, visibility_s=60):
        await queues.send(*(bundle(raw("m1", n)) for n in range(1, 11)))
        await until(queues.empty, what="queue is empty")
    assert len(sink.stored) == 10


@pytest.mark.parametrize(
    "fault",
    [
        {"operation": "ReceiveMessage", "times": 3, "status": 500},
        {"operation": "ReceiveMessage", "times": 2, "status": 503, "applied": True},
        {"operation": "DeleteMessageBatch", "times": 2, "status": 500, "applied": True},
        {"operation": "DeleteMessageBatch", "times": 6, "status": 500},
        {"operation": "SendMessageBatch", "times": 2, "status": 503},
        {"operation": "SendMessageBatch", "times": 1, "status": 503, "applied": True},
        {"operation": "SendMessageBatch", "times": 3, "entries": 1},
        {"operation": "ChangeMessageVisibilityBatch", "times": 2, "status": 500},
    ],
    ids=lambda fault: f"{fault['operation']}-{'-'.join(map(str, list(fault.values())[1:]))}",
)
async def test_no_fault_of_sqs_loses_anything(
    queues: Queues, faults: Callable[..., None], fault: dict[str, Any]
) -> None:
    sink = MemorySink()
    bad = raw("m2", 1, data={"text": "\0"})
    await queues.send(*(bundle(raw("m1", n)) for n in range(1, 6)), bundle(bad, raw("m2", 2)))
    faults(**fault)
    async with running(queues, sink, visibility_s=4):
        await until(queues.empty, what="queue is empty")
    assert len(sink.stored) == 6
    letters = await queues.letters()
    assert {each.body for each in letters} == {bundle(bad)}
    # A letter is repeated if its own answer was lost, or the message could not be deleted.
    repeats = fault.get("applied") or fault["operation"] == "DeleteMessageBatch"
    assert len(letters) == 1 or repeats


async def test_a_full_buffer_leaves_the_rest_in_the_queue(queues: Queues) -> None:
    sink = MemorySink()
    async with running(queues, sink, buffer_messages_max=20, appliers=1) as worker:
        await worker.health.database_up()
        sink.down = True
        await queues.send(*(bundle(raw("m1", n)) for n in range(1, 101)))

        async def noticed() -> bool:
            return worker.value("worker_database_up") == 0

        await until(noticed, what="the outage is noticed")
        assert 1 <= worker.value("worker_held_messages") <= 20 + 20
        sink.down = False
        await until(queues.empty, what="queue is empty")
    assert len(sink.stored) == 100


async def test_a_dead_task_ends_the_worker(queues: Queues) -> None:
    class Broken(MemorySink):
        async def apply(self, events: Sequence[Event]) -> list[Verdict]:
            return []  # breaks the contract: one verdict each

    await queues.send(bundle(raw("m1", 1)))
    async with asyncio.timeout(30):
        with pytest.raises(ExceptionGroup) as caught:
            async with running(queues, Broken()) as worker:
                await worker.task
    assert caught.value.subgroup(ValueError) is not None


async def test_metrics_are_rendered(queues: Queues) -> None:
    async with running(queues, MemorySink()) as worker:
        await queues.send(bundle(*story("m1")))
        await until(queues.empty, what="queue is empty")
    text = worker.metrics.render().decode()
    for name in ("worker_events_total", "worker_batch_seconds_bucket", "worker_buffer_messages"):
        assert name in text
    assert worker.value("worker_event_age_seconds_sum") == 59
    assert worker.health.complaints() == {"worker": "draining"}
