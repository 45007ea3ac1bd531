"""The arena's rules in C and in Python: the same histories, tick by tick."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any, NamedTuple

import msgspec
import pytest

from gameserver.game import packed
from gameserver.game.contract import LeaveReason, Player, Setup
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.games import arena, arena_plain
from gameserver.games import arena_plain_state as plain_state
from gameserver.games.arena import Arena
from gameserver.games.arena_state import Body, Bullet
from gameserver.games.arena_types import Move, Shot
from gameserver.hot import Given, plain
from gameserver.ids import PlayerId
from gameserver.match import checkpoint
from gameserver.match.checkpoint import BadCheckpoint
from tests.conftest import needs_compiled

TICKS = 1_200
PLAIN = {
    "step": arena_plain.step,
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
@pytest.mark.parametrize(
    ("mode", "players"), [("bench", 8), ("standard", 8), ("quick", 8), ("duel", 2)]
)
def test_both_forms_play_the_same_game(
    mode: str, players: int, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = outcome(mode, players, 3, given)
    for name, function in PLAIN.items():
        monkeypatch.setattr(Arena, name, staticmethod(function))
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


# ── what is stored ───────────────────────────────────────────────────────────────────────────────

BODY = plain_state.Body(PlayerId("ada"), 5, -6, Move(1, -1, 65_535, True), True, *range(1, 14))
BULLET = plain_state.Bullet(Shot(1, 2, 3, 4, 5), 6, 7, -120, 9)
ODD = (None, True, -1, 2**15, 2**31, -(2**31) - 1, 2**40, 2**64 - 1, 1.5, "x", [], {}, [2, 0])
"""Each is damage in some place: both forms must be of one mind, but for the width of fields."""


def read(kind: Any, encoded: bytes) -> bytes | str:
    """What is stored again of it, or why it cannot be read."""
    try:
        return bytes(checkpoint.encode_state(checkpoint.decode_state(msgspec.Raw(encoded), kind)))
    except BadCheckpoint as error:
        return str(error)


@pytest.mark.parametrize(
    ("twin", "kind"), [(BODY, Body), (BULLET, Bullet), (plain_state.Body(PlayerId("x")), Body)]
)
def test_both_forms_are_stored_by_the_same_bytes(twin: Any, kind: Any) -> None:
    encoded = msgspec.msgpack.encode(twin)
    object_ = packed.decode(encoded, kind)
    assert type(object_) is kind and packed.encode(object_) == encoded
    assert object_ == copy.deepcopy(object_) == pickle.loads(pickle.dumps(object_))
    assert repr(object_) == repr(twin) and object_ != twin
    assert [getattr(object_, name) for name in twin.__struct_fields__] == [
        getattr(twin, name) for name in twin.__struct_fields__
    ]
    object_.x += 1
    assert object_ != packed.decode(encoded, kind)


@pytest.mark.parametrize(("twin", "kind"), [(BODY, Body), (BULLET, Bullet)])
def test_both_forms_read_and_refuse_the_same(twin: Any, kind: Any) -> None:
    values = msgspec.to_builtins(twin)
    tried = [values[:count] for count in range(len(values))] + [[*values, 1], {}, None, "x"]
    for at in range(len(values)):
        tried += [[*values[:at], wrong, *values[at + 1 :]] for wrong in ODD]
    refused = 0
    for each in tried:
        encoded = msgspec.msgpack.encode(each)
        here, there = read(kind, encoded), read(type(twin), encoded)
        if isinstance(here, str) and "too large" in here:
            continue  # the struct has no bounds
        assert isinstance(here, str) == isinstance(there, str), (each, here, there)
        assert isinstance(here, str) or here == there
        refused += isinstance(here, str)
    assert refused > len(tried) / 3


def test_numbers_that_a_field_does_not_hold_are_refused() -> None:
    for given in ({"x": 2**31}, {"health": 2**15}, {"ahead": 128}, {"move": Move(0, 0, 2**16)}):
        with pytest.raises(OverflowError):
            Body(id=PlayerId("ada"), **given)
        (name, value), *_ = given.items()
        body = Body(id=PlayerId("ada"))
        with pytest.raises(OverflowError):
            setattr(body, name, value)
    played = Played("bench", 1)
    for number in (-1, 2**31 - 1, 2**40):
        with pytest.raises(OverflowError, match="too many ticks"):
            played.step(number, [])
    with pytest.raises(OverflowError, match="out of bounds"):
        played.step(1, [Input(played.players[0].id, 0, 1, Move(2, 0))])


def test_what_a_state_should_not_hold_is_an_error_and_nothing_else() -> None:
    played = Played("bench", 1)
    for field, held in (("bodies", BODY), ("bullets", BULLET), ("bodies", None)):
        state = packed.decode(packed.encode(played.state), type(played.state))
        getattr(state, field)[1] = held
        with pytest.raises(TypeError, match="holds a"):
            played.game.step(state, [], played.tick)
        with pytest.raises(TypeError, match="holds a"):
            played.game.encode_view(state)
    with pytest.raises(TypeError, match="an input must be a Move"):
        played.step(1, [Input(played.players[0].id, 0, 1, None)])  # type: ignore[arg-type]


@pytest.mark.parametrize("players", [0, 1, 15, 16, 90])
def test_views_of_any_size_are_written_as_msgspec_does(players: int) -> None:
    source = random.Random(players)
    sizes = (0, 31, 32, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 2**31 - 1)
    game = Arena()
    for round_ in range(20):
        state = Played("standard", 0).state
        state.now = source.choice(sizes)
        state.ends_tick = source.choice((*sizes, 2**32, 2**63 - 1))
        state.pickups[source.randrange(len(state.pickups))] = state.now + 1
        for seat in range(players):
            signed = [source.choice((1, -1)) * source.choice(sizes) for _ in range(8)]
            body = Body(PlayerId("x"), signed[0], signed[1], Move(0, 0, source.randrange(65_536)))
            body.kills, body.deaths, body.shield_until, body.rapid_until = signed[2:6]
            body.ahead_x, body.ahead = source.randrange(-400, 400), source.randrange(10)
            body.health = source.randrange(101)
            state.bodies[seat * 300] = body
            shot = Shot(signed[6], signed[7], seat, source.choice(sizes), seat)
            state.bullets[source.choice(sizes)] = Bullet(shot, 0, 0, 0, 0)
        assert game.encode_view(state) == msgspec.msgpack.encode(game.view(state)), round_
