"""Operators put players out, for now or for a time."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.ban_words import ban_told
from gameserver.adapters.http_operators import PlayerName, Reason
from gameserver.adapters.http_page import LIMIT_DEFAULT, Cursor, Limit, page_of
from gameserver.adapters.http_problem import BAD_CURSOR, NODE_SILENT, Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.maintenance import TIME_MS_MAX
from gameserver.operating import Ban

BAD_END = Kind("bad_end", 422, "A ban has to end in the future, or never.")
NOT_BANNED = Kind("not_banned", 404, "The player is not banned.")


class PlayerAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``player_id``: the `sub` of the player's tokens."""

    player_id: PlayerName


class OutBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The player is told the reason."""

    reason: Reason


class KickedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the player was put out of: matches, and how many sockets."""

    matches: list[str]
    sockets: int


class BanBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The player is told the reason. ``until_ms``: ms since the Unix epoch; null: for good."""

    reason: Reason
    until_ms: Annotated[int, Meta(ge=1, le=TIME_MS_MAX)] | None = None


class BanShown(msgspec.Struct, frozen=True, kw_only=True):
    """``by``: the operator's name; times in ms since the Unix epoch. Both it and
    ``reason`` are empty where the player was erased."""

    player: str
    reason: str
    by: str
    at_ms: int
    until_ms: int | None


class LiftAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why is kept in the record of operators' calls."""

    player_id: PlayerName
    reason: Reason


class BansAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By player."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = ""


class BansShown(msgspec.Struct, frozen=True, kw_only=True):
    """Those that hold now. ``total``: how many there are on all pages."""

    bans: list[BanShown]
    total: int
    next: str | None


async def _kick(services: Services, call: Call[PlayerAsked, OutBody]) -> KickedShown:
    player = PlayerId(call.params.player_id)
    kicked = await services.operations.kick_everywhere(player, call.body.reason)
    return KickedShown(matches=list(kicked.matches), sockets=kicked.sockets)


async def _ban(services: Services, call: Call[PlayerAsked, BanBody]) -> BanShown:
    now_ms, until_ms = services.clock.wall_ms(), call.body.until_ms
    if until_ms is not None and until_ms <= now_ms:
        raise Problem(BAD_END)
    ban = Ban(
        player=PlayerId(call.params.player_id),
        reason=call.body.reason,
        told=ban_told(call.body.reason, until_ms),
        by=call.player.name,
        at_ms=now_ms,
        until_ms=until_ms,
    )
    await services.bans.ban(ban)
    return ban_shown(ban)


async def _lift(services: Services, call: Call[LiftAsked, Nothing]) -> Reply:
    if not await services.bans.lift(PlayerId(call.params.player_id)):
        raise Problem(NOT_BANNED)
    return Reply()


async def _list(services: Services, call: Call[BansAsked, Nothing]) -> BansShown:
    bans = services.bans.all()
    page, after = page_of(
        bans, key=lambda ban: ban.player, cursor=call.params.cursor, limit=call.params.limit
    )
    opened = await services.bans.opened(page)
    return BansShown(bans=[ban_shown(ban) for ban in opened], total=len(bans), next=after)


def ban_shown(ban: Ban) -> BanShown:
    return BanShown(
        player=ban.player, reason=ban.reason, by=ban.by, at_ms=ban.at_ms, until_ms=ban.until_ms
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/admin/players/{player_id}/kick",
        tag="operators",
        summary="Put a player out of all matches and close all sockets, on all nodes",
        description="Nothing keeps the player from coming back; a ban does.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_kick,
        params=PlayerAsked,
        body=OutBody,
        answers={200: KickedShown},
        problems=(NODE_SILENT,),
    ),
    Endpoint(
        method="PUT",
        path="/v1/admin/players/{player_id}/ban",
        tag="operators",
        summary="Keep a player out, at once and on all nodes",
        description="Seats are freed and sockets closed with 4008. Replaces an earlier ban.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_ban,
        params=PlayerAsked,
        body=BanBody,
        answers={200: BanShown},
        problems=(BAD_END,),
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/players/{player_id}/ban",
        tag="operators",
        summary="Let a banned player in again",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_lift,
        params=LiftAsked,
        answers={204: None},
        problems=(NOT_BANNED,),
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/bans",
        tag="operators",
        summary="Who is banned",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_list,
        params=BansAsked,
        answers={200: BansShown},
        problems=(BAD_CURSOR,),
    ),
)
