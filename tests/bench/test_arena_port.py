"""The peers on Node.js play the same game as this server: tick by tick, on one history."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gameserver.game.contract import Player, Setup
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.games.arena import Arena
from gameserver.games.arena_types import Move
from gameserver.ids import PlayerId
from tests.conftest import needs_system

SEED, PLAYERS, TICKS = 20_260, 8, 3_000
SCRIPT = Path(__file__).with_name("arena_history.mjs")


class Given(NamedTuple):
    player_id: PlayerId
    seat: int
    seq: int
    data: Move


def _history() -> list[list[tuple[int, int, int, int, bool]]]:
    """Players who change their minds now and then, shoot a lot, and sometimes send nothing or two
    inputs within a tick."""
    source = random.Random(7)
    wishes = [(0, 0, 0, False)] * PLAYERS
    ticks = []
    for _ in range(TICKS):
        inputs = []
        for seat in range(PLAYERS):
            for _ in range(source.choice((0, 1, 1, 1, 1, 2))):
                if source.random() < 0.2:
                    wishes[seat] = (
                        source.randint(-1, 1),
                        source.randint(-1, 1),
                        source.randint(0, 65_535),
                        source.random() < 0.7,
                    )
                inputs.append((seat, *wishes[seat]))
        ticks.append(inputs)
    return ticks


def _played_here(ticks: list[Any]) -> list[list[list[int]]]:
    game, source = Arena(), SeededRandom(SEED)
    mode = Arena.modes["bench"]
    tick = StepTick.of(game, source)
    state = game.start(
        Setup(mode="bench", players_max=PLAYERS, options=mode.options, random=source)
    )
    ids = [PlayerId(f"player-{seat}") for seat in range(PLAYERS)]
    for seat, player in enumerate(ids):
        game.join(state, Player(id=player, name=player, seat=seat), tick)
    history = []
    for number, inputs in enumerate(ticks, start=1):
        tick.reset(number, number * 50)
        given = [Given(ids[seat], seat, 1, Move(*wish)) for seat, *wish in inputs]
        game.step(state, given, tick)
        fighters = [
            [
                body.x,
                body.y,
                body.ahead,
                body.move.aim >> 6,
                body.health,
                body.kills,
                body.deaths,
            ]
            for body in state.bodies.values()
        ]
        bullets = [[key, bullet.x, bullet.y] for key, bullet in state.bullets.items()]
        history.append(fighters + bullets)
    return history


@pytest.mark.system
def test_the_port_to_javascript_plays_the_same_game() -> None:
    ticks = _history()
    here = _played_here(ticks)
    assert sum(fighter[5] for fighter in here[-1][:PLAYERS]) > 50, "the history holds few fights"

    given = json.dumps({"seed": SEED, "players": PLAYERS, "ticks": ticks})
    done = subprocess.run(
        [needs_system("node"), str(SCRIPT)],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    there = json.loads(done.stdout)

    for number, (one, other) in enumerate(zip(here, there, strict=True), start=1):
        assert one == other, f"the games differ from tick {number} on"
