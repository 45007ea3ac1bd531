"""What is read of a request: who asks, and the body."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from gameserver.adapters.http_problem import Problem
from gameserver.ports import Identity, TokenVerifier

BodyT = TypeVar("BodyT")


async def identify(request: web.Request, verifier: TokenVerifier) -> Identity:
    """Who the bearer token speaks for. Raises ``Problem`` 401 where there is none, else what
    ``TokenVerifier.verify`` raises."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(
            401,
            "token_missing",
            "Send the access token as Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return await verifier.verify(token.strip())


async def read_body(request: web.Request, body_type: type[BodyT]) -> BodyT:
    """The JSON body. Raises ``Problem`` 415 or 400."""
    # Only this content type makes a browser ask for permission first (WHATWG Fetch).
    if request.content_type != "application/json":
        raise Problem(415, "bad_content_type", "Send the body as application/json.")
    raw = await request.read()
    try:
        return msgspec.json.decode(raw, type=body_type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # msgspec names the field and the bound, never the value.
        raise Problem(400, "bad_body", f"The body is not what is asked for: {error}.") from None
