"""A connection, matches and a verifier that a session can be put between."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame as WsFrame
from websockets.protocol import State as WsState
from websockets.uri import parse_uri

from gameserver.config import Config
from gameserver.errors import JoinRefused, TokenRefused
from gameserver.game.contract import AnyGame, LeaveReason
from gameserver.game.loader import load_games
from gameserver.hot import Line
from gameserver.ids import MatchId, PlayerId, SessionId
from gameserver.metrics import Metrics
from gameserver.ports import Identity, Seated, Subscriber
from gameserver.session.gate import SessionGate
from gameserver.session.services import Services
from gameserver.session.session import Session
from gameserver.wire import codec, from_client, to_client
from gameserver.wire.close_codes import CloseCode
from gameserver.wire.codec import Format
from tests.fakes.clock import SeededEntropy
from tests.fakes.memory_operating import MemoryBans
from tests.fakes.memory_revocations import MemoryRevocations

NOW_MS = 1_800_000_000_000
GAMES = load_games(["echo"])


def identity(player: str = "p1", *, expires_in_s: float = 3600) -> Identity:
    return Identity(
        player_id=PlayerId(player),
        name=player,
        groups=(),
        expires_ms=NOW_MS + int(expires_in_s * 1000),
        token_use="access",
    )


class FixedClock:
    def wall_ms(self) -> int:
        return NOW_MS


class FakeConnection:
    """Collects what is written; ``writable`` is set by the test."""

    def __init__(self, format: Format = Format.MSGPACK) -> None:
        self.format = format
        self.remote = "127.0.0.1"
        self.writable = True
        self.written: list[bytes] = []
        self.closed_with: CloseCode | None = None
        self.gone = asyncio.Event()
        self.is_polled = False
        self.line = Line()
        self.line.connection = self  # type: ignore[assignment]

    def write(self, frame: bytes) -> None:
        if self.closed_with is None:
            self.written.append(frame)

    def polled(self, polled: bool) -> None:
        self.is_polled = polled

    def close(self, code: CloseCode, reason: str = "") -> None:
        if self.closed_with is None:
            self.closed_with = code
            self.gone.set()

    def messages(self) -> list[to_client.ToClient]:
        """Everything written so far, parsed by a stock WebSocket client; empties the list."""
        client = ClientProtocol(parse_uri("ws://test/"), state=WsState.OPEN, max_size=None)
        for frame in self.written:
            client.receive_data(frame)
        self.written.clear()
        return [
            codec.decode_server(event.data, self.format)
            for event in client.events_received()
            if isinstance(event, WsFrame)
        ]


class FakeHandle:
    def __init__(self) -> None:
        self.match_id = MatchId("m1")
        self.inputs: list[tuple[int, Any]] = []
        self.answer: to_client.ErrorCode | None = None
        self.left: LeaveReason | None = None
        self.detached = False

    def input(self, seq: int, data: Any) -> to_client.ErrorCode | None:
        self.inputs.append((seq, data))
        return self.answer

    def leave(self, reason: LeaveReason) -> None:
        self.left = reason

    def detach(self) -> None:
        self.detached = True


class FakeMatches:
    """Seats everyone in one match, or refuses as told."""

    def __init__(self) -> None:
        self.games: Mapping[str, AnyGame] = GAMES
        self.handle = FakeHandle()
        self.refusal: Exception | None = None
        self.subscriber: Subscriber | None = None
        self.seated = 0

    async def join(
        self, request: from_client.Join, identity: Identity, subscriber: Subscriber
    ) -> Seated:
        if self.refusal is not None:
            raise self.refusal
        self.seated += 1
        self.subscriber = subscriber
        return Seated(
            handle=self.handle,
            game=GAMES["echo"],
            joined=to_client.Joined(
                ref=request.ref,
                match="m1",
                game="echo",
                mode="",
                epoch=1,
                tick=0,
                tick_rate=20,
                seat=0,
                input_seq=0,
                seq=0,
                resumed=False,
                seats=[],
            ),
            missed=[],
            frame=None,
        )


class FakeVerifier:
    def __init__(self, answer: Identity | Exception) -> None:
        self.answer = answer

    async def verify(self, token: str) -> Identity:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def make_gate(**other: Any) -> SessionGate:
    """A gate between fakes, but for what ``other`` gives."""
    given: dict[str, Any] = {
        "config": Config(),
        "verifier": FakeVerifier(identity()),
        "tickets": None,
        "matches": FakeMatches(),
        "clock": FixedClock(),
        "entropy": SeededEntropy(1),
        "metrics": Metrics(),
        "revocations": MemoryRevocations(),
        "bans": MemoryBans(),
    }
    return SessionGate(**{**given, **other})


class Bench:
    """A session between fakes; coroutines it spawns run when ``settle`` is awaited."""

    def __init__(
        self,
        *,
        format: Format = Format.MSGPACK,
        verifier: FakeVerifier | None = None,
        expires_in_s: float = 3600,
        **settings: Any,
    ) -> None:
        self.connection = FakeConnection(format)
        self.matches = FakeMatches()
        self.metrics = Metrics()
        self.verifier = verifier or FakeVerifier(TokenRefused("expired", "the token has expired"))
        self.pending: list[Coroutine[Any, Any, None]] = []
        self.closed: list[Session] = []
        self.session = Session(
            session_id=SessionId("s1"),
            connection=self.connection,
            identity=identity(expires_in_s=expires_in_s),
            services=Services(
                config=Config(**settings),
                matches=self.matches,
                verifier=self.verifier,
                clock=FixedClock(),
                metrics=self.metrics,
                spawn=self.pending.append,
                on_closed=self.closed.append,
            ),
        )

    def send(self, message: from_client.FromClient, data: Any = None) -> None:
        self.session.received(codec.encode_client(message, self.connection.format, data))

    async def settle(self) -> None:
        while self.pending:
            await self.pending.pop(0)

    async def seated(self) -> None:
        """Join and forget the messages of it."""
        self.send(from_client.Join(ref=1, game="echo"))
        await self.settle()
        self.connection.messages()


REFUSED = JoinRefused("match_full", "no free seat")
