"""Operators look players up: who is there, where, and what they have played."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_bans import BanShown, PlayerAsked, ban_shown
from gameserver.adapters.http_history import PlayedPage, played_page
from gameserver.adapters.http_operators import PlayerName
from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit
from gameserver.adapters.http_problem import BAD_CURSOR, NOT_CONFIGURED
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.watching import Seen

TEXT_MIN = 2


class PeopleAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``text``: in the id or the name, in any case."""

    text: Annotated[str, Meta(min_length=TEXT_MIN, max_length=128)]
    limit: Limit = 20


class SeatHeld(msgspec.Struct, frozen=True, kw_only=True):
    """``connected``: false in the grace period."""

    match: str
    game: str
    node: str
    connected: bool


class PersonShown(msgspec.Struct, frozen=True, kw_only=True):
    """``sockets``: the nodes that the player is connected to."""

    player: str
    name: str
    sockets: list[str]
    seats: list[SeatHeld]


class PeopleShown(msgspec.Struct, frozen=True, kw_only=True):
    """By name. ``silent``: nodes that have not answered, whose players may be missing."""

    players: list[PersonShown]
    more: bool
    silent: list[str]


class PlayerShown(msgspec.Struct, frozen=True, kw_only=True):
    """``here``: null for who is neither connected nor seated; ``ban``: the one that holds."""

    player: str
    here: PersonShown | None
    silent: list[str]
    ban: BanShown | None


class PlayedOfAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Newest first."""

    player_id: PlayerName
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


async def _find(services: Services, call: Call[PeopleAsked, Nothing]) -> PeopleShown:
    found = await services.people.find(call.params.text, limit=call.params.limit)
    return PeopleShown(
        players=[_shown(one) for one in found.people], more=found.more, silent=list(found.silent)
    )


async def _show(services: Services, call: Call[PlayerAsked, Nothing]) -> PlayerShown:
    player = PlayerId(call.params.player_id)
    found = await services.people.get(player)
    ban = services.bans.of(player)
    opened = [] if ban is None else await services.bans.opened([ban])
    return PlayerShown(
        player=player,
        here=_shown(found.people[0]) if found.people else None,
        silent=list(found.silent),
        ban=ban_shown(opened[0]) if opened else None,
    )


async def _played(services: Services, call: Call[PlayedOfAsked, Nothing]) -> PlayedPage:
    asked = call.params
    return await played_page(services, asked.player_id, cursor=asked.cursor, limit=asked.limit)


def _shown(one: Seen) -> PersonShown:
    return PersonShown(
        player=one.player,
        name=one.name,
        sockets=one.sockets,
        seats=[SeatHeld(**msgspec.structs.asdict(seat)) for seat in one.seats],
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/players",
        tag="operators",
        summary="Players who are there now, by a part of their id or name",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_find,
        params=PeopleAsked,
        answers={200: PeopleShown},
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/players/{player_id}",
        tag="operators",
        summary="Where a player is, and whether banned",
        description="Of anybody: that nobody has this id is not known here.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_show,
        params=PlayerAsked,
        answers={200: PlayerShown},
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/players/{player_id}/matches",
        tag="operators",
        summary="The matches that a player has played, newest first",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_played,
        params=PlayedOfAsked,
        answers={200: PlayedPage},
        problems=(BAD_CURSOR, NOT_CONFIGURED),
    ),
)
