"""Operators, and services in their name, tell a player something, wherever they are connected."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_problem import Kind, Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Rate, Reply
from gameserver.adapters.http_services import Services
from gameserver.ids import PlayerId
from gameserver.notification import KEEP_MS_MAX, Notification

BAD_NOTIFICATION = Kind("bad_notification", 422, "A notification cannot be like this.")
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Said = Annotated[str, Meta(max_length=1_024)] | float | bool | None


class NotifiedAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to tell."""

    player_id: Annotated[str, Meta(pattern=r"^[!-~]{1,128}$")]


class NotificationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``kind``: a word that the client knows; ``data``: 1,024 bytes of JSON at most; ``keep_ms``:
    how long it waits for a player who is not connected, 0 for not at all."""

    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    data: Annotated[dict[Name, Said], Meta(max_length=32)] = {}
    keep_ms: Annotated[int, Meta(ge=0, le=KEEP_MS_MAX)] = 0


async def _notify(services: Services, call: Call[NotifiedAsked, NotificationBody]) -> Reply:
    body, player = call.body, PlayerId(call.params.player_id)
    try:
        told = Notification(kind=body.kind, data=body.data, keep_ms=body.keep_ms)
    except ValueError as error:
        raise Problem(BAD_NOTIFICATION, f"A notification cannot be like this: {error}.") from None
    services.notifier.notify(player, told)
    return Reply(status=202)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/admin/players/{player_id}/notifications",
        tag="operators",
        summary="Notify a player wherever they are connected",
        description="202: it is on its way; whether anybody hears it is not told.",
        caller=Caller.OPERATOR,
        rate=Rate.OPERATE,
        handler=_notify,
        params=NotifiedAsked,
        body=NotificationBody,
        answers={202: None},
        problems=(BAD_NOTIFICATION,),
        idempotent=True,
    ),
)
