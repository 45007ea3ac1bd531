"""The worker: receivers → buffer → appliers, and the tasks that watch over them.

    SQS ──receivers──► Buffer ──appliers──► EventSink ──► Settler ──► delete / dead letter
                          └───────── Held: kept invisible until settled ─────────┘

A task that ends by an exception ends all others and with them the process; its supervisor starts
a new one, and the queue still has everything that was not deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from gameserver.spans import Spans
from persistence_worker.apply import EventSink, Outcome, Verdict
from persistence_worker.buffer import Buffer, Delivery
from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable
from persistence_worker.health import Health
from persistence_worker.held import Held
from persistence_worker.intake import Item
from persistence_worker.messages import MessageQueue
from persistence_worker.metrics import Metrics
from persistence_worker.receive import receive_forever
from persistence_worker.retry import ErrorKind, Retry, decide
from persistence_worker.settle import Failure, Settler
from persistence_worker.traced import BatchTrace

logger = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """See the fields of the same names in ``config``; ``appliers`` is the number of batches
    under way at once."""

    receivers: int
    appliers: int
    receive_wait_s: int
    visibility_s: int
    buffer_messages_max: int
    buffer_bytes_max: int
    batch_records_max: int
    attempts_max: int
    drain_ms: int


class Worker:
    """Drains one queue into one sink. ``now_ms``: wall time; ``jitter``: from 0 up to 1;
    ``ping`` raises ``DatabaseUnavailable`` while the sink cannot take events."""

    def __init__(
        self,
        *,
        queue: MessageQueue,
        dead_letters: MessageQueue,
        sink: EventSink,
        ping: Callable[[], Awaitable[None]],
        limits: Limits,
        health: Health,
        metrics: Metrics,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        spans: Spans | None = None,
    ) -> None:
        self._queue = queue
        self._spans = spans
        self._sink = sink
        self._ping = ping
        self._limits = limits
        self._health = health
        self._metrics = metrics
        self._now_ms = now_ms
        self._jitter = jitter
        for outcome in Outcome:
            # A count that appears with its first event has never grown: no alert would see it.
            metrics.events.labels(outcome.value)
        self._oldest_ms: int | None = None
        self._buffer = Buffer(
            messages_max=limits.buffer_messages_max, bytes_max=limits.buffer_bytes_max
        )
        self._held = Held(queue, visibility_s=limits.visibility_s, health=health, metrics=metrics)
        self._settler = Settler(
            queue,
            dead_letters,
            self._held,
            attempts_max=limits.attempts_max,
            health=health,
            metrics=metrics,
            jitter=jitter,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``, then finish what is buffered and give back what is left.

        Cancelled, it ends at once: what it held comes again when its visibility ends.
        """
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(self._watch()), group.create_task(self._held.keep())]
            receivers = [group.create_task(self._receive()) for _ in range(self._limits.receivers)]
            appliers = [group.create_task(self._apply()) for _ in range(self._limits.appliers)]
            await stop.wait()
            self._health.draining = True
            logger.info("draining", extra={"held": len(self._held.deliveries())})
            await _end(receivers)
            self._buffer.close()
            await asyncio.wait(appliers, timeout=self._limits.drain_ms / 1000)
            await _end([*appliers, *watchers])
        await self._give_back()

    def take_oldest_age_s(self) -> float:
        """Age of the oldest event held now, or stored since the last call; 0 = none."""
        times = [event.at_ms for each in self._held.deliveries() for event in each.intake.events]
        if self._oldest_ms is not None:
            times.append(self._oldest_ms)
        self._oldest_ms = None
        return max(0, self._now_ms() - min(times)) / 1000 if times else 0.0

    async def _receive(self) -> None:
        await receive_forever(
            self._queue,
            self._buffer,
            self._held,
            wait_s=self._limits.receive_wait_s,
            visibility_s=self._limits.visibility_s,
            health=self._health,
            metrics=self._metrics,
            jitter=self._jitter,
        )

    async def _watch(self) -> None:
        """While the sink is down, ask it ever more slowly whether it is back."""
        while True:
            await self._health.database_down()
            attempt = 0
            while True:
                try:
                    await self._ping()
                except DatabaseUnavailable as error:
                    attempt += 1
                    self._health.database_failed(error)
                    await self._pause(error.kind, attempt)
                else:
                    break
            self._health.database_answered()

    async def _apply(self) -> None:
        while batch := await self._buffer.take(self._limits.batch_records_max):
            self._metrics.buffered.set(len(self._buffer))
            await self._process(batch)

    async def _process(self, batch: Sequence[Delivery]) -> None:
        events = [event for delivery in batch for event in delivery.intake.events]
        trace = None if self._spans is None else BatchTrace(self._spans, batch)
        try:
            verdicts = await self._store(events) if events else []
        except Exception as error:
            logger.exception("batch failed", extra={"messages": len(batch), "events": len(events)})
            if len(batch) == 1:
                await self._settler.unexpected(batch[0], error)
                return
            # One message may be at fault: each has to answer for itself.
            for delivery in batch:
                await self._process([delivery])
            return
        if len(verdicts) != len(events):
            raise ValueError(f"{len(verdicts)} verdicts on {len(events)} events")
        counts = Counter(verdict.outcome for verdict in verdicts)
        self._count(events, counts)
        if trace is not None:
            trace.stored(verdicts)
        failed = counts[Outcome.FORK] + counts[Outcome.REJECTED]
        outcomes, place = [], 0
        for delivery in batch:
            own, end = delivery.intake.events, place + len(delivery.intake.events)
            judged = zip(own, verdicts[place:end], strict=True) if failed else ()
            outcomes.append((delivery, _failures(delivery, judged)))
            place = end
        await self._settler.settle(outcomes)
        if trace is not None:
            trace.settled()

    async def _store(self, events: Sequence[Item]) -> list[Verdict]:
        """Apply, through any outage: meanwhile nothing is received and all is kept invisible."""
        attempt = 0
        while True:
            try:
                with self._metrics.batch_seconds.time():
                    verdicts = await self._sink.apply(events)
            except DatabaseUnavailable as error:
                attempt += 1
                self._health.database_failed(error)
                await self._pause(error.kind, attempt)
                await self._health.database_up()
            else:
                return verdicts

    async def _pause(self, kind: ErrorKind, attempt: int) -> None:
        self._metrics.retries.labels(kind.value).inc()
        decision = decide(kind, attempt, jitter=self._jitter())
        assert isinstance(decision, Retry)
        await asyncio.sleep(decision.after_s)

    def _count(self, events: Sequence[Item], counts: Mapping[Outcome, int]) -> None:
        if not events:
            return
        self._metrics.batch_records.observe(len(events))
        for outcome, count in counts.items():
            self._metrics.events.labels(outcome.value).inc(count)
        oldest_ms = min(event.at_ms for event in events)
        self._oldest_ms = min(oldest_ms, self._oldest_ms or oldest_ms)
        self._metrics.event_age.observe(max(0, self._now_ms() - oldest_ms) / 1000)

    async def _give_back(self) -> None:
        left = self._held.deliveries()
        if left:
            try:
                await self._queue.set_visibility([each.message for each in left], 0)
            except QueueUnavailable as error:
                self._health.queue_failed(error)
            else:
                self._metrics.given_back.inc(len(left))
        logger.info("drained", extra={"given_back": len(left)})


def _failures(delivery: Delivery, judged: Iterable[tuple[Item, Verdict]]) -> list[Failure]:
    failures = [
        Failure(reason=bad.kind.value, detail=bad.detail, raw=bad.raw)
        for bad in delivery.intake.bad
    ]
    for event, verdict in judged:
        if verdict.outcome in (Outcome.FORK, Outcome.REJECTED):
            kind = ErrorKind.FORK if verdict.outcome is Outcome.FORK else ErrorKind.REJECTED
            detail = f"{event.id}: {verdict.detail}"
            failures.append(Failure(reason=kind.value, detail=detail, raw=event.raw))
    return failures


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
