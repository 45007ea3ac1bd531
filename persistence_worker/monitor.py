"""Looks at queues and tables every few seconds, for the gauges that scaling and alarms read."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from persistence_worker.errors import DatabaseUnavailable, QueueUnavailable, Unavailable
from persistence_worker.heartbeat import Heartbeat
from persistence_worker.messages import Depth
from persistence_worker.metrics import Metrics
from persistence_worker.parked import Parked
from persistence_worker.samples import Samples, Seen

logger = logging.getLogger(__name__)


class Measured(Protocol):
    """A queue that tells its depth."""

    async def depths(self) -> Depth:
        """Raises ``QueueUnavailable``."""


class Monitor:
    """``oldest_age_s``: of the events that this worker has seen since it was last asked.
    ``database_failed`` is told that PostgreSQL does not answer: a worker that has nothing to store
    would not notice otherwise. ``samples``: where what was seen is noted for people."""

    def __init__(
        self,
        *,
        queue: Measured,
        dead_letters: Measured,
        parked: Parked,
        heartbeat: Heartbeat,
        oldest_age_s: Callable[[], float],
        database_failed: Callable[[DatabaseUnavailable], None],
        metrics: Metrics,
        samples: Samples | None = None,
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._parked = parked
        self._heartbeat = heartbeat
        self._oldest_age_s = oldest_age_s
        self._database_failed = database_failed
        self._metrics = metrics
        self._samples = samples
        # Until PostgreSQL has said more, and while it does not answer, what was known last.
        self._live = 1
        self._complaints: dict[str, str] = {}

    async def run(self, every_s: float) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Beat, count, and set the gauges; a service that does not answer is counted, and its
        gauges stay."""
        metrics = self._metrics
        oldest_age_s = self._oldest_age_s()
        metrics.oldest_age.set(oldest_age_s)
        parked = 0
        try:
            self._live = max(1, await self._heartbeat.beat())
            metrics.live_workers.set(self._live)
            parked = await self._count_parked()
            self._complaints.pop("database", None)
        except DatabaseUnavailable as error:
            self._failed("database", error)
            self._database_failed(error)
        try:
            depth = await self._queue.depths()
            metrics.queue_messages.labels("visible").set(depth.visible)
            metrics.queue_messages.labels("held").set(depth.held)
            metrics.queue_messages.labels("delayed").set(depth.delayed)
            metrics.backlog.set(depth.visible / self._live)
            dead_letters = (await self._dead_letters.depths()).total
            metrics.dead_letter_messages.set(dead_letters)
            self._complaints.pop("queue", None)
        except QueueUnavailable as error:
            self._failed("queue", error)
            return
        if self._samples is None or "database" in self._complaints:
            return
        try:
            await self._samples.note(
                Seen(
                    workers=self._live,
                    depth=depth,
                    dead_letters=dead_letters,
                    parked=parked,
                    oldest_age_s=oldest_age_s,
                )
            )
            self._complaints.pop("samples", None)
        except DatabaseUnavailable as error:
            # For people alone: what is wrong with it is no reason to receive nothing.
            self._failed("samples", error)

    async def _count_parked(self) -> int:
        by_reason: Counter[str] = Counter()
        for count in await self._parked.counts():
            by_reason[count.reason] += count.letters
        self._metrics.parked.clear()
        for reason, number in by_reason.items():
            self._metrics.parked.labels(reason).set(number)
        return by_reason.total()

    def _failed(self, service: str, error: Unavailable) -> None:
        self._metrics.watch_failures.labels(service).inc()
        if self._complaints.get(service) != str(error):
            logger.warning("not measured", extra={"service": service, "error": str(error)})
        self._complaints[service] = str(error)
