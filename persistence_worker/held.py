"""Keeps what the worker holds invisible to others, for as long as it takes.

A message is prolonged when less than half of its time is left, so that one failed round harms
nothing. SQS ends this after twelve hours (AWS: "Amazon SQS visibility timeout"); the message then
comes again, and its events turn out to be duplicates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from persistence_worker.buffer import Delivery
from persistence_worker.errors import QueueUnavailable
from persistence_worker.health import Health
from persistence_worker.messages import MessageQueue
from persistence_worker.metrics import Metrics


class Held:
    """Every delivery between its receive and its end. ``visibility_s``: of each prolongation."""

    def __init__(
        self, queue: MessageQueue, *, visibility_s: int, health: Health, metrics: Metrics
    ) -> None:
        self._queue = queue
        self._visibility_s = visibility_s
        self._health = health
        self._metrics = metrics
        self._deliveries: dict[str, Delivery] = {}

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Begin to care for them."""
        self._deliveries.update((each.message.receipt, each) for each in deliveries)
        self._metrics.held.set(len(self._deliveries))

    def drop(self, deliveries: Iterable[Delivery]) -> None:
        """They are done with, or left to come again when their time is over."""
        for delivery in deliveries:
            self._deliveries.pop(delivery.message.receipt, None)
        self._metrics.held.set(len(self._deliveries))

    def deliveries(self) -> list[Delivery]:
        """All that is held."""
        return list(self._deliveries.values())

    async def keep(self) -> None:
        """Prolong for ever; a queue that does not answer is asked again in the next round."""
        while True:
            await asyncio.sleep(self._visibility_s / 8)
            now = asyncio.get_running_loop().time()
            due = [
                each
                for each in self._deliveries.values()
                if each.invisible_until - now < self._visibility_s / 2
            ]
            try:
                await self._prolong(due)
            except QueueUnavailable as error:
                self._health.queue_failed(error)

    async def _prolong(self, due: list[Delivery]) -> None:
        for start in range(0, len(due), 10):
            batch = due[start : start + 10]
            until = asyncio.get_running_loop().time() + self._visibility_s
            messages = [each.message for each in batch]
            failed = {
                message.receipt
                for message in await self._queue.set_visibility(messages, self._visibility_s)
            }
            for each in batch:
                if each.message.receipt not in failed:
                    each.invisible_until = until
