"""The arena's rules in C and in Python: the same histories, tick by tick."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
import pytest

from gameserver.game import packed
from gameserver.game.contract import LeaveReason, Player, Setup
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.games import arena, arena_plain
from gameserver.games.arena import Arena
from gameserver.games.arena_state import Body
from gameserver.games.arena_types import Move
from gameserver.hot import Given, plain
from gameserver.ids import PlayerId
from tests.conftest import needs_compiled

TICKS = 1_200
PLAIN = {
    "advance": arena_plain.advance,
    "encode_view": arena_plain.encode_view,
}


class Input(NamedTuple):
    """Neither form knows this type."""

    player_id: PlayerId
    seat: int
    seq: int
    data: Move


@pytest.fixture(autouse=True)
def compiled() -> None:
    needs_compiled(arena.COMPILED)


class Played:
    """One match, by the rules that are in ``arena`` now."""

    def __init__(self, mode: str, players: int) -> None:
        self.game = Arena()
        self.random = SeededRandom(7)
        self.tick = StepTick.of(self.game, self.random)
        self.state = self.game.start(
            Setup(
                mode=mode,
                players_max=players,
                options=Arena.modes[mode].options,
                random=self.random,
            )
        )
        self.players = [
            Player(id=PlayerId(f"player-{seat}"), name="", seat=seat) for seat in range(players)
        ]
        for player in self.players:
            self.game.join(self.state, player, self.tick)

    def step(self, number: int, inputs: list[Any]) -> bytes:
        """Everything that one can see of a step."""
        self.tick.reset(number, number * 50)
        self.game.step(self.state, inputs, self.tick)
        view = self.game.encode_view(self.state)
        assert view == msgspec.msgpack.encode(self.game.view(self.state))
        return packed.encode(
            (self.state, self.random.state, self.tick.take(), view, self.tick.ended)
        )

    def comes_again(self, seat: int) -> None:
        player = self.players[seat]
        self.game.leave(self.state, player, LeaveReason.LEFT, self.tick)
        self.game.join(self.state, player, self.tick)


def history(players: int, seed: int) -> list[list[tuple[int, Move]]]:
    """Who sends what in each tick: mostly one input, now and then none, late ones, or too many."""
    source = random.Random(seed)
    wishes = [Move()] * players
    silent = [0] * players
    ticks = []
    for _ in range(TICKS):
        inputs = []
        for seat in range(players):
            if source.random() < 0.02:
                silent[seat] = source.randrange(30)
            if source.random() < 0.15:
                wishes[seat] = Move(
                    source.randint(-1, 1),
                    source.randint(-1, 1),
                    source.randrange(65_536),
                    source.random() < 0.6,
                )
            if silent[seat]:
                silent[seat] -= 1
            else:
                inputs += [(seat, wishes[seat])] * source.choice((0, 1, 1, 1, 1, 1, 2, 4))
        ticks.append(inputs)
    return ticks


def outcome(mode: str, players: int, seed: int, given: Any) -> list[bytes]:
    played = Played(mode, players)
    seen = []
    for number, inputs in enumerate(history(players, seed), start=1):
        if number % 150 == 0:
            played.comes_again(number // 150 % players)
        made = [given(played.players[seat].id, seat, number, move) for seat, move in inputs]
        seen.append(played.step(number, made))
    return seen


@pytest.mark.parametrize("given", [Given, plain.Given, Input])
@pytest.mark.parametrize(("mode", "players"), [("bench", 8), ("quick", 8), ("duel", 2)])
def test_both_forms_play_the_same_game(
    mode: str, players: int, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = outcome(mode, players, 3, given)
    for name, function in PLAIN.items():
        monkeypatch.setattr(arena, name, function)
    there = outcome(mode, players, 3, given)
    differing = [number for number, (a, b) in enumerate(zip(here, there, strict=True)) if a != b]
    assert not differing, f"the two differ from tick {differing[0] + 1} on"
    assert len(set(here)) > TICKS * 0.9, "the history holds too little"


def test_more_fighters_than_the_compiled_form_takes() -> None:
    crowd = Played("bench", 8)
    for seat in range(8, 200):
        crowd.state.bodies[seat] = Body(
            id=PlayerId(str(seat)), x=1_120, y=600, health=100, held_until=10_000
        )
    aim = Move(0, 0, 0, True)
    crowd.state.bodies[8].x = 1_000
    crowd.state.bodies[8].move = aim
    crowd.state.bodies[8].fired = True
    for number in range(1, 4):
        crowd.step(number, [Input(crowd.players[0].id, 0, number, aim)])
    assert sum(body.health < 100 for body in crowd.state.bodies.values()) == 1


def test_who_is_off_the_map_is_an_error_and_nothing_else() -> None:
    """A state that no rule can lead to must not read beyond the map's memory."""
    lost = Played("bench", 2)
    lost.state.bodies[0].x = 10**9
    with pytest.raises(IndexError):
        lost.step(1, [Input(lost.players[0].id, 0, 1, Move(1, 0, 0, False))])
