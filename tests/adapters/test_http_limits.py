"""How often one may call."""

from __future__ import annotations

import re

import pytest

from gameserver.adapters.client_address import limit_key
from gameserver.adapters.http_limits import KeyedLimit
from tests.adapters.http_world import BEARER, RIGHT, World, serving


def test_attempts_come_back_evenly() -> None:
    limit = KeyedLimit(60)
    assert all(limit.take("a", 0).wait_s == 0 for _ in range(60))
    assert limit.take("a", 0).wait_s == pytest.approx(1)
    taken = limit.take("a", 1)
    assert (taken.wait_s, taken.left, taken.full_s) == (0, 0, pytest.approx(60))


def test_the_limit_remembers_a_bounded_number_of_keys() -> None:
    limit = KeyedLimit(1, keys_max=3)
    for key in "abcd":
        assert limit.take(key, 0).wait_s == 0
    assert limit.take("d", 0).wait_s > 0
    assert limit.take("a", 0).wait_s == 0, "it was forgotten"


async def test_what_is_left_is_told_and_over_it_is_429() -> None:
    async with serving(World(), reads_per_minute=2) as ask:
        for left in (1, 0):
            _, headers = await ask("GET", "/v1/matches", headers=BEARER)
            assert headers["RateLimit-Policy"] == '"read";q=2;w=60'
            assert re.fullmatch(rf'"read";r={left};t=[1-9]\d?', headers["RateLimit"])
        problem, headers = await ask("GET", "/v1/matches", expect=429, headers=BEARER)
        assert problem["code"] == "too_many_requests"
        assert re.fullmatch(r'"read";r=0;t=[1-9]\d?', headers["RateLimit"])
        assert 1 <= int(headers["Retry-After"]) <= 30
        await ask("POST", "/v1/tickets", expect=201, headers=BEARER)
        _, headers = await ask("GET", "/v1/games")
        assert headers["RateLimit"].startswith('"read-address";r=')


async def test_an_address_is_limited_before_its_token_is_looked_at() -> None:
    settings = {"reads_per_address_per_minute": 2, "proxies_trusted": 1}
    async with serving(World(), **settings) as ask:

        async def read(address: str, expect: int) -> None:
            headers = {"Authorization": "Bearer bad", "X-Forwarded-For": address}
            await ask("GET", "/v1/matches", expect=expect, headers=headers)

        await read("10.0.0.1", 401)
        await read("10.0.0.1", 401)
        await read("10.0.0.1", 429)
        await read("10.0.0.2", 401)


async def test_what_is_in_front_may_name_the_caller_in_a_header_of_its_own() -> None:
    settings = {"reads_per_address_per_minute": 1, "http_address_header": "x-client-address"}
    async with serving(World(), **settings, proxies_trusted=1) as ask:

        async def read(expect: int, **headers: str) -> None:
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            sent["Authorization"] = "Bearer bad"
            await ask("GET", "/v1/matches", expect=expect, headers=sent)

        # Before X-Forwarded-For, which names the same proxy for everybody here.
        await read(401, X_Client_Address="10.0.0.1", X_Forwarded_For="10.9.9.9")
        await read(429, X_Client_Address="10.0.0.1", X_Forwarded_For="10.9.9.9")
        await read(401, X_Client_Address="2001:db8::1", X_Forwarded_For="10.9.9.9")
        await read(429, X_Client_Address="2001:db8::2", X_Forwarded_For="10.9.9.9")
        await read(401, X_Forwarded_For="10.9.9.9")


async def test_health_is_not_limited() -> None:
    async with serving(World(), reads_per_address_per_minute=1) as ask:
        for _ in range(3):
            _, headers = await ask("GET", "/healthz")
            assert "RateLimit" not in headers


async def test_mails_have_a_limit_of_their_own() -> None:
    async with serving(World(), mails_per_minute=1) as ask:
        body = {"username": "ann"}
        await ask("POST", "/v1/auth/forgot-password", expect=202, json=body)
        await ask("POST", "/v1/auth/resend", expect=429, json=body)
        await ask("POST", "/v1/auth/login", json=RIGHT)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "key"),
    [
        ("10.1.2.3", "9.9.9.9", 0, "10.1.2.3"),
        ("10.1.2.3", "6.6.6.6, 9.9.9.9", 1, "9.9.9.9"),
        ("10.1.2.3", "6.6.6.6, 9.9.9.9, 8.8.8.8", 2, "9.9.9.9"),
        ("10.1.2.3", "9.9.9.9", 5, "9.9.9.9"),
        ("10.1.2.3", None, 1, "10.1.2.3"),
        ("2001:db8:1:2:3::4", None, 0, "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", None, 0, "10.0.0.1"),
        ("fe80::1%eth0", None, 0, "fe80::/64"),
        (None, None, 0, ""),
        ("x" * 500, None, 0, "x" * 64),
    ],
)
def test_what_an_attempt_counts_for(
    peer: str | None, forwarded: str | None, proxies: int, key: str
) -> None:
    assert limit_key(peer, forwarded, proxies_trusted=proxies) == key
