"""Recordings in memory."""

from __future__ import annotations

from collections.abc import Iterable

from gameserver.errors import RecordingsUnavailable
from gameserver.wire.event_record import Chunk


class MemoryRecordings:
    """Implements ``ports.Recordings``; ``down``: every call fails."""

    def __init__(self) -> None:
        self.stored: dict[str, list[Chunk]] = {}
        self.down = False

    def put(self, chunks: Iterable[Chunk]) -> str:
        """Store the recording of one match; its id."""
        given = list(chunks)
        self.stored[given[0].match] = given
        return given[0].match

    async def pieces(self, match_id: str) -> list[Chunk]:
        if self.down:
            raise RecordingsUnavailable("down")
        return self.stored.get(match_id, [])
