"""Bots that play the arena over real WebSockets, so that a page is not alone."""

from __future__ import annotations

import asyncio
import contextlib

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from gameserver.devstack.moto import Cognito
from gameserver.devstack.tokens import bot_name, bot_player
from gameserver.games.arena import Arena
from gameserver.games.bots import ArenaBot
from gameserver.ids import PlayerId
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, decode_server, encode_client
from gameserver.wire.delta import ViewTracker


class Bots:
    """``call`` some; ``close`` ends all."""

    def __init__(self, ws_url: str, cognito: Cognito) -> None:
        self._ws_url, self._cognito = ws_url, cognito
        self._tasks: set[asyncio.Task[None]] = set()
        self._called = 0

    def call(self, count: int, *, game: str, mode: str) -> None:
        for _ in range(count):
            self._called += 1
            task = asyncio.create_task(self._play(self._called, game, mode))
            self._tasks.add(task)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _play(self, index: int, game: str, mode: str) -> None:
        player = bot_player(index)
        token = self._cognito.token(player, username=bot_name(index))
        with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError):
            async with connect(
                self._ws_url,
                subprotocols=["gameserver.v1.msgpack"],
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
            ) as socket:
                join = from_client.Join(1, game, mode)
                await socket.send(encode_client(join, Format.MSGPACK))
                await self._loop(socket, player, index)

    async def _loop(self, socket, player: str, index: int) -> None:
        brain, tracker = ArenaBot(index), ViewTracker(Arena.View)
        seat = seq = 0
        async for payload in socket:
            message = decode_server(payload, Format.MSGPACK)
            match message:
                case to_client.Joined():
                    seat, seq = message.seat, message.input_seq
                case to_client.Left():
                    return
                case to_client.Snapshot() | to_client.Delta():
                    move = brain.decide(tracker.apply(message), PlayerId(player), seat)
                    if move is not None:
                        seq += 1
                        given = from_client.Input(seq, b"")
                        await socket.send(encode_client(given, Format.MSGPACK, move))
