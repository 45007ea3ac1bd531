"""What became of matches: a player's own, and the result of any."""

from __future__ import annotations

from typing import Any

import msgspec

from gameserver.adapters.http_matches import MatchAsked, Name
from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, place_after, place_of
from gameserver.adapters.http_problem import BAD_CURSOR, NOT_CONFIGURED, NOT_FOUND, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.records.port import History

TIME_US_MAX = 253_370_764_800_000_000
"""The year 9999: what a cursor names has to be a time."""


class PlayedAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Empty: any. Newest first."""

    game: Name = ""
    mode: Name = ""
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class PlayedShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of your matches. Times in ms since the Unix epoch. ``reason``: how it ended, null while
    it runs; ``place`` and ``score``: null where it ended without a result for you."""

    match: str
    game: str
    mode: str
    joined_ms: int
    started_ms: int | None
    ended_ms: int | None
    duration_ms: int | None
    reason: str | None
    seat: int
    left_ms: int | None
    leave_reason: str | None
    place: int | None
    score: float | None


class PlayedPage(msgspec.Struct, frozen=True, kw_only=True):
    """As of some seconds ago: key events are on their way for so long."""

    matches: list[PlayedShown]
    next: str | None


class ParticipantShown(msgspec.Struct, frozen=True, kw_only=True):
    """``left_ms`` null: stayed to the end, or is there."""

    player: str
    name: str | None
    seat: int
    left_ms: int | None
    leave_reason: str | None
    place: int | None
    score: float | None


class ResultShown(msgspec.Struct, frozen=True, kw_only=True):
    """``players``: the best first; ``result``: the game's own. ``ended_ms`` null: it runs, as far
    as is known."""

    match: str
    game: str
    mode: str
    players_max: int | None
    started_ms: int | None
    ended_ms: int | None
    reason: str | None
    ticks: int | None
    duration_ms: int | None
    result: Any
    players: list[ParticipantShown]


async def _played(services: Services, call: Call[PlayedAsked, Nothing]) -> PlayedPage:
    asked = call.params
    return await played_page(
        services,
        call.player.player_id,
        game=asked.game,
        mode=asked.mode,
        cursor=asked.cursor,
        limit=asked.limit,
    )


async def played_page(
    services: Services, player: str, *, cursor: str, limit: int, game: str = "", mode: str = ""
) -> PlayedPage:
    """A page of a player's matches. Raises ``Problem``."""
    before = place_of(cursor, tuple[int, str])
    if before is not None and not 0 <= before[0] < TIME_US_MAX:
        raise Problem(BAD_CURSOR)
    found = await _history(services).matches_of(
        player, game=game, mode=mode, before=before, limit=limit + 1
    )
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    shown = []
    for one in page:
        told = msgspec.structs.asdict(one)
        told["joined_ms"] = told.pop("joined_us") // 1000
        shown.append(PlayedShown(**told))
    return PlayedPage(
        matches=shown, next=place_after(None if last is None else (last.joined_us, last.match))
    )


async def _result(services: Services, call: Call[MatchAsked, Nothing]) -> ResultShown:
    found = await _history(services).result(call.params.match)
    if found is None:
        raise Problem(NOT_FOUND)
    told = msgspec.structs.asdict(found)
    told["players"] = [ParticipantShown(**msgspec.structs.asdict(one)) for one in found.players]
    told["result"] = None if found.result is None else msgspec.Raw(found.result.encode())
    return ResultShown(**told)


def _history(services: Services) -> History:
    if services.history is None:
        raise Problem(NOT_CONFIGURED)
    return services.history


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/players/me/matches",
        tag="history",
        summary="The matches that you have played, newest first",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_played,
        params=PlayedAsked,
        answers={200: PlayedPage},
        problems=(BAD_CURSOR, NOT_CONFIGURED),
    ),
    Endpoint(
        method="GET",
        path="/v1/matches/{match}/result",
        tag="history",
        summary="Who played in a match, and how it ended",
        description="Known some seconds after the match has begun or ended. Whoever knows the id "
        "may see it.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.READ,
        handler=_result,
        params=MatchAsked,
        answers={200: ResultShown},
        problems=(NOT_CONFIGURED,),
    ),
)
