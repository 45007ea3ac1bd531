"""Two small games whose states count their own events, so that a checker can compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from gameserver.game.contract import (
    Game,
    LeaveReason,
    Mode,
    Player,
    PlayerInput,
    Refused,
    Setup,
    Standing,
    Tick,
)
from gameserver.game.matchmaking import FreeSeats, Ready, Rules

ROUND = 7


class Add(msgspec.Struct):
    amount: int


class Scored(msgspec.Struct, tag="scored"):
    total: int
    roll: int


class State(msgspec.Struct):
    """``stated``: how many events of the game's own were stated."""

    total: int = 0
    stated: int = 0
    woken: int = 0
    next_wake_ms: int = 0
    players: dict[str, int] = msgspec.field(default_factory=dict)
    ends_at: int = 400


class Tally(Game[State, Add, State]):
    """Adds up; states an event every ``ROUND`` points, and ends at a total."""

    name = "tally"
    tick_rate = 10
    modes: ClassVar = {
        "four": Mode(players_max=4),
        "two": Mode(players_max=2),
        "ranked": Mode(
            players_max=2,
            matchmaking=Rules(
                teams=2, team_size=1, ready=Ready(within_s=2, penalty_s=1), arrive_s=6
            ),
        ),
        "squad": Mode(
            players_max=3,
            matchmaking=Rules(
                team_size=3,
                team_size_min=2,
                fill_s=1,
                arrive_s=4,
                free_seats=FreeSeats.BACKFILL,
            ),
        ),
    }
    recorded = True
    State: ClassVar = State
    Input: ClassVar = Add
    View: ClassVar = State
    Event: ClassVar = Scored

    def start(self, setup: Setup) -> State:
        return State(ends_at=300 + setup.random.below(1500))

    def join(self, state: State, player: Player, tick: Tick) -> None:
        if player.id.endswith("7") and state.total % 2:
            raise Refused("not now")
        state.players[player.id] = 0

    def leave(self, state: State, player: Player, reason: LeaveReason, tick: Tick) -> None:
        del state.players[player.id]

    def step(self, state: State, inputs: Sequence[PlayerInput[Add]], tick: Tick) -> None:
        for given in inputs:
            if given.player_id in state.players:
                before = state.total // ROUND
                state.total += given.data.amount
                state.players[given.player_id] += given.data.amount
                if state.total // ROUND > before:
                    self._score(state, tick)
        if state.total >= state.ends_at:
            tick.end([Standing(player_id=one, place=1) for one in state.players])

    def _score(self, state: State, tick: Tick) -> None:
        state.stated += 1
        tick.emit(Scored(state.total, tick.random.below(6)))

    def view(self, state: State) -> State:
        return state


class Turns(Tally):
    """The same on demand, with a clock that states an event every 3 s of match time."""

    name = "turns"
    tick_rate = 0

    def step(self, state: State, inputs: Sequence[PlayerInput[Add]], tick: Tick) -> None:
        super().step(state, inputs, tick)
        if tick.time_ms >= state.next_wake_ms:
            state.next_wake_ms = tick.time_ms + 3000
            state.woken += 1
            self._score(state, tick)

    def wake_at(self, state: State) -> int | None:
        return state.next_wake_ms


GAMES = {game.name: game for game in (Tally(), Turns())}
