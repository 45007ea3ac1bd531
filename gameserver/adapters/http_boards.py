"""Leaderboards: the best, the places around a player, and the own rank."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_matches import UNKNOWN_GAME, check_game
from gameserver.adapters.http_page import Cursor, place_after, place_of
from gameserver.adapters.http_problem import BAD_CURSOR, NOT_CONFIGURED, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.records.board import Board, Span
from gameserver.records.leaderboard import OFFSET_MAX, Entry
from gameserver.records.port import Boards

GameName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
Period = Annotated[
    str,
    Meta(
        max_length=64,
        description="A season's name, or a day (UTC) as 2026-11-26; empty: the newest there is.",
    ),
]
Places = Annotated[int, Meta(ge=1, le=100, description="Places at once.")]
NOT_RANKED = Kind("not_ranked", 404, "You have no place on this board.")
BAD_PERIOD = Kind("bad_period", 422, "The board of all time has no periods.")


class TopAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The best first."""

    game: GameName
    mode: GameName
    span: Span = Span.ALL
    period: Period = ""
    limit: Places = 50
    cursor: Cursor = ""


class AroundAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``places``: so many above and below."""

    game: GameName
    mode: GameName
    span: Span = Span.ALL
    period: Period = ""
    places: Annotated[int, Meta(ge=1, le=50)] = 5


class RankAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One board."""

    game: GameName
    mode: GameName
    span: Span = Span.ALL
    period: Period = ""


class EntryShown(msgspec.Struct, frozen=True, kw_only=True):
    """Equal scores share a rank, as in 1, 2, 2, 4."""

    player: str
    name: str | None
    rank: int
    score: float


class TopShown(msgspec.Struct, frozen=True, kw_only=True):
    """``period``: the one that is shown; empty for all time, null where there is none yet.
    ``total``: players with a place."""

    period: str | None
    entries: list[EntryShown]
    total: int
    next: str | None


class AroundShown(msgspec.Struct, frozen=True, kw_only=True):
    """The best first; empty where you have no place."""

    period: str | None
    entries: list[EntryShown]


class RankShown(msgspec.Struct, frozen=True, kw_only=True):
    """Your place."""

    period: str
    rank: int
    score: float


async def _top(services: Services, call: Call[TopAsked, Nothing]) -> TopShown:
    asked, boards = call.params, _boards(services)
    offset = place_of(asked.cursor, int) or 0
    if not 0 <= offset <= OFFSET_MAX:
        raise Problem(BAD_CURSOR)
    board = await _board(services, boards, asked)
    if board is None:
        return TopShown(period=None, entries=[], total=0, next=None)
    entries, total = await boards.top(board, asked.limit, offset)
    after = offset + len(entries)
    return TopShown(
        period=board.period,
        entries=[_shown(entry) for entry in entries],
        total=total,
        next=place_after(after if entries and after < total else None),
    )


async def _around(services: Services, call: Call[AroundAsked, Nothing]) -> AroundShown:
    asked, boards = call.params, _boards(services)
    board = await _board(services, boards, asked)
    if board is None:
        return AroundShown(period=None, entries=[])
    entries = await boards.around(board, call.player.player_id, asked.places)
    return AroundShown(period=board.period, entries=[_shown(entry) for entry in entries])


async def _rank(services: Services, call: Call[RankAsked, Nothing]) -> RankShown:
    boards = _boards(services)
    board = await _board(services, boards, call.params)
    entry = None if board is None else await boards.rank(board, call.player.player_id)
    if board is None or entry is None:
        raise Problem(NOT_RANKED)
    return RankShown(period=board.period, rank=entry.rank, score=entry.score)


def _boards(services: Services) -> Boards:
    if services.boards is None:
        raise Problem(NOT_CONFIGURED)
    return services.boards


async def _board(
    services: Services, boards: Boards, asked: TopAsked | AroundAsked | RankAsked
) -> Board | None:
    """``None`` where no period has begun."""
    check_game(services.matches, asked.game)
    if asked.span is Span.ALL:
        if asked.period:
            raise Problem(BAD_PERIOD)
        return Board(asked.game, asked.mode, Span.ALL, "")
    period = asked.period or await boards.newest(asked.game, asked.mode, asked.span)
    return None if period is None else Board(asked.game, asked.mode, asked.span, period)


def _shown(entry: Entry) -> EntryShown:
    return EntryShown(player=entry.player, name=entry.name, rank=entry.rank, score=entry.score)


_PROBLEMS = (UNKNOWN_GAME, NOT_CONFIGURED, BAD_PERIOD)
ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/leaderboards/{game}/{mode}",
        tag="leaderboards",
        summary="The best players",
        description="Some seconds old. A page begins at a place: who climbs past it meanwhile is "
        "shown twice.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_top,
        params=TopAsked,
        answers={200: TopShown},
        problems=(*_PROBLEMS, BAD_CURSOR),
    ),
    Endpoint(
        method="GET",
        path="/v1/leaderboards/{game}/{mode}/around-me",
        tag="leaderboards",
        summary="The places above and below yours",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_around,
        params=AroundAsked,
        answers={200: AroundShown},
        problems=_PROBLEMS,
    ),
    Endpoint(
        method="GET",
        path="/v1/leaderboards/{game}/{mode}/rank",
        tag="leaderboards",
        summary="Your place",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_rank,
        params=RankAsked,
        answers={200: RankShown},
        problems=(*_PROBLEMS, NOT_RANKED),
    ),
)
