"""The operators' part of the HTTP API: members of the admin group, with an access token."""

from __future__ import annotations

import logging
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.maintenance import MESSAGE_CHARS_MAX, TIME_MS_MAX, Maintenance, Notice
from gameserver.ports import Identity

logger = logging.getLogger(__name__)

MAINTENANCE_PATH = "/v1/admin/maintenance"
BAD_NOTICE = Kind("bad_notice", 422, "Players cannot be told this.")


class NoticeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line for the players, and when it is expected to be over, in ms since the Unix epoch."""

    message: Annotated[str, Meta(min_length=1, max_length=MESSAGE_CHARS_MAX)]
    until_ms: Annotated[int, Meta(ge=1, le=TIME_MS_MAX)] | None = None


class MaintenanceShown(msgspec.Struct, frozen=True, kw_only=True):
    """The maintenance mode of the cluster. While it is off only ``on`` is there. Times in ms since
    the Unix epoch; ``by``: who turned it on or changed it last."""

    on: bool
    message: str | UnsetType = UNSET
    since_ms: int | UnsetType = UNSET
    until_ms: int | UnsetType | None = UNSET
    by: str | UnsetType = UNSET


async def _show(services: Services, call: Call[Nothing, Nothing]) -> MaintenanceShown:
    return maintenance_shown(services.maintenance.current)


async def _turn_on(services: Services, call: Call[Nothing, NoticeBody]) -> MaintenanceShown:
    try:
        notice = Notice(message=call.body.message, until_ms=call.body.until_ms)
        maintenance = await services.maintenance.turn_on(notice, by=call.player.name)
    except ValueError as error:
        raise Problem(BAD_NOTICE, f"Players cannot be told this: {error}.") from None
    _log("maintenance turned on", call.player)
    return maintenance_shown(maintenance)


async def _turn_off(services: Services, call: Call[Nothing, Nothing]) -> MaintenanceShown:
    await services.maintenance.turn_off()
    _log("maintenance turned off", call.player)
    return maintenance_shown(None)


class PlayerNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is meant: the ``sub`` of the player's tokens."""

    player_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,128}\Z")]


async def _end_sessions(services: Services, call: Call[PlayerNamed, Nothing]) -> Reply:
    player_id = PlayerId(call.params.player_id)
    await services.revocations.end_all(player_id, reason="ended by an operator")
    logger.warning(
        "sessions ended",
        extra={"player": player_id, "by": call.player.name, "operator": call.player.player_id},
    )
    return Reply()


def maintenance_shown(maintenance: Maintenance | None) -> MaintenanceShown:
    if maintenance is None:
        return MaintenanceShown(on=False)
    return MaintenanceShown(
        on=True,
        message=maintenance.message,
        since_ms=maintenance.since_ms,
        until_ms=maintenance.until_ms,
        by=maintenance.by,
    )


def _log(what: str, operator: Identity) -> None:
    logger.warning(what, extra={"player": operator.player_id, "by": operator.name})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path=MAINTENANCE_PATH,
        tag="operators",
        summary="Whether the cluster is in maintenance",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_show,
        answers={200: MaintenanceShown},
    ),
    Endpoint(
        method="PUT",
        path=MAINTENANCE_PATH,
        tag="operators",
        summary="Turn maintenance on, or change what players are told",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_turn_on,
        body=NoticeBody,
        answers={200: MaintenanceShown},
        problems=(BAD_NOTICE,),
    ),
    Endpoint(
        method="DELETE",
        path=MAINTENANCE_PATH,
        tag="operators",
        summary="Turn maintenance off; no effect if it is",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_turn_off,
        answers={200: MaintenanceShown},
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/players/{player_id}/sessions",
        tag="operators",
        summary="End all sessions of a player",
        description="All tokens are refused, refreshed ones as well, and all sockets closed, on "
        "all nodes. The player may log in again.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_end_sessions,
        params=PlayerNamed,
        answers={204: None},
    ),
)
