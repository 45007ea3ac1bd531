"""Accounts of players: from sign-up to signing out everywhere.

Whether somebody has an account is nobody's business: answers that could tell are the same for all,
and come no sooner than ``auth_answer_ms``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from msgspec import Meta

from gameserver.adapters import http_auth
from gameserver.adapters.http_auth import Tokens
from gameserver.adapters.http_problem import Problem
from gameserver.adapters.http_routes import Call, Caller, Endpoint, Nothing, Rate, Reply
from gameserver.adapters.http_services import Services

# The bounds of all bodies are Cognito's.
Username = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[\x21-\x7e\u00a1-\u024f]+\Z")
]
Password = Annotated[str, Meta(min_length=1, max_length=256)]
Email = Annotated[
    str, Meta(max_length=256, pattern=r"^[^\x00-\x20\x7f@]{1,64}@[^\x00-\x20\x7f@]{1,190}\Z")
]
Code = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[!-~]+\Z")]
RefreshToken = Annotated[str, Meta(min_length=1, max_length=8192, pattern=r"^[A-Za-z0-9_=.-]+\Z")]


class SignUpBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account."""

    username: Username
    password: Password
    email: Email


class ConfirmBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that was sent."""

    username: Username
    code: Code


class NameBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose account it is."""

    username: Username


class LoginBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Credentials."""

    username: Annotated[str, Meta(min_length=1, max_length=128)]
    password: Password


class RefreshBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a log-in gave."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=8192)]


class LogoutBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """With the refresh token it is worth nothing afterwards; without it, it still makes new tokens,
    which this server refuses."""

    refresh_token: RefreshToken | None = None


class ResetBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The code that was sent, and a new password."""

    username: Username
    code: Code
    password: Password


@asynccontextmanager
async def _evenly(services: Services, *, failed_only: bool = False) -> AsyncIterator[None]:
    """Ends no sooner than ``auth_answer_ms`` after its begin, so that how long Cognito took, which
    depends on whether there is an account, is not seen. It does not hide a Cognito slower than
    that, so the setting has to be above its usual time."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + services.config.auth_answer_ms / 1000
    try:
        yield
    except Problem:
        await asyncio.sleep(until_s - loop.time())
        raise
    if not failed_only:
        await asyncio.sleep(until_s - loop.time())


async def _sign_up(services: Services, call: Call[Nothing, SignUpBody]) -> Reply:
    body = call.body
    async with _evenly(services):
        await services.accounts.sign_up(body.username, body.password, body.email)
    return Reply()


async def _confirm(services: Services, call: Call[Nothing, ConfirmBody]) -> Reply:
    async with _evenly(services):
        await services.accounts.confirm(call.body.username, call.body.code)
    return Reply()


async def _resend(services: Services, call: Call[Nothing, NameBody]) -> Reply:
    async with _evenly(services):
        await services.accounts.resend(call.body.username)
    return Reply()


async def _log_in(services: Services, call: Call[Nothing, LoginBody]) -> Tokens:
    async with _evenly(services, failed_only=True):
        return await services.accounts.login(call.body.username, call.body.password)


async def _refresh(services: Services, call: Call[Nothing, RefreshBody]) -> Tokens:
    return await services.accounts.refresh(call.body.refresh_token)


async def _log_out(services: Services, call: Call[Nothing, LogoutBody]) -> Reply:
    # Cognito first: once the session is refused here, this call cannot be tried again.
    if call.body.refresh_token is not None:
        await services.accounts.revoke(call.body.refresh_token)
    await services.revocations.end_session(call.player, reason="signed out")
    return Reply()


async def _log_out_everywhere(services: Services, call: Call[Nothing, Nothing]) -> Reply:
    await services.accounts.sign_out_everywhere(call.token)
    await services.revocations.end_all(call.player.player_id, reason="signed out everywhere")
    return Reply()


async def _forgot(services: Services, call: Call[Nothing, NameBody]) -> Reply:
    async with _evenly(services):
        await services.accounts.forgot(call.body.username)
    return Reply()


async def _reset(services: Services, call: Call[Nothing, ResetBody]) -> Reply:
    body = call.body
    async with _evenly(services):
        await services.accounts.reset(body.username, body.code, body.password)
    return Reply()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/auth/sign-up",
        tag="accounts",
        summary="Make an account; a code is sent to its address",
        description="202 also where the name is taken, unless GAMESERVER_SIGNUP_TELLS_TAKEN_NAMES "
        "is set.",
        caller=Caller.PUBLIC,
        rate=Rate.MAIL,
        handler=_sign_up,
        body=SignUpBody,
        answers={202: None},
        problems=(
            http_auth.NAME_TAKEN,
            http_auth.WEAK_PASSWORD,
            http_auth.BAD_ACCOUNT,
            http_auth.SIGN_UP_REFUSED,
        ),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/confirm",
        tag="accounts",
        summary="Confirm an account with the code that was sent",
        caller=Caller.PUBLIC,
        rate=Rate.AUTH,
        handler=_confirm,
        body=ConfirmBody,
        answers={204: None},
        problems=(http_auth.WRONG_CODE,),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/resend",
        tag="accounts",
        summary="Send the code for a new account once more",
        description="202 whether there is such an account or not.",
        caller=Caller.PUBLIC,
        rate=Rate.MAIL,
        handler=_resend,
        body=NameBody,
        answers={202: None},
    ),
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
        problems=(http_auth.WRONG_CREDENTIALS, *http_auth.OF_LOG_IN),
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
        problems=(http_auth.WRONG_REFRESH_TOKEN, *http_auth.OF_LOG_IN),
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/logout",
        tag="accounts",
        summary="End this session",
        description="Its tokens are refused and its sockets closed, on all nodes.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_log_out,
        body=LogoutBody,
        answers={204: None},
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/logout-everywhere",
        tag="accounts",
        summary="End all sessions of this player",
        description="All tokens are refused and all sockets closed, on all nodes.",
        caller=Caller.PLAYER,
        rate=Rate.WRITE,
        handler=_log_out_everywhere,
        answers={204: None},
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/forgot-password",
        tag="accounts",
        summary="Send a code for a new password",
        description="202 whether there is such an account or not.",
        caller=Caller.PUBLIC,
        rate=Rate.MAIL,
        handler=_forgot,
        body=NameBody,
        answers={202: None},
    ),
    Endpoint(
        method="POST",
        path="/v1/auth/reset-password",
        tag="accounts",
        summary="Set a new password with the code that was sent",
        caller=Caller.PUBLIC,
        rate=Rate.AUTH,
        handler=_reset,
        body=ResetBody,
        answers={204: None},
        problems=(http_auth.WRONG_CODE, http_auth.WEAK_PASSWORD),
    ),
)
