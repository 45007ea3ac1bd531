"""A match in a test, played by hand: no server, no network, and time passes when you say so::

    match = Rehearsal(Game)
    ada = match.join("ada")
    match.step((ada, Input(dx=1)))
    assert match.view().runners[ada.seat].x == 1

One rule at a time; ``gameserver.game.testkit`` plays everything at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic

import msgspec

from gameserver.game.contract import (
    Game,
    InputT,
    LeaveReason,
    Player,
    Setup,
    Standing,
    StateT,
    ViewT,
)
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.game.testkit import Given
from gameserver.ids import PlayerId


class Rehearsal(Generic[StateT, InputT, ViewT]):
    """One match of ``game``, in ``mode`` (default: the first) with its options, over which
    ``options`` are put. ``state`` is the match's own, to be set up as a test wants it; ``events``
    holds all that was emitted, oldest first; ``time_ms`` is match time. Raises what the game
    raises, and ``KeyError`` for a mode that there is not."""

    def __init__(
        self,
        game: type[Game[StateT, InputT, ViewT]],
        *,
        mode: str | None = None,
        options: Mapping[str, int | float | str] | None = None,
        seed: int = 1,
    ) -> None:
        self.game = game()
        chosen = game.modes[mode or next(iter(game.modes))]
        self.players_max = chosen.players_max
        self.time_ms = 0
        self.events: list[msgspec.Struct] = []
        self.players: dict[int, Player] = {}
        self._number = 0
        self._seq = 0
        self._tick = StepTick.of(self.game, SeededRandom(seed))
        self.state: StateT = self.game.start(
            Setup(
                mode=mode or next(iter(game.modes)),
                players_max=chosen.players_max,
                options={**chosen.options, **(options or {})},
                random=self._tick.random,
            )
        )

    @property
    def standings(self) -> tuple[Standing, ...] | None:
        """How it ended; ``None`` while it is played."""
        return None if self._tick.ended is None else self._tick.ended.standings

    @property
    def result(self) -> msgspec.Struct | None:
        """What ``tick.end`` was given beside the standings."""
        return None if self._tick.ended is None else self._tick.ended.result

    def join(self, name: str) -> Player:
        """A player takes the lowest free seat. Raises ``Refused`` where the game says no,
        ``ValueError`` where no seat is free."""
        seat = min(set(range(len(self.players) + 1)) - self.players.keys())
        if seat >= self.players_max:
            raise ValueError(f"the mode has {self.players_max} seats, and all are taken")
        player = Player(id=PlayerId(name), name=name, seat=seat)
        self._tick.reset(self._number, self.time_ms)
        self.game.join(self.state, player, self._tick)
        self.players[seat] = player
        self._collect()
        return player

    def leave(self, player: Player, reason: LeaveReason = LeaveReason.LEFT) -> None:
        """The player is gone for good."""
        self._tick.reset(self._number, self.time_ms)
        del self.players[player.seat]
        self.game.leave(self.state, player, reason, self._tick)
        self._collect()

    def step(self, *inputs: tuple[Player, InputT]) -> None:
        """One step with ``inputs``, in this order; in a real-time game one tick passes."""
        given = []
        for player, data in inputs:
            self._seq += 1
            given.append(Given(player.id, player.seat, self._seq, data))
        self._tick.reset(self._number, self.time_ms)
        self.game.step(self.state, given, self._tick)
        self._number += 1
        if self.game.tick_rate:
            self.time_ms = self._number * 1000 // self.game.tick_rate
        self._collect()

    def steps(self, count: int) -> None:
        """So many steps without an input."""
        for _ in range(count):
            self.step()

    def wake(self) -> None:
        """A turn-based game: nobody does anything until it wants to be woken; then a step.

        Raises ``ValueError`` where it waits for an input only."""
        at_ms = self.game.wake_at(self.state)
        if at_ms is None:
            raise ValueError("wake_at() says None: the game waits for an input")
        self.time_ms = max(self.time_ms, at_ms)
        self.step()

    def view(self, player: Player | None = None) -> ViewT:
        """What ``player``, or everyone, sees: a copy, as a client decodes it. Raises
        ``AssertionError`` where ``encode_view`` gives other bytes."""
        if player is not None and self.game.hidden:
            seen = self.game.view_for(self.state, player)
        else:
            seen = self.game.view(self.state)
        encoded = msgspec.msgpack.encode(seen)
        if player is None and self.game.encode_view(self.state) != encoded:
            raise AssertionError("encode_view() gives other bytes than view() encoded")
        return msgspec.msgpack.decode(encoded, type=type(seen))

    def _collect(self) -> None:
        self.events += [emitted.event for emitted in self._tick.take()]
