"""Reading leaderboards: a player's rank, the places around a player, any page of a board. For
the server, which shows them, and for the worker's tests and benchmarks.

Each call is one statement, so that what it returns belongs to one moment. None gets slower with
the number of players above: counts per score bucket stand for them (schema, ``board_rank``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gameserver.records.board import Board
from gameserver.records.statements import statements_of

PLACES_MAX = 1_000
OFFSET_MAX = 2**53


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a board. Equal scores share a rank, and the next rank is left out. ``name`` is
    sealed, unless it was stored without KMS; ``named_by`` says where it belongs (``Opener``)."""

    player: str
    name: str | None
    named_by: str | None = None
    rank: int
    score: float


class Source(Protocol):
    """An asyncpg pool or connection. Behind a pooling proxy, one without statement cache."""

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]: ...


STATEMENTS = statements_of("gameserver.records", "leaderboard.sql")


class Leaderboards:
    """Errors are the source's."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._statements = STATEMENTS

    async def rank(self, board: Board, player: str) -> Entry | None:
        """The player's place; ``None`` where the board has no such player."""
        entries = await self._entries("board_rank", board, player)
        return entries[0] if entries else None

    async def around(self, board: Board, player: str, places: int) -> list[Entry]:
        """The player with up to ``places`` above and below, best first; else nothing."""
        return await self._entries("board_around", board, player, _bounded(places))

    async def top(self, board: Board, places: int, offset: int = 0) -> list[Entry]:
        """``places`` entries after the best ``offset``."""
        if not 0 <= offset <= OFFSET_MAX:
            raise ValueError(f"offset: {offset} is not between 0 and {OFFSET_MAX}")
        return await self._entries("board_top", board, _bounded(places), offset)

    async def size(self, board: Board) -> int:
        """How many players have a place."""
        rows = await self._source.fetch(self._statements["board_size"], *_key(board))
        return int(rows[0]["players"])

    async def _entries(self, statement: str, board: Board, *arguments: Any) -> list[Entry]:
        query = self._statements[statement]
        rows = await self._source.fetch(query, *_key(board), *arguments)
        return [
            Entry(
                player=row["player"],
                name=row["name"],
                named_by=row["named_by"],
                rank=int(row["rank"]),
                score=row["points"] / 1000,
            )
            for row in rows
        ]


def _key(board: Board) -> tuple[str, str, str, str]:
    return board.game, board.mode, board.span.value, board.period


def _bounded(places: int) -> int:
    if not 1 <= places <= PLACES_MAX:
        raise ValueError(f"places: {places} is not between 1 and {PLACES_MAX}")
    return places
