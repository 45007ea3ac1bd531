"""The naive choice: ``websockets.asyncio`` on uvloop, one task a connection, one a room.

What its documentation shows, written with care (compression off, frames of one tick sent with
``broadcast``, ticks without drift) and without going around the library. The rules of the game are
this project's own, through their public interface.

    python bench/peers/naive.py PORT
"""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import NamedTuple

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from gameserver.game.contract import LeaveReason, Player, Setup
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.games.arena import Arena
from gameserver.games.arena_types import Move
from gameserver.ids import PlayerId

PERIOD_S = 0.05
GOLDEN = (5**0.5 - 1) / 2
BEHIND_MAX = 3
_INPUT = struct.Struct("<BIbbHB6x")
_HEAD = struct.Struct("<BIIB")
_PLAYER = struct.Struct("<iiHBBHHI")


class Given(NamedTuple):
    """Implements ``contract.PlayerInput``."""

    player_id: PlayerId
    seat: int
    seq: int
    data: Move


class Room:
    """A match: players are seated in the order in which they come."""

    def __init__(self, number: int) -> None:
        self.game = Arena()
        self.mode = Arena.modes["bench"]
        random = SeededRandom(number)
        self.tick = StepTick.of(self.game, random)
        self.state = self.game.start(
            Setup(mode="bench", players_max=8, options=self.mode.options, random=random)
        )
        self.connections: dict[int, ServerConnection] = {}
        self.acks: list[int] = []
        self.inputs: list[Given] = []
        self.number = 0
        self.phase = number * GOLDEN % 1.0
        self.runner = asyncio.create_task(self.run())

    def join(self, connection: ServerConnection) -> Player:
        seat = len(self.acks)
        player = Player(id=PlayerId(f"player-{seat}"), name=f"player {seat}", seat=seat)
        self.game.join(self.state, player, self.tick)
        self.acks.append(0)
        self.connections[seat] = connection
        return player

    def leave(self, player: Player) -> None:
        self.connections.pop(player.seat)
        self.game.leave(self.state, player, LeaveReason.LEFT, self.tick)
        if not self.connections:
            self.runner.cancel()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = (loop.time() // PERIOD_S + 1 + self.phase) * PERIOD_S
        while True:
            await asyncio.sleep(due - loop.time())
            behind = int((loop.time() - due) / PERIOD_S)
            due += PERIOD_S * (1 + behind if behind > BEHIND_MAX else 1)
            self.step()

    def step(self) -> None:
        inputs, self.inputs = self.inputs, []
        self.number += 1
        self.tick.reset(self.number, self.number * 50)
        self.game.step(self.state, inputs, self.tick)
        broadcast(self.connections.values(), self.snapshot())

    def snapshot(self) -> bytes:
        now = self.number
        time_ms = int(asyncio.get_running_loop().time() * 1000) & 0xFFFFFFFF
        parts = [_HEAD.pack(3, now, time_ms, len(self.acks))]
        parts.append(struct.pack(f"<{len(self.acks)}I", *self.acks))
        for body in self.state.bodies.values():
            shielded = body.shield_until > now
            parts.append(
                _PLAYER.pack(
                    body.x,
                    body.y,
                    body.move.aim >> 6,
                    body.health,
                    shielded,
                    body.kills & 0xFFFF,
                    body.deaths & 0xFFFF,
                    body.reload_until,
                )
            )
        return b"".join(parts)


class Arenas:
    """All rooms; newcomers go to the last one until it is full."""

    def __init__(self) -> None:
        self.rooms = 0
        self.open: Room | None = None

    async def play(self, connection: ServerConnection) -> None:
        room = self.open
        if room is None or len(room.acks) == room.mode.players_max or room.runner.done():
            self.rooms += 1
            room = self.open = Room(self.rooms)
        player = room.join(connection)
        try:
            await connection.send(bytes((1, player.seat)))
            async for message in connection:
                if isinstance(message, bytes) and len(message) == _INPUT.size:
                    _, seq, dx, dy, aim, fire = _INPUT.unpack(message)
                    room.acks[player.seat] = seq
                    room.inputs.append(
                        Given(player.id, player.seat, seq, Move(dx, dy, aim, fire > 0))
                    )
        except ConnectionClosed:
            pass  # an ordinary end of a connection: the player leaves below
        finally:
            room.leave(player)


async def main(port: int) -> None:
    async with serve(
        Arenas().play, "127.0.0.1", port, compression=None, max_size=1024, backlog=4096
    ) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
