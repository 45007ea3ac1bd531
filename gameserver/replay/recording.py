"""A match's recording put together from its chunks, and as a file: JSON Lines, a chunk a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gameserver.wire.event_record import (
    BadBody,
    Chunk,
    ChunkSetup,
    decode_chunk,
    encode_record,
)
from gameserver.wire.recording import BadRecording


class Section(NamedTuple):
    """What lies between two checkpoints: ``last`` is the last of its chunks."""

    last: Chunk
    pieces: list[bytes]


class Recording:
    """``sections`` up to the first gap; ``missing`` is the number of the chunk that is not there,
    ``None`` where nothing is known to be missing."""

    __slots__ = ("first", "missing", "sections", "setup")

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """``chunks`` in any order. Raises ``BadRecording``."""
        ordered = sorted(chunks, key=lambda one: one.number)
        if not ordered or ordered[0].number != 1:
            raise BadRecording("the recording's first chunk is missing")
        self.first = ordered[0]
        self.setup: ChunkSetup = _setup(self.first)
        self.missing: int | None = None
        self.sections: list[Section] = []
        pieces: list[bytes] = []
        for number, chunk in enumerate(ordered, 1):
            if chunk.match != self.first.match:
                raise BadRecording(f"chunks of two matches: {self.first.match}, {chunk.match}")
            if chunk.number != number:
                self.missing = number
                break
            pieces.append(chunk.body)
            if not chunk.more:
                self.sections.append(Section(chunk, pieces))
                pieces = []
        if pieces and self.missing is None:
            self.missing = len(ordered) + 1

    @property
    def match(self) -> str:
        return self.first.match

    @property
    def game(self) -> str:
        return self.first.game

    @property
    def mode(self) -> str:
        return self.first.mode

    @property
    def end_tick(self) -> int:
        """Steps that are recorded."""
        return self.sections[-1].last.end_tick if self.sections else 0

    @property
    def ended(self) -> str | None:
        """Why the match ended; ``None`` while it is played, or where the end is missing."""
        return self.sections[-1].last.ended if self.sections else None


def _setup(first: Chunk) -> ChunkSetup:
    if first.setup is None:
        raise BadRecording("the first chunk does not say what the match started from")
    return first.setup


def write_lines(chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """A recording as a file, line by line."""
    for chunk in chunks:
        yield encode_record(chunk) + b"\n"


def read_lines(lines: Iterable[bytes]) -> Iterator[Chunk]:
    """The chunks of a file. Raises ``BadRecording`` naming the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield decode_chunk(line)
            except BadBody as error:
                raise BadRecording(f"line {number}: {error}") from error
