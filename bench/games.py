"""Games for the scaling curves only: rooms, rates and snapshots of any size.

Named ``bench.games:Rooms`` in ``GAMESERVER_GAMES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from gameserver.game.contract import Game, Mode, Player, PlayerInput, Setup, Tick
from gameserver.games.arena import Arena
from gameserver.games.arena_maps import MAPS, TILE
from gameserver.games.arena_plain import fighters, shots
from gameserver.games.arena_state import ArenaState
from gameserver.games.arena_types import ArenaView, Move

ROOM_SIZES = (2, 8, 32, 100)
RATES_HZ = (10, 20, 30, 60)
SNAPSHOT_BYTES = (64, 256, 1_024, 4_096)
SIGHT = 6 * TILE


class Rooms(Arena):
    """The arena's rules in rooms of other sizes."""

    name = "bench_rooms"
    modes: ClassVar = {
        f"room{size}": Mode(
            players_max=size,
            options={
                "map": "box" if size <= 8 else "field",
                "seconds": 0,
                "kills": 0,
                "pickups": 0,
            },
        )
        for size in ROOM_SIZES
    }


class Views(Rooms):
    """The same, where every player sees what is within sight of their own fighter, and no more."""

    name = "bench_views"
    hidden = True
    spectate_delay_ms = None  # what nobody may see, nobody watches

    def view_for(self, state: ArenaState, player: Player) -> ArenaView:
        """What lies within ``SIGHT`` of the player's fighter, along either axis."""
        own = state.bodies[player.seat]
        left, right = own.x - SIGHT, own.x + SIGHT
        top, bottom = own.y - SIGHT, own.y + SIGHT
        bodies = {
            seat: body
            for seat, body in state.bodies.items()
            if left < body.x < right and top < body.y < bottom
        }
        bullets = {
            key: bullet
            for key, bullet in state.bullets.items()
            if left < bullet.x < right and top < bullet.y < bottom
        }
        return ArenaView(
            fighters(bodies, state.now),
            shots(bullets),
            {},
            state.ends_tick,
            state.kills,
            MAPS[state.map].plan,
        )


def _at_rate(hz: int) -> type[Arena]:
    modes = {"bench": Arena.modes["bench"]}
    return type(f"Rate{hz}", (Arena,), {"name": f"bench_rate{hz}", "tick_rate": hz, "modes": modes})


Rate10, Rate20, Rate30, Rate60 = (_at_rate(hz) for hz in RATES_HZ)


class Noise(msgspec.Struct, array_like=True):
    """``fill``: the bytes of the snapshot at hand."""

    size: int
    fill: bytes = b""


class NoiseView(msgspec.Struct):
    """A plain field that is another one every tick, so that it is always sent whole."""

    fill: bytes


class Sized(Game[Noise, Move, NoiseView]):
    """No rules: every tick's snapshot holds so many new bytes."""

    name = "bench_sized"
    tick_rate = 20
    modes: ClassVar = {
        f"bytes{size}": Mode(players_max=8, options={"bytes": size}) for size in SNAPSHOT_BYTES
    }
    State: ClassVar = Noise
    Input: ClassVar = Move
    View: ClassVar = NoiseView

    def start(self, setup: Setup) -> Noise:
        return Noise(int(setup.options["bytes"]))

    def join(self, state: Noise, player: Player, tick: Tick) -> None:
        return None

    def step(self, state: Noise, inputs: Sequence[PlayerInput[Move]], tick: Tick) -> None:
        state.fill = tick.number.to_bytes(8, "big") * (state.size // 8)

    def view(self, state: Noise) -> NoiseView:
        return NoiseView(state.fill)
