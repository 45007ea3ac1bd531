import math
from typing import ClassVar

import msgspec
import pytest

from gameserver.game.contract import EVENTS_PER_STEP_MAX, Game, Standing
from gameserver.game.random import SeededRandom
from gameserver.game.step import Emitted, StepTick
from gameserver.ids import PlayerId


class Scored(msgspec.Struct, tag="scored"):
    points: int


class Fouled(msgspec.Struct, tag="fouled", tag_field="what"):
    by: PlayerId


class Stray(msgspec.Struct, tag="stray"):
    pass


class Ball(Game):
    tick_rate = 50
    Event: ClassVar = Scored | Fouled


class Cards(Game):
    tick_rate = 0
    Event: ClassVar = Scored


def tick_of(game: type[Game] = Ball) -> StepTick:
    tick = StepTick.of(game(), SeededRandom(1))
    tick.reset(3, 60)
    return tick


def standing(player: str, place: int = 1, score: float = 0) -> Standing:
    return Standing(player_id=PlayerId(player), place=place, score=score)


def test_knows_the_step() -> None:
    tick = tick_of()
    assert (tick.number, tick.time_ms, tick.seconds) == (3, 60, 0.02)
    assert tick_of(Cards).seconds == 0


def test_collects_events_in_order() -> None:
    tick = tick_of()
    tick.emit(Scored(2), player_id=PlayerId("ann"))
    tick.emit(Fouled(PlayerId("bob")))
    taken = tick.take()
    assert taken == [
        Emitted("scored", Scored(2), PlayerId("ann")),
        Emitted("fouled", Fouled(PlayerId("bob")), None),
    ]
    assert [emitted.data() for emitted in taken] == [{"points": 2}, {"by": "bob"}]
    assert tick.take() == ()


def test_what_was_taken_is_not_changed_by_the_next_step() -> None:
    tick = tick_of()
    tick.emit(Scored(1))
    taken = tick.take()
    tick.reset(4, 80)
    tick.emit(Scored(2))
    assert [emitted.data() for emitted in taken] == [{"points": 1}]


def test_a_reset_drops_what_was_not_taken() -> None:
    tick = tick_of()
    tick.emit(Scored(1))
    tick.reset(4, 80)
    assert tick.take() == ()


def test_refuses_a_flood_of_events() -> None:
    tick = tick_of()
    for _ in range(EVENTS_PER_STEP_MAX):
        tick.emit(Scored(1))
    with pytest.raises(ValueError, match="belongs into the view"):
        tick.emit(Scored(1))
    assert len(tick.take()) == EVENTS_PER_STEP_MAX


def test_refuses_an_event_of_another_game() -> None:
    with pytest.raises(TypeError, match=r"Stray is not one of the game's events \(Scored"):
        tick_of().emit(Stray())


def test_the_first_end_counts() -> None:
    tick = tick_of()
    assert tick.ended is None
    tick.end([standing("ann")], Scored(1))
    tick.end([standing("bob")])
    tick.reset(4, 80)
    assert tick.ended is not None
    assert tick.ended.standings == (standing("ann"),)
    assert tick.ended.result == Scored(1)


@pytest.mark.parametrize(
    ("standings", "why"),
    [
        ([standing("ann"), standing("ann", 2)], "two standings"),
        ([standing("ann", 0)], "place"),
        ([standing("ann", 1, math.nan)], "finite"),
        ([standing("ann", 1, math.inf)], "finite"),
    ],
)
def test_refuses_impossible_standings(standings: list[Standing], why: str) -> None:
    tick = tick_of()
    with pytest.raises(ValueError, match=why):
        tick.end(standings)
    assert tick.ended is None
