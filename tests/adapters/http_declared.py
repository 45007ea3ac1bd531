"""Endpoints that only tests declare."""

from __future__ import annotations

from typing import Any

import msgspec

from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services


class Done(msgspec.Struct):
    """An answer."""

    of: str = ""


async def done(services: Services, call: Call[Nothing, Nothing]) -> Done:
    return Done()


def declared(**changes: Any) -> Endpoint:
    """An endpoint for tests, with ``changes``."""
    usual: dict[str, Any] = {
        "method": "GET",
        "path": "/v1/new",
        "tag": "new",
        "summary": "New",
        "caller": Caller.PLAYER,
        "rate": Rate.READ,
        "handler": done,
        "answers": {200: Done},
    }
    return Endpoint(**usual | changes)
