"""The page and everything it talks to, in this process: page server, HTTP API, WebSocket server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
from aiohttp import web
from redis.asyncio import Redis

from gameserver.adapters.cognito import CognitoVerifier
from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_auth import CognitoAccounts
from gameserver.adapters.http_services import Services
from gameserver.adapters.jwks import JwksCache
from gameserver.adapters.network_sim import Conditions, NetworkSimulation
from gameserver.adapters.redis_tickets import RedisTickets
from gameserver.adapters.wall_clock import SystemEntropy, WallClock
from gameserver.adapters.ws_server import WsServer
from gameserver.config import Config
from gameserver.devstack.moto import Cognito
from gameserver.devstack.tokens import bot_name, bot_player
from gameserver.lobby.entry import Lobby, NoRatings
from gameserver.metrics import Metrics
from gameserver.replay.theatre import Theatre
from gameserver.session.gate import SessionGate
from tests.browser.bots import Bots
from tests.browser.room import Rooms
from tests.fakes.memory_answers import MemoryAnswers
from tests.fakes.memory_calls import MemoryCalls
from tests.fakes.memory_hosting import MemoryHosting
from tests.fakes.memory_matchmaking import MemoryMatchmaking
from tests.fakes.memory_notifier import MemoryNotifier
from tests.fakes.memory_operating import MemoryAudit, MemoryBans, MemoryOperations
from tests.fakes.memory_parties import MemoryParties, MemoryPartyNews, desk_in_memory
from tests.fakes.memory_recordings import MemoryRecordings
from tests.fakes.memory_revocations import MemoryRevocations
from tests.fakes.memory_watching import MemoryFigures, MemoryPeople
from tests.replay.played import GAMES as RECORDED

WEB = Path(__file__).resolve().parents[2] / "web"


class Stage:
    """``async with Stage(cognito, valkey_url) as stage``: open ``stage.page_url``."""

    def __init__(self, cognito: Cognito, redis_url: str, *, redis_prefix: str = "stage") -> None:
        self.cognito = cognito
        self.config = Config(
            ws_host="127.0.0.1",
            ws_port=0,
            http_host="127.0.0.1",
            http_port=0,
            cognito_issuer=cognito.issuer,
            cognito_jwks_url=cognito.jwks_url,
            cognito_client_ids=(cognito.client_id,),
            cognito_endpoint_url=cognito.endpoint_url,
            redis_url=redis_url,
            redis_prefix=redis_prefix,
        )
        self.metrics = Metrics()
        self.rooms = Rooms()
        self.recordings = MemoryRecordings()
        self.not_ready: str | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        stack = self._stack
        page_port = await self._serve_page()
        self.page_url = f"http://127.0.0.1:{page_port}"
        self.config = msgspec.structs.replace(self.config, origins=(self.page_url,))
        config, metrics, clock = self.config, self.metrics, WallClock()
        http = await stack.enter_async_context(aiohttp.ClientSession())
        keys = JwksCache(
            config.cognito_jwks_url,
            http=http,
            cooldown_ms=config.jwks_cooldown_ms,
            max_age_ms=config.jwks_max_age_ms,
            metrics=metrics,
        )
        self.verifier = CognitoVerifier(
            keys,
            issuer=config.cognito_issuer,
            client_ids=config.cognito_client_ids,
            clock=clock,
            leeway_ms=config.token_leeway_ms,
            metrics=metrics,
        )
        redis = Redis.from_url(config.redis_url)
        stack.push_async_callback(redis.aclose)
        self.tickets = RedisTickets(
            redis,
            prefix=config.redis_prefix,
            ttl_ms=config.ticket_ttl_ms,
            clock=clock,
            metrics=metrics,
        )
        accounts = await stack.enter_async_context(CognitoAccounts(config))
        self.revocations = MemoryRevocations()
        self.rooms.start()
        stack.push_async_callback(self.rooms.stop)
        hosting = MemoryHosting()
        lobby = Lobby(
            games=self.rooms.games,
            store=MemoryMatchmaking(clock.wall_ms),
            ratings=NoRatings(),
            calls=MemoryCalls(),
            metrics=metrics,
            closed=lambda: None,
        )
        api = HttpApi(
            Services(
                config=config,
                clock=clock,
                verifier=self.verifier,
                tickets=self.tickets,
                accounts=accounts,
                matches=self.rooms,
                hosting=hosting,
                history=None,
                boards=None,
                operations=MemoryOperations(),
                bans=MemoryBans(),
                audit=MemoryAudit(),
                maintenance=self.rooms.maintenance,
                revocations=self.revocations,
                replays=Theatre(config, games=RECORDED, recordings=self.recordings),
                metrics=metrics,
                answers=MemoryAnswers(),
                matchmaking=lobby,
                parties=desk_in_memory(
                    MemoryParties(clock.wall_ms, away_ms=config.party_away_ms),
                    MemoryPartyNews(),
                    lobby,
                    hosting,
                ),
                ready=lambda: self.not_ready,
                notifier=MemoryNotifier(),
                figures=MemoryFigures(),
                people=MemoryPeople(),
            )
        )
        self.api_url = f"http://127.0.0.1:{await api.start()}"
        stack.push_async_callback(api.close)
        self._ws_port = 0
        await self.open_doors()
        stack.push_async_callback(self.close_doors)
        self.bots = Bots(self.ws_url, self.cognito)
        stack.push_async_callback(self.bots.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def open_doors(self) -> None:
        """Accept players, on the same port as before."""
        config = msgspec.structs.replace(self.config, ws_port=self._ws_port)
        self.gate = SessionGate(
            config=config,
            verifier=self.verifier,
            tickets=self.tickets,
            matches=self.rooms,
            clock=WallClock(),
            entropy=SystemEntropy(),
            metrics=self.metrics,
            revocations=self.revocations,
            bans=MemoryBans(),
        )
        # As the node of `make run` has it: a client may ask for a bad connection.
        network = NetworkSimulation(Conditions(), seed=1)
        self._ws = WsServer(config, self.gate, self.metrics, network=network)
        self._ws_port = await self._ws.start()
        self.ws_url = f"ws://127.0.0.1:{self._ws_port}"

    async def close_doors(self) -> None:
        """Lose every connection and accept none."""
        await self._ws.close()

    async def _serve_page(self) -> int:
        app = web.Application()
        app.router.add_get("/config.json", self._settings)
        app.router.add_post("/dev/bots", self._call_bots)
        app.router.add_post("/dev/tokens", self._mint_tokens)
        app.router.add_get("/", self._index)
        app.router.add_static("/", WEB)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(WEB / "index.html")

    async def _settings(self, request: web.Request) -> web.Response:
        demo = {"username": self.cognito.demo_username, "password": self.cognito.demo_password}
        return web.json_response(
            {"ws_url": self.ws_url, "api_url": self.api_url, "dev": True, "demo": demo}
        )

    async def _mint_tokens(self, request: web.Request) -> web.Response:
        number = int(request.query.get("first", "9"))
        token = self.cognito.token(bot_player(number), username=bot_name(number))
        return web.json_response({"tokens": [token]})

    async def _call_bots(self, request: web.Request) -> web.Response:
        query = request.query
        self.bots.call(int(query["count"]), game=query["game"], mode=query["mode"])
        return web.json_response({"called": int(query["count"])}, status=202)
