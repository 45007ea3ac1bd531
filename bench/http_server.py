"""The servers of ``bench.http``: ``python -m bench.http_server api|bare CORE``.

It prints its port and a token that it takes as one line of JSON, then serves until it is ended.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
import msgspec
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from gameserver.adapters.cognito import CognitoVerifier
from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_services import Services
from gameserver.adapters.wall_clock import WallClock
from gameserver.cluster.revocations import GuardedVerifier
from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_games
from gameserver.metrics import Metrics
from gameserver.ports import Identity

ISSUER, CLIENT = "https://pool.example", "client"
MANY = 10_000_000


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A running match."""

    id: str
    game: str = "arena"
    mode: str = "standard"
    players: int = 5
    players_max: int = 8
    tick: int = 12_345
    state: str = "running"


@dataclass(frozen=True, slots=True)
class Listed:
    """What the API lists."""

    games: Mapping[str, AnyGame]
    running: Sequence[Shown] = field(default_factory=list)

    def listing(self) -> Sequence[Shown]:
        return self.running


class Key:
    """A key set of one key."""

    def __init__(self, private: RSAPrivateKey) -> None:
        self._public = private.public_key()

    async def key(self, kid: str) -> Any:
        return self._public


class Nobody:
    """No session was revoked, and nothing else is asked for."""

    current = None

    def check(self, identity: Identity) -> None:
        """Nobody is refused."""


def services(key: RSAPrivateKey) -> Services:
    """The API's, with what is behind it in memory."""
    config = Config(
        http_host="127.0.0.1",
        http_port=0,
        cognito_client_ids=(CLIENT,),
        reads_per_minute=MANY,
        reads_per_address_per_minute=MANY,
    )
    metrics, nobody = Metrics(), Nobody()
    keys: Any = Key(key)
    anything: Any = nobody
    verifier = CognitoVerifier(
        keys,
        issuer=ISSUER,
        client_ids=[CLIENT],
        clock=WallClock(),
        leeway_ms=0,
        metrics=metrics,
    )
    return Services(
        config=config,
        clock=WallClock(),
        verifier=GuardedVerifier(verifier, anything),
        tickets=anything,
        accounts=anything,
        matches=Listed(
            load_games(config.games), [Shown(id=f"m{number:025d}") for number in range(2_000)]
        ),
        maintenance=anything,
        revocations=anything,
        metrics=metrics,
        answers=anything,
        replays=anything,
        matchmaking=anything,
        ready=lambda: None,
    )


def token(key: RSAPrivateKey) -> str:
    """As an operator of a user pool issues them."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "5f0b9a1c-6c5e-4f5e-9d3e-0d6f1f0c9a11",
        "token_use": "access",
        "client_id": CLIENT,
        "username": "ada",
        "iat": now,
        "auth_time": now,
        "exp": now + 3600,
        "origin_jti": "0c5f0f5e-7b0c-4f0e-8d4e-4f2f1f7b6a22",
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k"})


async def bare(api_port: int, bearer: str) -> int:
    """A plain aiohttp server that sends what the API has answered once."""
    answers: dict[str, bytes] = {}
    app = web.Application()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {bearer}"}) as http:
        for query in ("/v1/matches", "/v1/matches?game=arena&limit=20", "/v1/games"):
            async with http.get(f"http://127.0.0.1:{api_port}{query}") as answer:
                answers[query] = await answer.read()

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=answers[request.path_qs], content_type="application/json")

    for path in ("/v1/matches", "/v1/games"):
        app.router.add_get(path, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def serve(kind: str) -> None:
    """Serve until ended."""
    key = generate_private_key(public_exponent=65_537, key_size=2048)
    api = HttpApi(services(key))
    port, bearer = await api.start(), token(key)
    if kind == "bare":
        port = await bare(port, bearer)
    gc.collect()
    gc.freeze()
    print(json.dumps({"port": port, "token": bearer}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    uvloop.run(serve(sys.argv[1]))
