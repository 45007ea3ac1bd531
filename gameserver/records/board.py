"""What names a leaderboard. Pure, and shared with the worker, which fills them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Span(StrEnum):
    """How long a board runs."""

    ALL = "all"
    SEASON = "season"
    DAY = "day"


class Board(msgspec.Struct, frozen=True, order=True):
    """``period`` is empty for all time, the season's name, or the day."""

    game: str
    mode: str
    span: Span
    period: str
