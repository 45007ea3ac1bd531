"""A match without a server, in which bots play through the bytes that a client would see."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gameserver.game.contract import AnyGame, LeaveReason, Player, Setup
from gameserver.game.loader import load_game
from gameserver.game.random import SeededRandom
from gameserver.game.step import Emitted, StepTick
from gameserver.game.testkit import Given
from gameserver.games.bots import BOTS, Bot
from gameserver.ids import PlayerId


def player(seat: int) -> Player:
    return Player(id=PlayerId(f"p{seat}"), name=f"Player {seat}", seat=seat)


class Room:
    """One match of a bundled game; everything emitted is kept in ``events``."""

    def __init__(self, name: str, mode: str, *, seed: int = 7, options: Mapping | None = None):
        self.game: AnyGame = load_game(name)
        chosen = self.game.modes[mode]
        self.tick = StepTick.of(self.game, SeededRandom(seed))
        self.state = self.game.start(
            Setup(
                mode=mode,
                players_max=chosen.players_max,
                options={**chosen.options, **(options or {})},
                random=self.tick.random,
            )
        )
        self.number = self.time_ms = 0
        self.players: dict[int, Player] = {}
        self.bots: dict[int, Bot] = {}
        self.events: list[Emitted] = []

    def join(self, seat: int, *, bot: bool = False) -> None:
        self.tick.reset(self.number, self.time_ms)
        self.game.join(self.state, player(seat), self.tick)
        self.players[seat] = player(seat)
        if bot:
            self.bots[seat] = BOTS[self.game.name](seed=seat)
        self.events += self.tick.take()

    def leave(self, seat: int, reason: LeaveReason = LeaveReason.LEFT) -> None:
        self.tick.reset(self.number, self.time_ms)
        self.bots.pop(seat, None)
        self.game.leave(self.state, self.players.pop(seat), reason, self.tick)
        self.events += self.tick.take()

    def step(self, *inputs: tuple[int, msgspec.Struct]) -> None:
        """One step with ``inputs`` (seat, data), then one tick (or 50 ms) of time."""
        self.tick.reset(self.number, self.time_ms)
        given = [Given(PlayerId(f"p{seat}"), seat, 1, data) for seat, data in inputs]
        self.game.step(self.state, given, self.tick)
        self.events += self.tick.take()
        self.number += 1
        self.time_ms += 1000 // (self.game.tick_rate or 20)

    def seen_by(self, seat: int) -> msgspec.Struct:
        view = (
            self.game.view_for(self.state, self.players[seat])
            if self.game.hidden
            else self.game.view(self.state)
        )
        return msgspec.msgpack.decode(msgspec.msgpack.encode(view), type=self.game.View)

    def play(self, *, steps_max: int) -> int:
        """Let the bots play until the match ends; how many steps that took."""
        for number in range(steps_max):
            decided = [
                (seat, bot.decide(self.seen_by(seat), PlayerId(f"p{seat}"), seat))
                for seat, bot in self.bots.items()
            ]
            self.step(*((seat, data) for seat, data in decided if data is not None))
            if self.tick.ended is not None:
                return number
        raise AssertionError(f"no end within {steps_max} steps")

    def kinds(self) -> list[str]:
        return [emitted.kind for emitted in self.events]
