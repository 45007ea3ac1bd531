"""Accounts of players, through the user pool of Amazon Cognito."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters.http_auth import Tokens
from gameserver.adapters.http_problem import Kind
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate
from gameserver.adapters.http_services import Services

# The bounds of all bodies are Cognito's.
Username = Annotated[str, Meta(min_length=1, max_length=128)]
Password = Annotated[str, Meta(min_length=1, max_length=256)]


class LoginBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credentials."""

    username: Username
    password: Password


class RefreshBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a log-in gave."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=8192)]


# Whether a user exists is nobody's business, so a wrong name and a wrong password look alike.
WRONG_CREDENTIALS = Kind("wrong_credentials", 401, "User name or password is wrong.")
WRONG_REFRESH_TOKEN = Kind("wrong_refresh_token", 401, "The session has ended; log in again.")
REFUSED = (
    Kind("user_not_confirmed", 403, "Confirm the account first."),
    Kind("password_reset_required", 403, "Reset the password first."),
    Kind("login_refused", 403, "The user pool refused the log-in."),
    Kind("challenge_required", 403, "Answer a challenge of the user pool first."),
)


async def _log_in(services: Services, call: Call[Nothing, LoginBody]) -> Tokens:
    return await services.login.login(call.body.username, call.body.password)


async def _refresh(services: Services, call: Call[Nothing, RefreshBody]) -> Tokens:
    return await services.login.refresh(call.body.refresh_token)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/auth/login",
        tag="accounts",
        summary="Tokens for a user name and a password",
        caller=Caller.PUBLIC,
        rate=Rate.AUTH,
        handler=_log_in,
        body=LoginBody,
        answers={200: Tokens},
        problems=(WRONG_CREDENTIALS, *REFUSED),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/refresh",
        tag="accounts",
        summary="New access and ID tokens",
        description="The refresh token stays the same unless the user pool rotates it.",
        caller=Caller.PUBLIC,
        rate=Rate.AUTH,
        handler=_refresh,
        body=RefreshBody,
        answers={200: Tokens},
        problems=(WRONG_REFRESH_TOKEN, *REFUSED),
    ),
)
