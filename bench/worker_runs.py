"""The single measurements of ``bench.worker``; each begins with empty tables and queues."""

from __future__ import annotations

import asyncio
import io
import os
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp
import asyncpg
import msgspec

from bench.machine import on_cores
from bench.worker_stack import TABLES, Stack, WorkerProcess, bodies, fill, machine_s, relay
from gameserver.wire.event_record import encode_bundle
from persistence_worker.apply import PostgresSink
from persistence_worker.intake import prepare
from persistence_worker.postgres import Database

COLUMNS = (
    "match_id", "seq", "kind", "player", "game", "mode", "epoch", "tick", "at", "data", "digest"
)  # fmt: skip
SAMPLE_S = 0.1
SINK_BATCH = 5_000
APPLIED = 'worker_events_total{outcome="applied"}'


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """A backlog, from the first batch that is stored to the last. CPU in µs an event."""

    events: int
    messages: int
    per_s: float
    calls_per_event: float
    worker_us: float
    services_us: dict[str, float]
    others: float
    """The share of all cores that programs had which are not part of the measurement."""
    rss_mib: list[tuple[float, float, int]]
    """Seconds since the process' start, MiB, events stored by then."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Events a second, and what the services used for each, in µs."""

    per_s: float
    services_us: dict[str, float]
    calls_per_event: float = 0.0


class _Received(msgspec.Struct, rename="pascal"):
    receipt_handle: str


class _Answer(msgspec.Struct, rename="pascal"):
    messages: list[_Received] = []


async def reset(stack: Stack) -> None:
    """Empty the tables, and let nothing be left to write."""
    connection = await asyncpg.connect(stack.dsn)
    await connection.execute(f"TRUNCATE {TABLES}")
    await connection.execute("CHECKPOINT")
    await connection.close()
    stack.sqs.call("PurgeQueue", QueueUrl=stack.queue_url)


async def send(stack: Stack, records: Iterable[bytes], records_max: int | None) -> int:
    """Put records into the queue; the number of messages."""
    async with relay(stack.sqs, stack.queue_url) as queue:
        return await fill(queue, bodies(records, records_max=records_max))


async def drain(
    stack: Stack, records: Sequence[bytes], *, records_max: int | None = None
) -> Drained:
    """The real worker takes up a backlog."""
    events = len(records)
    await reset(stack)
    messages = await send(stack, records, records_max)
    calls = _calls(stack)
    with stack.worker() as worker:
        done = await asyncio.to_thread(_follow, stack, worker, events)
    used = _calls(stack) - calls
    stored = await _count(stack)
    assert stored == events, f"{stored} events are stored, not {events}"
    return msgspec.structs.replace(done, messages=messages, calls_per_event=used / events)


def _follow(stack: Stack, worker: WorkerProcess, events: int) -> Drained:
    """Sample until all is stored and deleted."""
    began = time.perf_counter()
    first: tuple[float, int, float, dict[str, float]] | None = None
    foreign_s = 0.0
    samples = []
    while True:
        stored, now = int(worker.metric(APPLIED)), time.perf_counter()
        used, services = worker.cpu_s(), stack.cpu_s()
        if stored and first is None:
            first = now, stored, used, services
            foreign_s = machine_s() - stack.own_s() - used
        samples.append((now - began, worker.rss_mib(), stored))
        if stored >= events:
            break
        assert worker.child.poll() is None, "the worker has ended"
        time.sleep(SAMPLE_S)
    assert first is not None
    foreign_s = machine_s() - stack.own_s() - used - foreign_s
    while worker.metric("worker_held_messages"):
        time.sleep(SAMPLE_S)
    counted = max(1, events - first[1])
    spent = max(SAMPLE_S, now - first[0])
    return Drained(
        events=events,
        messages=0,
        per_s=counted / spent,
        calls_per_event=0,
        worker_us=(used - first[2]) / counted * 1e6,
        services_us=_per_event(first[3], services, counted),
        others=max(0.0, foreign_s / spent / (os.cpu_count() or 1)),
        rss_mib=samples,
    )


async def plain(stack: Stack, records: Sequence[bytes]) -> Rate:
    """The plain worker takes up a backlog of messages of one event."""
    await reset(stack)
    async with relay(stack.sqs, stack.queue_url) as queue:
        await fill(queue, (encode_bundle([record]) for record in records))
    before, calls = stack.cpu_s(), _calls(stack)
    arguments = (stack.queue_url, stack.sqs.endpoint_url, stack.dsn, str(len(records)))
    seconds = float(await asyncio.to_thread(stack.program, "-m", "bench.plain_worker", *arguments))
    assert await _count(stack) == len(records)
    return Rate(
        per_s=len(records) / seconds,
        services_us=_per_event(before, stack.cpu_s(), len(records)),
        calls_per_event=(_calls(stack) - calls) / len(records),
    )


async def copy(stack: Stack) -> Rate:
    """COPY of the rows that are in ``events``, as they lie there, into the emptied table: binary,
    one statement, one connection, a client that has nothing to encode."""
    connection = await asyncpg.connect(stack.dsn)
    rows = io.BytesIO()
    query = f"SELECT {', '.join(COLUMNS)} FROM events"
    await connection.copy_from_query(query, output=rows, format="binary")
    count = await connection.fetchval("SELECT count(*) FROM events")
    await reset(stack)
    rows.seek(0)
    before, began = stack.cpu_s(), time.perf_counter()
    with on_cores(frozenset({stack.cores.server})):
        await connection.copy_to_table("events", source=rows, columns=COLUMNS, format="binary")
    spent = time.perf_counter() - began
    after = stack.cpu_s()
    await connection.close()
    return Rate(per_s=count / spent, services_us=_per_event(before, after, count))


async def sink(stack: Stack, records: Iterable[bytes]) -> Rate:
    """The worker's sink, fed with events that are decoded already, one batch after the other."""
    await reset(stack)
    events = [prepare(raw) for raw in records]
    database = await Database.open(
        stack.dsn, connections_max=1, timeout_s=60, connect_s=5, statement_cache=100
    )
    await database.ping()
    to = PostgresSink(database, jitter=random.random)
    before, began = stack.cpu_s(), time.perf_counter()
    with on_cores(frozenset({stack.cores.server})):
        for start in range(0, len(events), SINK_BATCH):
            await to.apply(events[start : start + SINK_BATCH])
    spent = time.perf_counter() - began
    after = stack.cpu_s()
    await database.close()
    return Rate(per_s=len(events) / spent, services_us=_per_event(before, after, len(events)))


async def ceiling(stack: Stack, records: Iterable[bytes], records_max: int | None) -> Rate:
    """What the SQS stand-in gives to a client that only receives and deletes, ten at a time."""
    await reset(stack)
    events = sum(1 for _ in records)
    await send(stack, records, records_max)
    before, began = stack.cpu_s(), time.perf_counter()
    with on_cores(frozenset({stack.cores.server})):
        await asyncio.gather(*(_take_all(stack) for _ in range(4)))
    spent = time.perf_counter() - began
    return Rate(per_s=events / spent, services_us=_per_event(before, stack.cpu_s(), events))


async def _take_all(stack: Stack) -> None:
    url, queue = stack.sqs.endpoint_url, stack.queue_url

    async def call(session: aiohttp.ClientSession, operation: str, **body: Any) -> bytes:
        headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
        async with session.post(url, json={"QueueUrl": queue, **body}, headers=headers) as answer:
            return await answer.read()

    async with aiohttp.ClientSession() as session:
        while True:
            text = await call(session, "ReceiveMessage", MaxNumberOfMessages=10)
            taken = msgspec.json.decode(text, type=_Answer).messages
            if not taken:
                return
            entries = [
                {"Id": str(n), "ReceiptHandle": one.receipt_handle} for n, one in enumerate(taken)
            ]
            await call(session, "DeleteMessageBatch", Entries=entries)


async def _count(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.dsn)
    count = int(await connection.fetchval("SELECT count(*) FROM events"))
    await connection.close()
    return count


def _calls(stack: Stack) -> int:
    counted = ("ReceiveMessage", "DeleteMessage", "DeleteMessageBatch")
    calls = stack.sqs.calls()
    return sum(calls.get(name, 0) for name in counted)


def _per_event(before: dict[str, float], after: dict[str, float], events: int) -> dict[str, float]:
    return {name: (after[name] - before[name]) / events * 1e6 for name in before}
