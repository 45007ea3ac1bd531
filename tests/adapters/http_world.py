"""The HTTP API over real sockets, with small stand-ins for all that is behind it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from gameserver.adapters.http_api import HttpApi
from gameserver.adapters.http_auth import WRONG_CREDENTIALS, Tokens
from gameserver.adapters.http_endpoints import ENDPOINTS
from gameserver.adapters.http_problem import Problem
from gameserver.adapters.http_routes import Endpoint
from gameserver.adapters.http_services import Services
from gameserver.adapters.wall_clock import WallClock
from gameserver.config import Config
from gameserver.errors import TokenRefused
from gameserver.friendship import FriendDesk
from gameserver.games.arena import Arena
from gameserver.ids import MatchId, PlayerId
from gameserver.listing import Catalogue, Listed, Visibility
from gameserver.lobby.entry import Lobby, NoRatings
from gameserver.metrics import Metrics
from gameserver.players.port import ProfileDesk
from gameserver.ports import Identity, TokenVerifier
from gameserver.replay.theatre import Theatre
from tests.fakes.memory_answers import MemoryAnswers
from tests.fakes.memory_calls import MemoryCalls
from tests.fakes.memory_hosting import MemoryHosting
from tests.fakes.memory_maintenance import MemoryMaintenance
from tests.fakes.memory_matchmaking import MemoryMatchmaking
from tests.fakes.memory_notifier import MemoryNotifier
from tests.fakes.memory_operating import MemoryAudit, MemoryBans, MemoryOperations
from tests.fakes.memory_parties import MemoryParties, MemoryPartyNews, desk_in_memory
from tests.fakes.memory_recordings import MemoryRecordings
from tests.fakes.memory_records import MemoryRecords
from tests.fakes.memory_revocations import MemoryRevocations
from tests.fakes.memory_watching import MemoryFigures, MemoryLetters, MemoryPeople


def wall_ms() -> float:
    return WallClock().wall_ms()


PAGE = "https://play.example"
LONG_MS = 4_000_000_000_000
SECRET = "correct-horse-battery"


def info(match_id: str, **differs: Any) -> Listed:
    """A running match."""
    usual = Listed(
        id=MatchId(match_id),
        game="arena",
        mode="standard",
        players=3,
        players_max=8,
        seats_open=5,
        tick=40,
        state="running",
        node="n1",
        created_ms=1,
        title="Come and play",
        visibility=Visibility.PUBLIC,
    )
    return msgspec.structs.replace(usual, **differs)


@dataclass
class World:
    """Everything behind the API; a test changes what it needs."""

    failure: Exception | None = None
    reason: str | None = None
    games: dict[str, Any] = field(default_factory=lambda: {"arena": Arena()})
    running: list[Listed] = field(default_factory=list)
    history: MemoryRecords | None = field(default_factory=MemoryRecords)
    hosting: MemoryHosting = field(default_factory=MemoryHosting)
    operations: MemoryOperations = field(default_factory=MemoryOperations)
    bans: MemoryBans = field(default_factory=MemoryBans)
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    verifier: TokenVerifier | None = None
    delay_s: float = 0
    metrics: Metrics = field(default_factory=Metrics)
    maintenance: MemoryMaintenance = field(default_factory=MemoryMaintenance)
    revocations: MemoryRevocations = field(default_factory=MemoryRevocations)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    answers: MemoryAnswers = field(default_factory=MemoryAnswers)
    profiles: ProfileDesk | None = None
    queues: MemoryMatchmaking = field(default_factory=lambda: MemoryMatchmaking(wall_ms))
    parties: MemoryParties = field(default_factory=lambda: MemoryParties(wall_ms, away_ms=600_000))
    party_news: MemoryPartyNews = field(default_factory=MemoryPartyNews)
    nodes: MemoryCalls = field(default_factory=MemoryCalls)
    passes: dict[str, Identity] = field(default_factory=dict)
    recordings: MemoryRecordings = field(default_factory=MemoryRecordings)
    friends: FriendDesk | None = None
    notifier: MemoryNotifier = field(default_factory=MemoryNotifier)
    figures: MemoryFigures = field(default_factory=MemoryFigures)
    people: MemoryPeople = field(default_factory=MemoryPeople)
    letters: MemoryLetters | None = field(default_factory=MemoryLetters)

    async def current(self) -> Catalogue:
        return Catalogue(self.running)

    async def verify(self, token: str) -> Identity:
        if self.failure:
            raise self.failure
        if token != "good":
            raise TokenRefused("expired", "The token has ended.")
        return Identity(
            player_id=PlayerId("ann"),
            name="Ann",
            groups=(),
            expires_ms=LONG_MS,
            token_use="access",
            origin_jti="o-1",
            auth_ms=1_000,
        )

    async def issue(self, identity: Identity) -> str:
        if self.failure:
            raise self.failure
        return f"ticket-of-{identity.player_id}"

    async def redeem(self, ticket: str) -> Identity:
        if ticket not in self.passes:
            raise TokenRefused("bad_ticket", "the ticket was used or is too old")
        return self.passes.pop(ticket)

    async def login(self, username: str, password: str) -> Tokens:
        await asyncio.sleep(self.delay_s)
        if self.failure:
            raise self.failure
        if password != SECRET:
            raise Problem(WRONG_CREDENTIALS)
        return Tokens(access_token="a", id_token="i", refresh_token="r", expires_in=3600)

    async def refresh(self, refresh_token: str) -> Tokens:
        return Tokens(access_token="a2", id_token="i2", refresh_token=refresh_token, expires_in=60)

    async def sign_up(self, *given: str) -> None:
        await self._called("sign_up", *given)

    async def confirm(self, *given: str) -> None:
        await self._called("confirm", *given)

    async def resend(self, *given: str) -> None:
        await self._called("resend", *given)

    async def revoke(self, *given: str) -> None:
        await self._called("revoke", *given)

    async def sign_out_everywhere(self, *given: str) -> None:
        await self._called("sign_out_everywhere", *given)

    async def forgot(self, *given: str) -> None:
        await self._called("forgot", *given)

    async def reset(self, *given: str) -> None:
        await self._called("reset", *given)

    async def _called(self, *call: str) -> None:
        await asyncio.sleep(self.delay_s)
        if self.failure:
            raise self.failure
        self.calls.append(call)


class Operators(World):
    """The bearer is ``identity``."""

    identity = Identity(
        player_id=PlayerId("sub-op"),
        name="olga",
        groups=("players", "gameserver-admins"),
        expires_ms=LONG_MS,
        token_use="access",
    )

    async def verify(self, token: str) -> Identity:
        await super().verify(token)
        return self.identity


@dataclass
class Client:
    """Asks the API and takes every answer apart."""

    session: aiohttp.ClientSession
    url: str
    ssl: ssl.SSLContext | bool = True

    async def __call__(
        self, method: str, path: str, *, expect: int = 200, **options: Any
    ) -> tuple[Any, Any]:
        async with self.session.request(method, self.url + path, ssl=self.ssl, **options) as answer:
            raw = await answer.read()
            assert answer.status == expect, raw
            if expect >= 400 and method != "HEAD" and not path.startswith("/readyz"):
                assert answer.content_type == "application/problem+json"
                problem = json.loads(raw)
                assert problem["status"] == expect
                assert problem["request_id"] == answer.headers["X-Request-Id"]
                assert answer.headers["Cache-Control"] == "no-store"
            is_json = answer.content_type.endswith("json")
            return (json.loads(raw) if is_json and raw else raw), answer.headers


def services_of(world: World, **settings: Any) -> Services:
    usual: dict[str, Any] = {
        "http_host": "127.0.0.1",
        "http_port": 0,
        "cognito_client_ids": ("c",),
        "origins": (PAGE,),
        "auth_answer_ms": 1,
    }
    config = Config(**usual | settings)
    lobby = Lobby(
        games=world.games,
        store=world.queues,
        ratings=NoRatings(),
        calls=world.nodes,
        metrics=world.metrics,
        closed=lambda: None,
    )
    return Services(
        config=config,
        clock=WallClock(),
        verifier=world.verifier or world,
        tickets=world,
        accounts=world,
        revocations=world.revocations,
        matches=world,
        hosting=world.hosting,
        history=world.history,
        boards=world.history,
        operations=world.operations,
        bans=world.bans,
        audit=world.audit,
        maintenance=world.maintenance,
        replays=Theatre(config, games=world.games, recordings=world.recordings),
        metrics=world.metrics,
        answers=world.answers,
        matchmaking=lobby,
        parties=desk_in_memory(world.parties, world.party_news, lobby, world.hosting),
        ready=lambda: world.reason,
        notifier=world.notifier,
        profiles=world.profiles,
        friends=world.friends,
        figures=world.figures,
        people=world.people,
        letters=world.letters,
    )


@asynccontextmanager
async def serving(
    world: World, *, endpoints: Sequence[Endpoint] = ENDPOINTS, **settings: Any
) -> AsyncIterator[Client]:
    services = services_of(world, **settings)
    config = services.config
    api = HttpApi(services, endpoints=endpoints)
    port = await api.start()
    scheme = "https" if config.tls_cert_file else "http"
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, f"{scheme}://127.0.0.1:{port}")
    finally:
        await api.close()


BEARER = {"Authorization": "Bearer good"}
RIGHT = {"username": "ann", "password": SECRET}
