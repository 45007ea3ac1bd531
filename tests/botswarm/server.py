"""A small server that speaks the protocol, well or, where a test asks for it, badly.

All players sit in one match of the game ``echo``, which ends after ``match_ticks`` and is followed
by the next. Every 5 ticks there is an event ``beat``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gameserver.games.echo import Echo, EchoView, Value
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import BadMessage, Format, decoder_for, encode, encode_value

TICK_RATE = 50
GAME = Echo()


@dataclass
class Match:
    name: str
    epoch: int = 1
    tick: int = 0
    events: list[tuple[int, str, str | None, dict[str, Any]]] = field(default_factory=list)
    seats: dict[str, int] = field(default_factory=dict)
    acks: dict[int, int] = field(default_factory=dict)
    view: EchoView = field(default_factory=lambda: EchoView({}))

    def emit(self, kind: str, player: str | None, data: dict[str, Any]) -> int:
        self.events.append((self.tick, kind, player, data))
        return len(self.events)

    def ack_list(self) -> list[int]:
        return [self.acks.get(seat, 0) for seat in range(len(self.seats))]


@dataclass(eq=False)
class Peer:
    """One connection. ``ticks``: how many frames it was due."""

    ws: ServerConnection
    format: Format
    player: str
    nth: int
    match: Match | None = None
    base: int | None = None
    ticks: int = 0
    seq: int = 0

    async def send(self, message: to_client.ToClient) -> None:
        await self.ws.send(encode(message, self.format), text=self.format is Format.JSON)


Fault = Callable[[Peer], Awaitable[bool]]


class Server:
    """``async with Server() as server``. ``fault``: called for each peer at each tick; true
    replaces the frame. ``malformed``: what could not be decoded; it is left without an answer.
    ``lets_leave``: a ``Leave`` is answered. ``status``: answers to handshakes, while there are
    any."""

    def __init__(self, *, match_ticks: int = 10**9, ssl: Any = None) -> None:
        self.match_ticks = match_ticks
        self.fault: Fault | None = None
        self.on_join: Callable[[Peer, from_client.Join], Awaitable[bool]] | None = None
        self.statuses: list[tuple[HTTPStatus, dict[str, str]]] = []
        self.welcome = True
        self.matches: list[Match] = [Match("m1")]
        self.peers: list[Peer] = []
        self.connections = 0
        self.joins: list[from_client.Join] = []
        self.leaves = 0
        self.malformed: list[bytes] = []
        self.lets_leave = False
        self.url = ""
        self._ssl = ssl

    async def __aenter__(self) -> Server:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(each.value) for each in Format],
            process_request=self._check,
            compression=None,
            ssl=self._ssl,
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}" if self._ssl is None else f"wss://localhost:{port}"
        self._ticker = asyncio.create_task(self._tick_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ticker.cancel()
        await asyncio.gather(self._ticker, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()

    def _check(self, ws: ServerConnection, request: Request) -> Response | None:
        if self.statuses:
            status, headers = self.statuses.pop(0)
            response = ws.respond(status, '{"code": "no"}')
            response.headers.update(headers)
            return response
        if not request.headers.get("Authorization", "").startswith("Bearer token-"):
            return ws.respond(HTTPStatus.UNAUTHORIZED, '{"code": "expired"}')
        return None

    async def _serve(self, ws: ServerConnection) -> None:
        assert ws.request is not None
        player = ws.request.headers["Authorization"].removeprefix("Bearer token-")
        self.connections += 1
        peer = Peer(ws, Format(ws.subprotocol or Format.MSGPACK), player, self.connections)
        games = ["echo"]
        if self.welcome:
            await peer.send(
                to_client.Welcome("s1", player, player, 0, 10**13, 20_000, 80, 16_384, games)
            )
        decode = decoder_for(GAME, peer.format).decode
        try:
            async for payload in ws:
                data = payload.encode() if isinstance(payload, str) else payload
                try:
                    message = decode(data)
                except BadMessage:
                    self.malformed.append(data)
                    continue
                await self._take(peer, message)
        except ConnectionClosed:
            pass
        finally:
            if peer in self.peers:
                self.peers.remove(peer)

    async def _take(self, peer: Peer, message: from_client.FromClient) -> None:
        match message:
            case from_client.Join():
                self.joins.append(message)
                if self.on_join is None or not await self.on_join(peer, message):
                    await self.join(peer, message)
            case from_client.Input(seq=seq, data=data):
                if peer.match is not None:
                    seat = peer.match.seats[peer.player]
                    peer.match.acks[seat] = seq
                    peer.match.view.players[seat] = Value(data.x, data.y, data.z, 0, seq)
            case from_client.Ping(sent=sent):
                await peer.send(to_client.Pong(sent, 0))
            case from_client.Leave():
                self.leaves += 1
                if self.lets_leave and peer.match is not None:
                    name, peer.match = peer.match.name, None
                    self.peers.remove(peer)
                    await peer.send(to_client.Left(0, name, "left"))

    async def join(self, peer: Peer, message: from_client.Join, **changes: Any) -> None:
        """Answer a join as it should be, but for ``changes`` of the ``Joined``."""
        match = self.matches[-1]
        seat = match.seats.setdefault(peer.player, len(match.seats))
        resumed = message.resume is not None and message.match == match.name
        seq = message.resume.seq if resumed and message.resume else len(match.events)
        joined = to_client.Joined(
            message.ref, match.name, "echo", "standard", match.epoch, match.tick, TICK_RATE,
            seat, match.acks.get(seat, 0), seq, resumed,
            [to_client.Seat(at, name, name, True) for name, at in match.seats.items()],
        )  # fmt: skip
        await peer.send(msgspec.structs.replace(joined, **changes))
        for number, event in enumerate(match.events[seq:], start=seq + 1):
            await self.announce(peer, number, event)
        peer.match, peer.base, peer.seq = match, None, len(match.events)
        self.peers.append(peer)

    async def announce(self, peer: Peer, seq: int, event: tuple[Any, ...]) -> None:
        tick, kind, player, data = event
        raw = encode_value(data, peer.format)
        await peer.send(to_client.Event(seq, tick, kind, player, raw))

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(1 / TICK_RATE)
            await self._tick(self.matches[-1])

    async def _tick(self, match: Match) -> None:
        match.tick += 1
        ended = match.tick >= self.match_ticks and bool(match.seats)
        if ended:
            places = [{"player": p, "place": 1, "score": 0.5} for p in match.seats]
            match.emit("match_ended", None, {
                "reason": "finished", "ticks": match.tick, "duration_ms": 1,
                "standings": places, "result": None,
            })  # fmt: skip
            self.matches.append(Match(f"m{len(self.matches) + 1}"))
        elif match.tick % 5 == 0:
            match.emit("beat", None, {"tick": match.tick, "of": 1.0})
        for peer in list(self.peers):
            try:
                await self._send_tick(peer, match, ended=ended)
            except ConnectionClosed:
                continue

    async def _send_tick(self, peer: Peer, match: Match, *, ended: bool) -> None:
        if peer.match is not match:
            return
        peer.ticks += 1
        if self.fault is not None and await self.fault(peer):
            return
        await self.send_frame(peer)
        for seq in range(peer.seq + 1, len(match.events) + 1):
            await self.announce(peer, seq, match.events[seq - 1])
        peer.seq = len(match.events)
        if ended:
            self.peers.remove(peer)
            peer.match = None
            await peer.send(to_client.Left(0, match.name, "ended"))

    async def send_frame(self, peer: Peer, **changes: Any) -> None:
        """The frame of this tick, as it should be but for ``changes``."""
        match, encoded = peer.match, encode_value
        assert match is not None
        message: to_client.Snapshot | to_client.Delta
        head = (match.epoch, match.tick, 0, match.ack_list())
        if peer.base is None:
            message = to_client.Snapshot(*head, encoded(match.view, peer.format))
        else:
            table = {seat: encoded(v, peer.format) for seat, v in match.view.players.items()}
            message = to_client.Delta(*head, peer.base, {}, {"players": table}, {})
        await peer.send(msgspec.structs.replace(message, **changes))
        peer.base = match.tick
