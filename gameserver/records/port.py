"""What PostgreSQL knows of matches and players, as the server reads it.

HTTP API ──History, Boards──► adapters.postgres_reads ──► PostgreSQL, which the worker fills
                                    └── names: adapters.stored_names, and nowhere else
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from gameserver.records.board import Board
from gameserver.records.leaderboard import Entry


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """A match of a player. Wall times in ms; ``None``: not yet, or not known. ``joined_us``: in
    microseconds, by which a list is sorted."""

    match: str
    game: str
    mode: str
    joined_us: int
    started_ms: int | None
    ended_ms: int | None
    duration_ms: int | None
    reason: str | None
    seat: int
    left_ms: int | None
    leave_reason: str | None
    place: int | None
    score: float | None


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """Who played in a match; ``place`` and ``score`` once it has ended with a result."""

    player: str
    name: str | None
    seat: int
    left_ms: int | None
    leave_reason: str | None
    place: int | None
    score: float | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a match. ``result``: the game's own, as JSON."""

    match: str
    game: str
    mode: str
    players_max: int | None
    started_ms: int | None
    ended_ms: int | None
    reason: str | None
    ticks: int | None
    duration_ms: int | None
    result: str | None
    players: list[Participant]


PARTICIPANTS_MAX = 1_000


class StoredName(NamedTuple):
    """A name as it is stored, and the event that said it (``<match>/<seq>``), if that is known: a
    sealed name opens with both."""

    name: str | None
    said_by: str | None = None


class Names(Protocol):
    """The one place at which names of players are opened."""

    async def opened(self, names: Sequence[StoredName]) -> list[str | None]:
        """The names, readable. Raises ``Unavailable``."""


class History(Protocol):
    """Both raise ``RecordsUnavailable``."""

    async def matches_of(
        self, player: str, *, game: str, mode: str, before: tuple[int, str] | None, limit: int
    ) -> list[Played]:
        """A player's matches, newest first; ``before``: ``joined_us`` and id of the one that the
        page comes after. Empty ``game``, ``mode``: any."""

    async def result(self, match: str) -> Result | None:
        """``None``: nothing is known of it, not even that it has begun."""


class Boards(Protocol):
    """Leaderboards; every method raises ``Unavailable``."""

    async def newest(self, game: str, mode: str, span: str) -> str | None:
        """The period of ``span`` that began last."""

    async def top(self, board: Board, places: int, offset: int) -> tuple[list[Entry], int]:
        """``places`` entries after the best ``offset``, and how many players there are."""

    async def around(self, board: Board, player: str, places: int) -> list[Entry]:
        """The player with up to ``places`` above and below, best first; else nothing."""

    async def rank(self, board: Board, player: str) -> Entry | None:
        """The player's place."""
