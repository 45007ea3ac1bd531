"""Accounts against moto's Cognito, and against answers that moto does not know."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gameserver.adapters.http_auth import CognitoLogin
from gameserver.config import Config
from gameserver.devstack.moto import Cognito
from gameserver.errors import IdentityUnavailable, TokenRefused
from tests.adapters.http_world import SECRET


def cognito_config(cognito: Cognito) -> Config:
    return Config(
        cognito_issuer=cognito.issuer,
        cognito_client_ids=(cognito.client_id,),
        cognito_endpoint_url=cognito.endpoint_url,
        aws_region=cognito.region,
    )


async def test_cognito_log_in_and_refresh(cognito: Cognito) -> None:
    async with CognitoLogin(cognito_config(cognito)) as login:
        tokens = await login.login(cognito.demo_username, cognito.demo_password)
        assert tokens.access_token.count(".") == tokens.id_token.count(".") == 2
        assert tokens.expires_in > 0
        again = await login.refresh(tokens.refresh_token)
        assert again.access_token.count(".") == 2
        assert again.refresh_token == tokens.refresh_token


async def test_a_wrong_name_and_a_wrong_password_look_alike(cognito: Cognito) -> None:
    async with CognitoLogin(cognito_config(cognito)) as login:
        seen = set()
        for name, password in [(cognito.demo_username, "Wrong-1!"), ("nobody", "Wrong-1!")]:
            with pytest.raises(TokenRefused) as refused:
                await login.login(name, password)
            seen.add((refused.value.code, refused.value.message, refused.value.status))
        assert seen == {("wrong_credentials", "User name or password is wrong.", 401)}
        with pytest.raises(TokenRefused) as refused:
            await login.refresh("not-a-token")
        assert refused.value.status == 401


@asynccontextmanager
async def pretending(answer: Callable[[], web.Response]) -> AsyncIterator[CognitoLogin]:
    """A log-in against an endpoint that gives answers which moto does not know."""

    async def handle(request: web.Request) -> web.Response:
        return answer()

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = Config(
        cognito_client_ids=("c",),
        cognito_endpoint_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
        http_timeout_ms=2_000,
    )
    try:
        async with CognitoLogin(config) as login:
            yield login
    finally:
        await runner.cleanup()


def failing(code: str, *, status: int = 400) -> Callable[[], web.Response]:
    body = json.dumps({"__type": code, "message": "as told"})
    return lambda: web.Response(
        body=body.encode(), status=status, content_type="application/x-amz-json-1.1"
    )


@pytest.mark.parametrize(
    ("cognito_code", "code", "status"),
    [
        ("UserNotConfirmedException", "user_not_confirmed", 403),
        ("PasswordResetRequiredException", "password_reset_required", 403),
        ("UserNotFoundException", "wrong_credentials", 401),
        ("NotAuthorizedException", "wrong_credentials", 401),
    ],
)
async def test_what_cognito_refuses(cognito_code: str, code: str, status: int) -> None:
    async with pretending(failing(cognito_code)) as login:
        with pytest.raises(TokenRefused) as refused:
            await login.login("ann", SECRET)
    assert (refused.value.code, refused.value.status) == (code, status)


@pytest.mark.parametrize(
    "answer",
    [
        failing("TooManyRequestsException"),
        failing("InternalErrorException", status=500),
        failing("ResourceNotFoundException"),
        lambda: web.Response(status=502, text="<html>"),
    ],
)
async def test_what_cognito_cannot_answer_now(answer: Callable[[], web.Response]) -> None:
    async with pretending(answer) as login:
        with pytest.raises(IdentityUnavailable):
            await login.login("ann", SECRET)


async def test_a_challenge_is_named() -> None:
    body = json.dumps({"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s"}).encode()
    answer = lambda: web.Response(body=body, content_type="application/x-amz-json-1.1")  # noqa: E731
    async with pretending(answer) as login:
        with pytest.raises(TokenRefused, match="new_password_required") as refused:
            await login.login("ann", SECRET)
    assert (refused.value.code, refused.value.status) == ("challenge_required", 403)
