"""From a match's commit to the row that others can read, at a steady rate.

    match (commit) ──► Relay ──► SQS ──► worker ──► PostgreSQL (pg_xact_commit_timestamp)

Several relays, one a node, as the server runs them; what a commit has made durable is handed to
them as the committer does it. A record's ``at_ms`` is set at that moment.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterable, Iterator, Sequence

import asyncpg
import msgspec

from bench.worker_runs import reset
from bench.worker_stack import Stack, WorkerProcess, relay
from gameserver.adapters.wall_clock import SystemEntropy
from gameserver.ids import MatchId
from gameserver.match.outbox import Outbox, Unrelayed
from gameserver.match.relay import Relay
from gameserver.metrics import Metrics
from gameserver.ports import OutboxEntry
from tests.fakes.memory_store import MemoryStore

NODES = 4
STEP_S = 0.05
"""A tick: events of all matches are committed together."""
WARM_UP_S = 2.0
SETTLE_S = 30.0

_AT = re.compile(rb'"at_ms":\d+')
_TIMES = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - at)::float8 * 1000 AS ms
FROM events WHERE at >= to_timestamp($1) ORDER BY ms
"""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """In ms; of all events after the warm-up."""

    per_s: float
    events: int
    p50: float
    p90: float
    p99: float
    max: float


async def latency(
    stack: Stack, records: Iterable[bytes], *, per_s: float, seconds: float
) -> Latency:
    """Feed at ``per_s`` events a second for so long. PostgreSQL has to keep commit times."""
    await reset(stack)
    with stack.worker() as worker:
        await asyncio.to_thread(worker.wait_ready)
        began = time.time()
        sent = await _feed(stack, iter(records), per_s, seconds + WARM_UP_S)
        await _settle(worker, sent)
        connection = await asyncpg.connect(stack.dsn)
        rows = await connection.fetch(_TIMES, began + WARM_UP_S)
        await connection.close()
    times = [row["ms"] for row in rows]
    return Latency(
        per_s=per_s,
        events=len(times),
        p50=times[len(times) // 2],
        p90=times[len(times) * 9 // 10],
        p99=times[len(times) * 99 // 100],
        max=times[-1],
    )


async def _feed(stack: Stack, records: Iterator[bytes], per_s: float, seconds: float) -> int:
    """Commit step by step, the nodes in turn; the number of events."""
    entropy, metrics, sent = SystemEntropy(), Metrics(), 0
    store = MemoryStore(lambda: time.time_ns() // 1_000_000)  # trimming is not what is measured
    async with relay(stack.sqs, stack.queue_url) as queue, asyncio.TaskGroup() as group:
        relays = [Relay(queue, store, entropy=entropy, metrics=metrics) for _ in range(NODES)]
        tasks = [group.create_task(each.run()) for each in relays]
        outboxes = [each.open(MatchId(f"m{n}"), last_seq=0) for n, each in enumerate(relays)]
        began, loop = time.monotonic(), asyncio.get_running_loop()
        for step in range(1, round(seconds / STEP_S) + 1):
            await asyncio.sleep(max(0.0, began + step * STEP_S - time.monotonic()))
            at_ms = b'"at_ms":%d' % (time.time_ns() // 1_000_000)
            for n, outbox in enumerate(outboxes, 1):
                due = round(per_s * STEP_S * (step - 1 + n / NODES))
                taken = list(itertools.islice(records, due - sent))
                sent += len(taken)
                _offer(outbox, sent, taken, at_ms, loop.time())
        for each in relays:
            await each.idle.wait()
        for task in tasks:
            task.cancel()
    return sent


def _offer(outbox: Outbox, last: int, raws: Sequence[bytes], at_ms: bytes, now: float) -> None:
    """Numbers only have to rise within an outbox."""
    first = last - len(raws) + 1
    entries = (OutboxEntry(first + n, _AT.sub(at_ms, raw, count=1)) for n, raw in enumerate(raws))
    outbox.offer(Unrelayed(entry, now) for entry in entries)


async def _settle(worker: WorkerProcess, sent: int) -> None:
    deadline = time.monotonic() + SETTLE_S
    while await asyncio.to_thread(worker.metric, "worker_events_total") < sent:
        assert time.monotonic() < deadline, "not all events are stored"
        await asyncio.sleep(0.1)
