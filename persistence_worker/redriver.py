"""The automatic redrive: one worker at a time walks through the dead letters, slowly.

    dead-letter queue ──redrive.decide──► sent back to the queue   (sent, then deleted)
                              ├─────────► left for later           (given back)
                              └─────────► parked_events            (written, then deleted)
    parked, rejected under an older schema ──► sent back once for each migration

While PostgreSQL is away nothing leaves the dead-letter queue: without its answer there is no duty.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from persistence_worker import dlq
from persistence_worker.dlq import Found
from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable, Unavailable
from persistence_worker.health import Health
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.messages import RECEIVE_MAX, MessageQueue
from persistence_worker.metrics import Metrics
from persistence_worker.pace import Pace
from persistence_worker.parked import Parked
from persistence_worker.redrive import Park, SendBack, decide
from persistence_worker.retry import ErrorKind

logger = logging.getLogger(__name__)

DUTY = "redrive"
DUTY_S = 60.0
SWEEP_MAX = 1_000
"""So many letters are looked at in one sweep; the next sees others."""


class RedriveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``every_s`` between two sweeps, ``per_s`` letters a second; else as ``redrive.decide``."""

    every_s: float
    per_s: float
    redrives_max: int
    first_s: float


class Redriver:
    """``now_ms``: wall time; ``jitter``: from 0 up to 1."""

    def __init__(
        self,
        *,
        queue: MessageQueue,
        dead_letters: MessageQueue,
        parked: Parked,
        heartbeat: Heartbeat,
        limits: RedriveLimits,
        health: Health,
        metrics: Metrics,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._parked = parked
        self._heartbeat = heartbeat
        self._limits = limits
        self._health = health
        self._metrics = metrics
        self._now_ms = now_ms
        self._jitter = jitter
        self._pace = Pace(limits.per_s)
        self._complaint = ""

    async def run(self) -> None:
        """Sweep for ever; what does not answer is asked again at the next sweep."""
        while True:
            await asyncio.sleep(self._limits.every_s * (0.5 + self._jitter()))
            try:
                await self.sweep()
                self._complaint = ""
            except (DatabaseUnavailable, QueueUnavailable) as error:
                self._failed(error)

    async def sweep(self) -> None:
        """Look at the dead letters once, if that is this worker's duty."""
        if not await self._on_duty():
            return
        await self._retry_rejected()
        gone: set[str] = set()
        async with dlq.walk(
            self._dead_letters, keep=lambda each: each.id not in gone, wait_s=0, scan=SWEEP_MAX
        ) as batches:
            async for batch in batches:
                if not await self._on_duty():
                    return
                gone |= await self._take(batch)

    async def _on_duty(self) -> bool:
        return self._health.database_is_up and await self._heartbeat.take_duty(DUTY, for_s=DUTY_S)

    async def _take(self, batch: Sequence[Found]) -> set[str]:
        """Decide each letter of a receive and carry it out; the ids of those that are gone."""
        now_ms = self._now_ms()
        due: list[Found] = []
        hopeless: list[Found] = []
        for each in batch:
            decision = decide(
                each.letter,
                now_ms,
                redrives_max=self._limits.redrives_max,
                first_s=self._limits.first_s,
            )
            if isinstance(decision, Park):
                hopeless.append(each)
                self._tell(each, decision.why)
            elif isinstance(decision, SendBack):
                due.append(each)
        gone = await self._park(hopeless) if hopeless else set()
        for each in due:
            await self._pace()
            fine = await dlq.send_back(self._dead_letters, self._queue, each)
            self._metrics.redrives.labels("sent_back" if fine else "failed").inc()
            if fine:
                gone.add(each.message.id)
        return gone

    async def _park(self, hopeless: Sequence[Found]) -> set[str]:
        await self._parked.park(hopeless)
        left = await self._dead_letters.delete([each.message for each in hopeless])
        gone = {each.message.id for each in hopeless} - {message.id for message in left}
        self._metrics.redrives.labels("parked").inc(len(gone))
        return gone

    async def _retry_rejected(self) -> None:
        for number, letter_id in enumerate(await self._parked.rejected_before_migration(), 1):
            await self._pace()
            fine = await self._parked.send_back(self._queue, letter_id)
            self._metrics.redrives.labels("sent_back" if fine else "failed").inc()
            if number % RECEIVE_MAX == 0 and not await self._on_duty():
                return

    def _tell(self, found: Found, why: str) -> None:
        letter = found.letter
        level = logging.ERROR if letter.reason == ErrorKind.FORK.value else logging.WARNING
        logger.log(
            level,
            "dead letter parked",
            extra={
                "message_id": letter.id,
                "reason": letter.reason,
                "detail": letter.detail,
                "redrives": letter.redrives,
                "why": why,
            },
        )

    def _failed(self, error: Unavailable) -> None:
        if self._complaint != str(error):
            logger.warning("redrive interrupted", extra={"error": str(error)})
        self._complaint = str(error)
        kind = error.kind if isinstance(error, DatabaseUnavailable) else ErrorKind.QUEUE_DOWN
        self._metrics.retries.labels(kind.value).inc()
