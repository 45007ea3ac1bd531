"""Accounts over HTTP: what is passed on, what is answered, and whose sessions end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gameserver.adapters import http_auth
from gameserver.adapters.http_problem import Problem
from gameserver.errors import IdentityUnavailable, StoreUnavailable
from tests.adapters.http_world import BEARER, RIGHT, Client, Operators, World, serving

ANN = {"username": "ann"}
CASES: list[tuple[str, dict[str, str], int, tuple[str, ...]]] = [
    (
        "sign-up",
        {**ANN, "password": "p-w", "email": "a@b.example"},
        202,
        ("sign_up", "ann", "p-w", "a@b.example"),
    ),
    ("confirm", {**ANN, "code": "123"}, 204, ("confirm", "ann", "123")),
    ("resend", ANN, 202, ("resend", "ann")),
    ("forgot-password", ANN, 202, ("forgot", "ann")),
    (
        "reset-password",
        {**ANN, "code": "123", "password": "p-w"},
        204,
        ("reset", "ann", "123", "p-w"),
    ),
]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def ask(world: World) -> AsyncIterator[Client]:
    async with serving(world) as client:
        yield client


@pytest.mark.parametrize(("path", "body", "status", "call"), CASES)
async def test_what_is_passed_on(
    ask: Client, world: World, path: str, body: Any, status: int, call: tuple[str, ...]
) -> None:
    answer, _ = await ask("POST", f"/v1/auth/{path}", expect=status, json=body)
    assert answer == b""
    assert world.calls == [call]


@pytest.mark.parametrize(("path", "body", "status", "call"), CASES)
async def test_answers_that_could_tell_of_an_account_come_no_sooner(
    world: World, path: str, body: Any, status: int, call: tuple[str, ...]
) -> None:
    """The answer waits for a timer that is set to longer than the test."""
    for failure in (None, Problem(http_auth.WRONG_CODE)):
        world.failure = failure
        async with serving(world, auth_answer_ms=60_000) as ask:
            asked = asyncio.create_task(ask("POST", f"/v1/auth/{path}", expect=503, json=body))
            done, _ = await asyncio.wait({asked}, timeout=0.05)
            assert not done
            asked.cancel()


async def test_only_a_failed_log_in_waits(world: World) -> None:
    async with serving(world, auth_answer_ms=60_000) as ask:
        await ask("POST", "/v1/auth/login", json=RIGHT)
        wrong = {**RIGHT, "password": "no"}
        asked = asyncio.create_task(ask("POST", "/v1/auth/login", expect=401, json=wrong))
        done, _ = await asyncio.wait({asked}, timeout=0.05)
        assert not done
        asked.cancel()


@pytest.mark.parametrize(
    "email", ["", "a", "@", "a@", "@b", "a b@c", "a@b@c", "a" * 65 + "@b", "a@b\n"]
)
async def test_a_bad_address(ask: Client, world: World, email: str) -> None:
    body = {**ANN, "password": "p", "email": email}
    problem, _ = await ask("POST", "/v1/auth/sign-up", expect=400, json=body)
    assert problem["code"] == "bad_body"
    assert not world.calls


@pytest.mark.parametrize("body", [{}, {"refresh_token": "r"}])
async def test_log_out(ask: Client, world: World, body: dict[str, str]) -> None:
    await ask("POST", "/v1/auth/logout", expect=204, json=body, headers=BEARER)
    assert world.calls == [("revoke", "r")] * bool(body)
    [ended] = world.revocations.added
    assert (ended.player_id, ended.origin_jti, ended.reason) == ("ann", "o-1", "signed out")


async def test_log_out_everywhere(ask: Client, world: World) -> None:
    await ask("POST", "/v1/auth/logout-everywhere", expect=204, headers=BEARER)
    assert world.calls == [("sign_out_everywhere", "good")]
    [ended] = world.revocations.added
    assert (ended.player_id, ended.origin_jti) == ("ann", "")


@pytest.mark.parametrize("path", ["logout", "logout-everywhere"])
async def test_a_log_out_that_cognito_did_not_take_can_be_tried_again(path: str) -> None:
    world = World(verifier=Operators())
    async with serving(world) as ask:
        await fails_twice(ask, world, path)


async def fails_twice(ask: Client, world: World, path: str) -> None:
    world.failure = IdentityUnavailable("down")
    body = {"refresh_token": "r"}
    await ask("POST", f"/v1/auth/{path}", expect=503, json=body, headers=BEARER)
    assert not world.revocations.added
    world.failure = None
    world.revocations.failure = StoreUnavailable("down")
    await ask("POST", f"/v1/auth/{path}", expect=503, json=body, headers=BEARER)
    world.revocations.failure = None
    await ask("POST", f"/v1/auth/{path}", expect=204, json=body, headers=BEARER)


async def test_an_operator_ends_all_sessions_of_a_player() -> None:
    world = Operators()
    async with serving(world) as ask:
        path = "/v1/admin/players/6f1c2d-ab/sessions"
        await ask("DELETE", path, expect=204, headers=BEARER)
        [ended] = world.revocations.added
        assert (ended.player_id, ended.origin_jti) == ("6f1c2d-ab", "")
        assert ended.reason == "ended by an operator"
