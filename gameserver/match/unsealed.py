"""No encryption, where the settings say so: ``plaintext_at_rest``."""

from __future__ import annotations

from collections.abc import Sequence

from gameserver.wire.event_record import Chunk, EventRecord


class Unsealed:
    """Implements ``ports.Sealer`` by leaving everything as it is."""

    __slots__ = ()

    async def ready(self) -> None:
        """See ``ports.Sealer``."""

    def seal(self, record: EventRecord, fields: Sequence[str]) -> EventRecord:
        """See ``ports.Sealer``."""
        return record

    def seal_chunk(self, chunk: Chunk) -> Chunk:
        """See ``ports.Sealer``."""
        return chunk
