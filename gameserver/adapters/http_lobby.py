"""Players create matches, and come into private ones by their codes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.client_address import network
from gameserver.adapters.http_matches import UNKNOWN_GAME, Name
from gameserver.adapters.http_operators import PlayerName
from gameserver.adapters.http_problem import NODE_SILENT, Kind, Problem, retry_after
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.hosting import (
    BAD_CODE,
    BAD_TERMS,
    CODE_LETTERS,
    PASSWORD_CHARS_MAX,
    TOO_MANY_GUESSES,
    Created,
    HostRefused,
    Wanted,
)
from gameserver.ids import PlayerId
from gameserver.listing import Visibility
from gameserver.ports import Identity
from gameserver.wire.to_client import ErrorCode

OptionValue = int | float | Annotated[str, Meta(max_length=64)]
Password = Annotated[str, Meta(min_length=1, max_length=PASSWORD_CHARS_MAX)]
Reserved = Annotated[list[PlayerName], Meta(max_length=100)]

PROBLEMS = {
    ErrorCode.UNKNOWN_GAME: UNKNOWN_GAME,
    ErrorCode.UNKNOWN_MODE: Kind("unknown_mode", 422, "The game has no such mode."),
    ErrorCode.UNKNOWN_MATCH: Kind("match_over", 409, "The match is over."),
    ErrorCode.MATCH_FULL: Kind("match_full", 409, "The match has no free seat."),
    ErrorCode.MAINTENANCE: Kind("maintenance", 409, "No new matches for a while."),
    ErrorCode.BANNED: Kind("banned", 403, "An operator keeps you out."),
    BAD_TERMS: Kind(BAD_TERMS, 422, "The match cannot be as it is asked for."),
    BAD_CODE: Kind(BAD_CODE, 404, "The code or the password is wrong."),
    TOO_MANY_GUESSES: Kind(TOO_MANY_GUESSES, 429, "Too many wrong codes; wait ten minutes."),
}
NO_ROOM = Kind("no_room", 503, "No node takes a new match now; try again.")
CREATE_PROBLEMS = (
    UNKNOWN_GAME,
    PROBLEMS[ErrorCode.UNKNOWN_MODE],
    PROBLEMS[ErrorCode.MAINTENANCE],
    PROBLEMS[ErrorCode.BANNED],
    PROBLEMS[BAD_TERMS],
    NO_ROOM,
    NODE_SILENT,
)


class CreateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``options``: those that `GET /v1/games` has choices for. ``players_max`` null: the mode's.
    ``reserve``: players (`sub`) whose seats are kept for ``reserve_s`` seconds, as yours is."""

    game: Name
    mode: Name = ""
    title: Annotated[str, Meta(max_length=64)] = ""
    visibility: Visibility = Visibility.PUBLIC
    password: Password | None = None
    players_max: Annotated[int, Meta(ge=1, le=1000)] | None = None
    options: Annotated[dict[Name, OptionValue], Meta(max_length=32)] = {}
    reserve: Reserved = []
    reserve_s: Annotated[int, Meta(ge=1, le=3600)] = 120


class CreatedShown(msgspec.Struct, frozen=True, kw_only=True):
    """``code``: of a private match; tell it to those who may come. ``reserved_until_ms``: ms since
    the Unix epoch."""

    id: str
    game: str
    mode: str
    title: str
    visibility: Visibility
    players_max: int
    code: str | None
    reserved_until_ms: int


class CodeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code in any case, with spaces or dashes if you like."""

    code: Annotated[str, Meta(min_length=CODE_LETTERS, max_length=16)]
    password: Password | None = None


class SeatKept(msgspec.Struct, frozen=True, kw_only=True):
    """Join ``match`` over the socket until then (ms since the Unix epoch)."""

    match: str
    reserved_until_ms: int


async def _create(services: Services, call: Call[Nothing, CreateBody]) -> CreatedShown:
    await check_banned(services, call.player)
    body = call.body
    wanted = Wanted(
        game=body.game,
        mode=body.mode,
        title=body.title,
        visibility=body.visibility,
        players_max=body.players_max or 0,
        options=body.options,
        password=body.password or "",
        reserve=[PlayerId(player) for player in dict.fromkeys(body.reserve)],
        reserve_ms=body.reserve_s * 1000,
    )
    try:
        created = await services.hosting.create(wanted, call.player)
    except HostRefused as refused:
        raise problem_of(refused) from None
    return created_shown(wanted, created)


async def _join(services: Services, call: Call[Nothing, CodeBody]) -> SeatKept:
    await check_banned(services, call.player)
    try:
        match, until_ms = await services.hosting.join_by_code(
            call.body.code, call.body.password or "", call.player, network=network(call.address)
        )
    except HostRefused as refused:
        raise problem_of(refused) from None
    return SeatKept(match=match, reserved_until_ms=until_ms)


def created_shown(wanted: Wanted, created: Created) -> CreatedShown:
    """A new match, as its creator sees it."""
    return CreatedShown(
        id=created.match,
        game=wanted.game,
        mode=created.mode,
        title=wanted.title,
        visibility=wanted.visibility,
        players_max=created.players_max,
        code=created.code or None,
        reserved_until_ms=created.reserved_until_ms,
    )


async def check_banned(services: Services, player: Identity) -> None:
    """Raises ``Problem`` for a player whom an operator keeps out."""
    if (ban := services.bans.of(player.player_id)) is not None:
        [ban] = await services.bans.opened([ban])
        raise Problem(PROBLEMS[ErrorCode.BANNED], f"{ban.told}.")


def problem_of(refused: HostRefused) -> Problem:
    """What is told of a refusal."""
    kind = PROBLEMS.get(refused.code, NO_ROOM)
    headers = retry_after(600) if refused.code == TOO_MANY_GUESSES else {}
    if kind is NO_ROOM:
        headers = retry_after(2)
    return Problem(kind, f"{refused.message[:1].upper()}{refused.message[1:]}.", headers=headers)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/matches",
        tag="matches",
        summary="Create a match",
        description="Answered once the match is durable. It ends by itself when the last player "
        "has left, or nobody has come by the end of the reservation. The password is kept as a "
        "hash.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_create,
        body=CreateBody,
        answers={201: CreatedShown},
        problems=CREATE_PROBLEMS,
        idempotent=True,
    ),
    Endpoint(
        method="POST",
        path="/v1/matches/join-by-code",
        tag="matches",
        summary="Find a private match by its code, and have a seat kept",
        description="Over the socket a `Join` with the code does both at once. Wrong codes and "
        "passwords are counted for each player and each network.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_join,
        body=CodeBody,
        answers={200: SeatKept},
        problems=(
            PROBLEMS[BAD_CODE],
            PROBLEMS[TOO_MANY_GUESSES],
            PROBLEMS[ErrorCode.UNKNOWN_MATCH],
            PROBLEMS[ErrorCode.MATCH_FULL],
            PROBLEMS[ErrorCode.BANNED],
            NODE_SILENT,
        ),
    ),
)
