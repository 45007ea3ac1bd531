"""Messages between receiving and applying: bounded in number and bytes.

Full: a receiver waits in ``reserve`` before it asks for more, so the queue keeps the rest. The
bound of bytes is checked before a receive, so that it can be exceeded by what is on its way then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec

from persistence_worker.intake import Intake
from persistence_worker.messages import Message


class Delivery(msgspec.Struct, eq=False, kw_only=True):
    """A message in the worker's hands. ``invisible_until``: by the loop's clock, in seconds."""

    message: Message
    intake: Intake
    invisible_until: float


class Buffer:
    """First in, first out; used from one event loop."""

    def __init__(self, *, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._reserved = 0
        self._closed = False
        self._space = asyncio.Event()
        self._items = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    async def reserve(self, count: int) -> None:
        """Wait for room for ``count`` messages and keep it until ``put``."""
        while not self._has_room(count):
            self._space.clear()
            await self._space.wait()
        self._reserved += count

    def put(self, deliveries: Sequence[Delivery], *, reserved: int) -> None:
        """Add what came of a reservation, which ends with this; it may be less, or nothing."""
        self._reserved -= reserved
        self._waiting.extend(deliveries)
        self._bytes += sum(len(delivery.message.body) for delivery in deliveries)
        if deliveries:
            self._items.set()
        self._space.set()

    async def take(self, records_max: int) -> list[Delivery]:
        """At least one message, further ones while their records fit; [] = closed and empty."""
        while not self._waiting:
            if self._closed:
                return []
            self._items.clear()
            await self._items.wait()
        taken: list[Delivery] = []
        records = 0
        while self._waiting:
            records += len(self._waiting[0].intake.events)
            if taken and records > records_max:
                break
            delivery = self._waiting.popleft()
            self._bytes -= len(delivery.message.body)
            taken.append(delivery)
        self._space.set()
        return taken

    def close(self) -> None:
        """Nothing will be put any more; ``take`` ends once the buffer is empty."""
        self._closed = True
        self._items.set()

    def _has_room(self, count: int) -> bool:
        messages = len(self._waiting) + self._reserved + count
        return messages <= self._messages_max and self._bytes < self._bytes_max
