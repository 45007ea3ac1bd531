"""Accounts against moto's Cognito, and against answers that moto does not know."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gameserver.adapters import http_auth
from gameserver.adapters.http_auth import CognitoAccounts
from gameserver.adapters.http_problem import Problem
from gameserver.config import Config
from gameserver.devstack.moto import Cognito
from gameserver.errors import IdentityUnavailable
from tests.adapters.http_world import SECRET


def cognito_config(cognito: Cognito, **settings: Any) -> Config:
    return Config(
        **settings,
        cognito_issuer=cognito.issuer,
        cognito_client_ids=(cognito.client_id,),
        cognito_endpoint_url=cognito.endpoint_url,
        aws_region=cognito.region,
    )


async def test_cognito_log_in_and_refresh(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as login:
        tokens = await login.login(cognito.demo_username, cognito.demo_password)
        assert tokens.access_token.count(".") == tokens.id_token.count(".") == 2
        assert tokens.expires_in > 0
        again = await login.refresh(tokens.refresh_token)
        assert again.access_token.count(".") == 2
        assert again.refresh_token == tokens.refresh_token


async def test_a_wrong_name_and_a_wrong_password_look_alike(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as login:
        seen = set()
        for name, password in [(cognito.demo_username, "Wrong-1!"), ("nobody", "Wrong-1!")]:
            with pytest.raises(Problem) as refused:
                await login.login(name, password)
            seen.add((refused.value.kind, refused.value.detail))
        assert seen == {(http_auth.WRONG_CREDENTIALS, http_auth.WRONG_CREDENTIALS.meaning)}
        with pytest.raises(Problem) as refused:
            await login.refresh("not-a-token")
        assert refused.value.kind is http_auth.WRONG_REFRESH_TOKEN


@asynccontextmanager
async def pretending(answer: Callable[[], web.Response]) -> AsyncIterator[CognitoAccounts]:
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
        async with CognitoAccounts(config) as login:
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
        with pytest.raises(Problem) as refused:
            await login.login("ann", SECRET)
    assert (refused.value.kind.code, refused.value.kind.status) == (code, status)


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
        with pytest.raises(Problem, match="new_password_required") as refused:
            await login.login("ann", SECRET)
    assert (refused.value.kind.code, refused.value.kind.status) == ("challenge_required", 403)


# ── an account's life ────────────────────────────────────────────────────────────────────────────


async def new_account(accounts: CognitoAccounts) -> tuple[str, str]:
    name, password = f"new-{uuid.uuid4().hex[:8]}", "A-Password-1"
    await accounts.sign_up(name, password, f"{name}@example.com")
    return name, password


async def test_from_sign_up_to_signing_out(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        name, password = await new_account(accounts)
        with pytest.raises(Problem) as refused:
            await accounts.login(name, password)
        assert refused.value.kind is http_auth.NOT_CONFIRMED
        await accounts.resend(name)
        await accounts.confirm(name, "123456")
        tokens = await accounts.login(name, password)
        await accounts.refresh(tokens.refresh_token)
        await accounts.revoke(tokens.refresh_token)
        await accounts.revoke(tokens.refresh_token)
        with pytest.raises(Problem) as refused:
            await accounts.refresh(tokens.refresh_token)
        assert refused.value.kind is http_auth.WRONG_REFRESH_TOKEN


async def test_signing_out_everywhere_ends_all_refresh_tokens(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        name, password = await new_account(accounts)
        await accounts.confirm(name, "123456")
        one, two = [await accounts.login(name, password) for _ in range(2)]
        await accounts.sign_out_everywhere(one.access_token)
        await accounts.sign_out_everywhere(one.access_token)
        for tokens in (one, two):
            with pytest.raises(Problem) as refused:
                await accounts.refresh(tokens.refresh_token)
            assert refused.value.kind is http_auth.WRONG_REFRESH_TOKEN


async def test_a_forgotten_password(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        name, password = await new_account(accounts)
        await accounts.confirm(name, "123456")
        await accounts.forgot(name)
        with pytest.raises(Problem) as refused:
            await accounts.reset(name, "moto-confirmation-code:wrong", "B-Password-2")
        assert refused.value.kind is http_auth.WRONG_CODE
        await accounts.reset(name, "123456", "B-Password-2")
        with pytest.raises(Problem) as refused:
            await accounts.login(name, password)
        assert refused.value.kind is http_auth.WRONG_CREDENTIALS
        await accounts.login(name, "B-Password-2")


async def test_a_taken_name_is_told_of_only_if_the_settings_say_so(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        await accounts.sign_up(cognito.demo_username, "A-Password-1", "a@example.com")
        await accounts.login(cognito.demo_username, cognito.demo_password)
    public = cognito_config(cognito, signup_tells_taken_names=True)
    async with CognitoAccounts(public) as accounts:
        with pytest.raises(Problem) as refused:
            await accounts.sign_up(cognito.demo_username, "A-Password-1", "a@example.com")
        assert refused.value.kind is http_auth.NAME_TAKEN


async def test_a_weak_password(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        with pytest.raises(Problem) as refused:
            await accounts.sign_up("weak", "short", "weak@example.com")
        assert refused.value.kind is http_auth.WEAK_PASSWORD


async def test_who_has_no_account_is_told_what_everybody_is_told(cognito: Cognito) -> None:
    async with CognitoAccounts(cognito_config(cognito)) as accounts:
        for call in (accounts.resend, accounts.forgot):
            await call("nobody-of-that-name")
            await call(cognito.demo_username)


CODES = ["CodeMismatchException", "ExpiredCodeException", "UserNotFoundException"]
CODES += ["NotAuthorizedException", "LimitExceededException", "TooManyFailedAttemptsException"]


@pytest.mark.parametrize("cognito_code", CODES)
async def test_all_that_is_wrong_with_a_code_looks_alike(cognito_code: str) -> None:
    async with pretending(failing(cognito_code)) as accounts:
        for call in (accounts.confirm("ann", "1"), accounts.reset("ann", "1", SECRET)):
            with pytest.raises(Problem) as refused:
                await call
            assert refused.value.kind is http_auth.WRONG_CODE


@pytest.mark.parametrize("cognito_code", ["UserNotFoundException", "LimitExceededException"])
async def test_nothing_is_told_of_a_code_that_was_not_sent(cognito_code: str) -> None:
    async with pretending(failing(cognito_code)) as accounts:
        await accounts.forgot("ann")
        await accounts.resend("ann")
