"""Games that do what a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

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


class Do(msgspec.Struct):
    """``what``: add, emit, end, fail, garbage (a state that cannot be encoded)."""

    what: str = "add"
    amount: int = 1


class Noted(msgspec.Struct, tag="noted"):
    amount: int


class State(msgspec.Struct):
    total: int = 0
    times: list[int] = []
    refuse: bool = False
    wake_ms: int | None = None
    trash: Any = None


class Count(Game[State, Do, State]):
    """20 Hz."""

    name = "count"
    tick_rate = 20
    modes: ClassVar = {
        "eight": Mode(players_max=8, options={"total": 0}, choices={"total": (0, 100)}),
        "two": Mode(players_max=2),
    }
    State: ClassVar = State
    Input: ClassVar = Do
    View: ClassVar = State
    Event: ClassVar = Noted

    def start(self, setup: Setup) -> State:
        return State(total=int(setup.options.get("total", 0)))

    def join(self, state: State, player: Player, tick: Tick) -> None:
        if state.refuse:
            raise Refused("closed")

    def leave(self, state: State, player: Player, reason: LeaveReason, tick: Tick) -> None:
        if player.id == "king":
            tick.end([Standing(player_id=player.id, place=1, score=2.5)])

    def step(self, state: State, inputs: Sequence[PlayerInput[Do]], tick: Tick) -> None:
        for given in inputs:
            match given.data.what:
                case "emit":
                    for _ in range(given.data.amount):
                        tick.emit(Noted(given.data.amount), player_id=given.player_id)
                case "end":
                    tick.end([Standing(player_id=given.player_id, place=1)])
                case "fail":
                    tick.emit(Noted(0))
                    raise RuntimeError("a bug in the game")
                case "garbage":
                    state.trash = object()
                case "refuse":
                    state.refuse = True
                case "wake":
                    state.wake_ms = tick.time_ms + given.data.amount
                case _:
                    state.total += given.data.amount
        state.times.append(tick.time_ms)

    def signal(self, state: State, message: Any, tick: Tick) -> Any:
        match message:
            case "refuse":
                raise Refused("not now")
            case "fail":
                raise RuntimeError("a bug in the game")
            case "end":
                tick.end([])
            case "odd":
                return object()
            case int():
                state.total += message
                tick.emit(Noted(message))
        return {"total": state.total}

    def view(self, state: State) -> State:
        return State(total=state.total, wake_ms=tick_count(state))

    def wake_at(self, state: State) -> int | None:
        wake_ms, state.wake_ms = state.wake_ms, None
        return wake_ms


def tick_count(state: State) -> int:
    return len(state.times)


class Calm(Count):
    """On demand."""

    name = "calm"
    tick_rate = 0


class Secret(Count):
    """Everyone sees a view of their own."""

    name = "secret"
    hidden = True

    def view_for(self, state: State, player: Player) -> State:
        return State(total=player.seat + 100)


class Broken(Count):
    """Does not even start."""

    name = "broken"

    def start(self, setup: Setup) -> State:
        raise RuntimeError("no")


GAMES: dict[str, Any] = {game.name: game for game in (Count(), Calm(), Secret(), Broken())}
