"""The queue to the worker in memory, and what a worker makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.wire import event_record

BODIES_MAX = 10
BATCH_BYTES_MAX = 1_048_576


class MemoryQueue:
    """Implements ``ports.EventQueue``; ``bodies`` are the messages, oldest first, ``traces`` what
    was told of traces with any of them."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.traces: list[str] = []

    async def send(self, bodies: Sequence[str], traces: Sequence[str] = ()) -> list[bool]:
        if len(bodies) > BODIES_MAX:
            raise ValueError(f"{len(bodies)} bodies")
        if sum(len(body.encode()) for body in bodies) > BATCH_BYTES_MAX:
            raise ValueError("batch too large")
        self.bodies += bodies
        self.traces += filter(None, traces)
        return [True] * len(bodies)


class Fork(AssertionError):
    """Two records have the same id and different contents."""


class MemorySink:
    """The worker's side: each record once, by its id."""

    def __init__(self) -> None:
        self.records: dict[str, event_record.EventRecord] = {}
        self.chunks: dict[str, event_record.Chunk] = {}
        self.duplicates = 0
        self._digests: dict[str, bytes] = {}

    def drain(self, queue: MemoryQueue) -> None:
        """Apply every message that is waiting. Raises ``Fork``."""
        bodies, queue.bodies = queue.bodies, []
        for body in bodies:
            for encoded in event_record.decode_bundle(body):
                if event_record.is_chunk(encoded):
                    self.apply_chunk(event_record.decode_chunk(encoded))
                else:
                    self.apply(event_record.decode_record(encoded))

    def recording(self, match_id: str) -> list[event_record.Chunk]:
        """The chunks of a match."""
        return [chunk for chunk in self.chunks.values() if chunk.match == match_id]

    def apply_chunk(self, chunk: event_record.Chunk) -> None:
        digest = event_record.digest(chunk)
        if self._digests.setdefault(chunk.chunk, digest) != digest:
            raise Fork(f"{chunk.chunk}: {self.chunks[chunk.chunk]} and {chunk}")
        self.chunks[chunk.chunk] = chunk

    def apply(self, record: event_record.EventRecord) -> None:
        digest = event_record.digest(record)
        known = self._digests.setdefault(record.id, digest)
        if known != digest:
            raise Fork(f"{record.id}: {self.records[record.id]} and {record}")
        if record.id in self.records:
            self.duplicates += 1
        self.records[record.id] = record
