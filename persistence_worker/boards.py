"""Which leaderboards a result counts for, and how much. Pure.

A result counts by the time at which its match ended, as the match stated it: for all time, for its
season, and for its day (UTC). A board's score is the sum of the results, or the best of them for
the games that ``Rules.best`` names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from gameserver.records.board import Board as Board
from gameserver.records.board import Span as Span
from persistence_worker.partitions import DAY_MS

RESULT_POINTS_MAX = 10**12
"""A result counts as no more than 10^9, and no less than -10^9."""
POINTS_MAX = 2**53 - 1
"""Nor does a sum go beyond this: float8 holds such numbers exactly (see ``board_bucket``)."""


class Season(msgspec.Struct, frozen=True, kw_only=True):
    """From ``starts_ms`` up to, but not including, ``ends_ms``; Unix time."""

    name: str
    starts_ms: int
    ends_ms: int


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers of a deployment have to agree on. Without ``seasons`` each month is one;
    with them, a match that ends in none of them counts for no season."""

    seasons: tuple[Season, ...] = ()
    best: frozenset[str] = frozenset()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One player's place in a match that has ended. ``ended_at_ms``: Unix time."""

    match: str
    game: str
    mode: str
    ended_at_ms: int
    player: str
    place: int
    score: float


def period(span: Span, at_ms: int, seasons: Iterable[Season] = ()) -> str | None:
    """The period of ``span`` that ``at_ms`` lies in; ``None`` between seasons."""
    if span is Span.ALL:
        return ""
    day = _day(at_ms // DAY_MS)
    if span is Span.DAY:
        return day
    listed = tuple(seasons)
    if not listed:
        return day[:-3]
    return next((each.name for each in listed if each.starts_ms <= at_ms < each.ends_ms), None)


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    """As 2026-11-25. Not by the local time zone, nor by how long a year is thought to be."""
    at = datetime.fromtimestamp(number * DAY_MS // 1000, UTC)
    return f"{at.year:04}-{at.month:02}-{at.day:02}"


def points(score: float) -> int:
    """Thousandths of ``score``, within bounds."""
    bounded = max(-RESULT_POINTS_MAX / 1000, min(RESULT_POINTS_MAX / 1000, score))
    return round(bounded * 1000)


def gains(results: Iterable[Result], rules: Rules) -> Mapping[Board, Mapping[str, int]]:
    """For each board and player what ``results`` bring: their sum, or their best."""
    found: dict[Board, dict[str, int]] = {}
    of_a_day: dict[tuple[str, str, int], list[dict[str, int]]] = {}
    for result in results:
        # Seasons begin and end with a day.
        key = (result.game, result.mode, result.ended_at_ms // DAY_MS)
        if key not in of_a_day:
            listed = _boards(result, rules.seasons)
            of_a_day[key] = [found.setdefault(board, {}) for board in listed]
        gain, best = points(result.score), result.game in rules.best
        for board in of_a_day[key]:
            known = board.get(result.player)
            if known is not None:
                board[result.player] = max(known, gain) if best else known + gain
            else:
                board[result.player] = gain
    for board in found.values():
        for player, gain in board.items():
            board[player] = max(-POINTS_MAX, min(POINTS_MAX, gain))
    return found


def _boards(result: Result, seasons: Iterable[Season]) -> list[Board]:
    periods = ((span, period(span, result.ended_at_ms, seasons)) for span in Span)
    return [
        Board(result.game, result.mode, span, name) for span, name in periods if name is not None
    ]


_SEASON = re.compile(r"([\w .-]{1,64})=(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)")


def read_rules(*, seasons: str, best: str) -> Rules:
    """The rules from two lists with commas: ``autumn=2026-09-01..2026-12-01`` (the last day is not
    included; UTC), and the games whose boards keep the best result.

    Raises ``ValueError`` that says what is wrong.
    """
    read = tuple(_season(text.strip()) for text in seasons.split(",") if text.strip())
    for one, other in itertools.pairwise(read):
        if one.ends_ms > other.starts_ms:
            raise ValueError(f"{other.name!r} begins before {one.name!r} has ended")
    if len({season.name for season in read}) < len(read):
        raise ValueError("two seasons have one name")
    games = frozenset(text.strip() for text in best.split(",") if text.strip())
    return Rules(seasons=read, best=games)


def _season(text: str) -> Season:
    match = _SEASON.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not of the form name=2026-09-01..2026-12-01")
    starts, ends = (
        round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
        for day in match.groups()[1:]
    )
    if starts >= ends:
        raise ValueError(f"{text!r} ends before it begins")
    return Season(name=match[1], starts_ms=starts, ends_ms=ends)
