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
from collections.abc import Mapping
from typing import Any

import aiohttp
import jwt
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bench.http_profile import profiles
from gameserver.adapters.cognito import CognitoVerifier
from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_profiles import OWN_PATH
from gameserver.adapters.http_services import Services
from gameserver.adapters.wall_clock import WallClock
from gameserver.cluster.bulletin import KEEP_S
from gameserver.cluster.revocations import GuardedVerifier
from gameserver.config import Config
from gameserver.game.contract import AnyGame
from gameserver.game.loader import load_games
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Catalogue, Listed, Visibility
from gameserver.metrics import Metrics
from gameserver.players.profiles import Profiles
from gameserver.ports import Identity
from gameserver.records.board import Board
from gameserver.records.leaderboard import Entry

ISSUER, CLIENT = "https://pool.example", "client"
MANY = 10_000_000
MATCHES = 2_000
PLAYER = PlayerId("5f0b9a1c-6c5e-4f5e-9d3e-0d6f1f0c9a11")
CALLS = {
    "list, a page of 100 of 2,000": "/v1/matches",
    "list, a page of 20 of 2,000": "/v1/matches?game=arena&limit=20",
    "list by title and open seats": "/v1/matches?text=play&seats=2&order=fullest&limit=20",
    "one match": f"/v1/matches/m{7:025d}",
    "leaderboard, the best 50": "/v1/leaderboards/arena/standard",
    "own profile": OWN_PATH,
    "games": "/v1/games",
}


def listed(number: int) -> Listed:
    """A running match."""
    return Listed(
        id=MatchId(f"m{number:025d}"),
        game="arena",
        mode="standard",
        players=5,
        players_max=8,
        seats_open=3,
        tick=12_345,
        state="running",
        node="n1",
        created_ms=1_790_000_000_000 + number,
        title="Come and play",
        visibility=Visibility.PUBLIC,
    )


class Shown:
    """What the API lists: looked at anew as often as a node does."""

    def __init__(self, games: Mapping[str, AnyGame]) -> None:
        self.games = games
        self._matches = [listed(number) for number in range(MATCHES)]
        self._catalogue = Catalogue(self._matches)
        self._until = 0.0

    async def current(self) -> Catalogue:
        """The matches."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._catalogue, self._until = Catalogue(self._matches), now + KEEP_S
        return self._catalogue


class Best:
    """A leaderboard, as if found in the node's near cache."""

    def __init__(self) -> None:
        self._entries = [
            Entry(player=f"{number:032d}", name=f"Player {number}", rank=number, score=1e6 - number)
            for number in range(1, 101)
        ]

    async def top(self, board: Board, places: int, offset: int) -> tuple[list[Entry], int]:
        """The best."""
        return self._entries[:places], 1_000_000


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


def services(key: RSAPrivateKey, profiles: Profiles) -> Services:
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
    boards: Any = Best()
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
        matches=Shown(load_games(config.games)),
        hosting=anything,
        parties=anything,
        history=anything,
        boards=boards,
        operations=anything,
        bans=anything,
        audit=anything,
        maintenance=anything,
        revocations=anything,
        metrics=metrics,
        answers=anything,
        replays=anything,
        matchmaking=anything,
        ready=lambda: None,
        profiles=profiles,
        notifier=anything,
        figures=anything,
        people=anything,
    )


def token(key: RSAPrivateKey) -> str:
    """As an operator of a user pool issues them."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": PLAYER,
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
        for query in CALLS.values():
            async with http.get(f"http://127.0.0.1:{api_port}{query}") as answer:
                answers[query] = await answer.read()

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=answers[request.path_qs], content_type="application/json")

    for path in {query.partition("?")[0] for query in CALLS.values()}:
        app.router.add_get(path, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


async def serve(kind: str) -> None:
    """Serve until ended."""
    key = generate_private_key(public_exponent=65_537, key_size=2048)
    api = HttpApi(services(key, await profiles(PLAYER)))
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
