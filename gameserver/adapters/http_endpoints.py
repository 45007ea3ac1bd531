"""All endpoints of the HTTP API.

A new resource is a module with its own ``ENDPOINTS``, named here."""

from __future__ import annotations

from functools import cache

from gameserver.adapters import (
    http_accounts,
    http_admin,
    http_audit,
    http_bans,
    http_boards,
    http_friends,
    http_health,
    http_history,
    http_letters,
    http_lobby,
    http_matches,
    http_matchmaking,
    http_notifications,
    http_openapi,
    http_operators,
    http_overview,
    http_parties,
    http_people,
    http_profiles,
    http_replay,
    http_tickets,
)
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply, Text
from gameserver.adapters.http_services import Services

_DOCUMENT = Text("application/openapi+json")


async def _show_document(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    return Reply(value=openapi())


ENDPOINTS: tuple[Endpoint, ...] = (
    *http_accounts.ENDPOINTS,
    *http_tickets.ENDPOINTS,
    *http_matches.ENDPOINTS,
    *http_profiles.ENDPOINTS,
    *http_friends.ENDPOINTS,
    *http_matchmaking.ENDPOINTS,
    *http_replay.ENDPOINTS,
    *http_lobby.ENDPOINTS,
    *http_parties.ENDPOINTS,
    *http_history.ENDPOINTS,
    *http_boards.ENDPOINTS,
    *http_admin.ENDPOINTS,
    *http_operators.ENDPOINTS,
    *http_bans.ENDPOINTS,
    *http_overview.ENDPOINTS,
    *http_people.ENDPOINTS,
    *http_letters.ENDPOINTS,
    *http_audit.ENDPOINTS,
    *http_notifications.ENDPOINTS,
    Endpoint(
        method="GET",
        path="/v1/openapi.json",
        tag="document",
        summary="This document",
        caller=Caller.PUBLIC,
        rate=Rate.READ,
        handler=_show_document,
        answers={200: _DOCUMENT},
    ),
    *http_health.ENDPOINTS,
)


@cache
def openapi() -> bytes:
    """The OpenAPI document of ``ENDPOINTS``, as JSON."""
    return http_openapi.encoded(ENDPOINTS)
