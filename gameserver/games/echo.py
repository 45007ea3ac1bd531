"""The smallest game: everyone sees everyone's last input. It measures the server, not a game.

The benchmark workload is rooms of 8 at 20 Hz: a client's input message takes about 16 bytes, and
the snapshot that follows it about 200.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from gameserver.game.contract import (
    Game,
    LeaveReason,
    Mode,
    Player,
    PlayerInput,
    Setup,
    Tick,
)

_Int16 = Annotated[int, Meta(ge=-32_768, le=32_767)]


class EchoInput(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Any four numbers; 1,000 and above take the 3 bytes that the workload counts with."""

    x: _Int16 = 0
    y: _Int16 = 0
    z: _Int16 = 0
    buttons: Annotated[int, Meta(ge=0, le=127)] = 0


class Value(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A player's last input, how many were given so far, and the match time of the last in ms."""

    x: int = 0
    y: int = 0
    z: int = 0
    buttons: int = 0
    count: int = 0
    time_ms: int = 0


class EchoState(msgspec.Struct):
    """By seat."""

    players: dict[int, Value]


class EchoView(msgspec.Struct):
    """The same by seat."""

    players: dict[int, Value]


class Echo(Game[EchoState, EchoInput, EchoView]):
    """Never ends by itself."""

    name = "echo"
    tick_rate = 20
    modes: ClassVar = {
        "standard": Mode(players_max=8, title="Rooms of 8"),
        "pair": Mode(players_max=2, title="Rooms of 2"),
        "crowd": Mode(players_max=100, title="Rooms of 100"),
    }
    State: ClassVar = EchoState
    Input: ClassVar = EchoInput
    View: ClassVar = EchoView

    def start(self, setup: Setup) -> EchoState:
        return EchoState({})

    def join(self, state: EchoState, player: Player, tick: Tick) -> None:
        state.players[player.seat] = Value()

    def leave(self, state: EchoState, player: Player, reason: LeaveReason, tick: Tick) -> None:
        state.players.pop(player.seat, None)

    def step(self, state: EchoState, inputs: Sequence[PlayerInput[EchoInput]], tick: Tick) -> None:
        players = state.players
        for given in inputs:
            last = players.get(given.seat)
            if last is not None:
                data = given.data
                players[given.seat] = Value(
                    data.x, data.y, data.z, data.buttons, last.count + 1, tick.time_ms
                )

    def view(self, state: EchoState) -> EchoView:
        return EchoView(state.players.copy())
