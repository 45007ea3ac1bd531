"""When the key set is fetched, and what happens when that fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa

from gameserver.adapters.jwks import BODY_BYTES_MAX, KEYS_MAX, JwksCache, parse_key_set
from gameserver.errors import IdentityUnavailable
from gameserver.metrics import Metrics
from tests.adapters.jwks_server import JwksServer, jwk
from tests.adapters.ws_peer import until

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
SHORT = rsa.generate_private_key(public_exponent=65_537, key_size=1024)
HOUR_MS = 3_600_000


@pytest_asyncio.fixture
async def server() -> AsyncIterator[JwksServer]:
    server = JwksServer()
    server.keys = [jwk(KEY, "k1")]
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture
async def make(server: JwksServer) -> AsyncIterator[Any]:
    caches: list[JwksCache] = []
    async with aiohttp.ClientSession() as http:

        def make(*, cooldown_ms: int = HOUR_MS, max_age_ms: int = HOUR_MS, **more: Any) -> Any:
            cache = JwksCache(
                server.url,
                http=http,
                cooldown_ms=cooldown_ms,
                max_age_ms=max_age_ms,
                metrics=Metrics(),
                **more,
            )
            caches.append(cache)
            return cache

        yield make
        for cache in caches:
            await cache.close()


async def test_fetched_once_for_all_who_wait(server, make) -> None:
    cache = make()
    server.go.clear()
    waiting = [asyncio.create_task(cache.key("k1")) for _ in range(20)]
    await until(lambda: server.asked == 1)
    waiting[0].cancel()  # one client hangs up; the others still get their key
    server.go.set()
    keys = await asyncio.gather(*waiting[1:])
    assert {key.public_numbers() for key in keys} == {KEY.public_key().public_numbers()}
    assert await cache.key("k1") is not None
    assert server.asked == 1


async def test_unknown_kid_waits_for_the_cooldown(server, make) -> None:
    cache = make()
    assert await cache.key("k1") is not None
    for _ in range(10):
        assert await cache.key("forged") is None
    assert server.asked == 1


async def test_rotation_is_noticed_after_the_cooldown(server, make) -> None:
    cache = make(cooldown_ms=1)
    assert await cache.key("k1") is not None
    server.keys = [jwk(KEY, "k2")]
    await asyncio.sleep(0.002)
    assert await cache.key("k2") is not None
    assert server.asked == 2


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500},
        {"status": 302, "location": "/jwks.json"},
        {"body": b"not json"},
        {"body": b"[]"},
        {"body": b'{"keys": 5}'},
        {"body": b'{"keys": []}'},
        {"body": b'{"keys": ["\xff"]}'},
        {"body": b"x" * (BODY_BYTES_MAX + 1)},
        {"body": b'{"keys":' + b"[" * 10_000 + b"]" * 10_000 + b"}"},
        {"keys": [jwk(KEY, "k1")] * (KEYS_MAX + 1)},
        {"keys": [jwk(SHORT, "k1")]},
    ],
    # Named by hand: the keys are new in every process, and the names must not be.
    ids=[
        "status 500",
        "redirect",
        "not JSON",
        "a list",
        "keys is a number",
        "no keys",
        "not UTF-8",
        "too big",
        "too deep",
        "too many keys",
        "a short key",
    ],
)
async def test_the_last_good_set_is_kept(server, make, trouble: dict[str, Any]) -> None:
    cache = make(cooldown_ms=1)
    assert await cache.key("k1") is not None
    for name, value in trouble.items():
        setattr(server, name, value)
    await asyncio.sleep(0.002)
    assert await cache.key("k2") is None
    assert server.asked == 2
    assert cache._metrics.jwks_errors == 1
    assert await cache.key("k1") is not None


async def test_no_set_at_all_then_one(server, make) -> None:
    cache = make(cooldown_ms=20)
    server.status = 500
    with pytest.raises(IdentityUnavailable):
        await cache.key("k1")
    with pytest.raises(IdentityUnavailable):  # within the pause: not asked again
        await cache.key("k1")
    assert server.asked == 1
    server.status = 200
    await asyncio.sleep(0.025)
    assert await cache.key("k1") is not None
    assert server.asked == 2


async def test_a_slow_answer_times_out(server, make) -> None:
    cache = make(timeout_s=0.05)
    server.go.clear()
    with pytest.raises(IdentityUnavailable):
        await cache.key("k1")
    assert cache._metrics.jwks_errors == 1


async def test_nobody_listens(make, server) -> None:
    cache = make()
    await server.close()
    with pytest.raises(IdentityUnavailable):
        await cache.key("k1")


async def test_an_old_set_serves_while_it_is_refreshed(server, make) -> None:
    cache = make(cooldown_ms=1, max_age_ms=1)
    assert await cache.key("k1") is not None
    await asyncio.sleep(0.005)
    server.go.clear()
    assert await cache.key("k1") is not None  # does not wait for the fetch
    await until(lambda: server.asked == 2)
    server.go.set()


async def test_closing_ends_a_fetch(server, make) -> None:
    cache = make()
    server.go.clear()
    waiting = asyncio.create_task(cache.key("k1"))
    await until(lambda: server.asked == 1)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_other_keys_are_passed_over() -> None:
    body = json.dumps(
        {
            "keys": [
                jwk(KEY, "encryption", use="enc"),
                jwk(KEY, "rs512", alg="RS512"),
                jwk(KEY, ""),
                jwk(KEY, "x" * 300),
                jwk(KEY, "n", n="!"),
                jwk(KEY, "huge", n="_" * 3000),
                jwk(KEY, "exponent", e="AQ"),
                jwk(KEY, "wide exponent", e="_" * 20),
                {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "a", "y": "b"},
                {"kty": 5},
                "text",
                None,
                jwk(KEY, "good"),
            ]
        }
    )
    assert list(parse_key_set(body.encode())) == ["good"]
