"""A game in which players talk: what they say is sensitive, how much is not."""

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
    Sensitive,
    Setup,
    Standing,
    Tick,
)


class Say(msgspec.Struct):
    text: Annotated[str, Meta(max_length=200)]


class Said(msgspec.Struct, tag="said"):
    text: Annotated[str, Meta(max_length=200), Sensitive]
    letters: int


class Talk(msgspec.Struct):
    """``lines`` holds names and words, as a game's state may."""

    lines: list[str]
    count: int = 0


class Salon(Game[Talk, Say, Talk]):
    """Ends when the first player leaves."""

    name = "salon"
    recorded = True
    tick_rate = 10
    modes: ClassVar = {"open": Mode(players_max=4)}
    State: ClassVar = Talk
    Input: ClassVar = Say
    View: ClassVar = Talk
    Event: ClassVar = Said

    def start(self, setup: Setup) -> Talk:
        return Talk(lines=[])

    def join(self, state: Talk, player: Player, tick: Tick) -> None:
        state.lines.append(f"{player.name} comes in")

    def leave(self, state: Talk, player: Player, reason: LeaveReason, tick: Tick) -> None:
        tick.end([Standing(player_id=player.id, place=1, score=5)])

    def step(self, state: Talk, inputs: Sequence[PlayerInput[Say]], tick: Tick) -> None:
        for given in inputs:
            state.lines.append(given.data.text)
            state.count += 1
            said = Said(text=given.data.text, letters=len(given.data.text))
            tick.emit(said, player_id=given.player_id)

    def view(self, state: Talk) -> Talk:
        return Talk(lines=state.lines[-5:], count=state.count)
