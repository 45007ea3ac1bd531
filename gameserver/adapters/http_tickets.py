"""One-time passes for WebSocket clients that cannot send headers."""

from __future__ import annotations

import msgspec

from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Good for one connection. ``expires_ms``: ms since the Unix epoch."""

    ticket: str
    expires_ms: int


async def _issue(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    # Taken before the issue, so that the answer never promises more than the store keeps.
    expires_ms = services.clock.wall_ms() + services.config.ticket_ttl_ms
    ticket = await services.tickets.issue(call.player)
    expires_ms = min(expires_ms, call.player.expires_ms)
    return Reply(value=Ticket(ticket=ticket, expires_ms=expires_ms))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/tickets",
        tag="tickets",
        summary="A one-time pass for the WebSocket",
        description="Connect to /v1/play?ticket=… with it. It takes no Idempotency-Key: an answer "
        "kept would be a credential kept.",
        caller=Caller.PLAYER,
        id_token=True,
        rate=Rate.WRITE,
        handler=_issue,
        answers={201: Ticket},
    ),
)
