"""The kit finds no fault with sound games, and finds each fault it is there for."""

import itertools
import time
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from msgspec import Meta

from gameserver.game.contract import Game, LeaveReason, Mode, Player, Refused, Standing
from gameserver.game.loader import load_game
from gameserver.game.testkit import Broken, check

BUNDLED = [
    (name, mode) for name in ("arena", "liars_dice", "echo") for mode in load_game(name).modes
]


@pytest.mark.parametrize(("name", "mode"), BUNDLED)
def test_bundled_games_are_sound(name: str, mode: str) -> None:
    report = check(type(load_game(name)), mode=mode, steps=600, seed=11)
    assert report.inputs > 300
    assert 0 < report.view_bytes_max < 8_192
    assert report.steps_per_s is None


def test_matches_end_during_a_check() -> None:
    assert check(type(load_game("liars_dice")), steps=1_000).matches_ended > 3


class Counter(msgspec.Struct):
    """State and view of the games below."""

    total: int = 0
    cells: dict[int, list[int]] = {}
    twin: list[int] = []
    anything: Any = None
    secret: dict[int, int] = {}


class Add(msgspec.Struct):
    amount: Annotated[int, Meta(ge=0, le=9)]


class Note(msgspec.Struct, tag="note"):
    text: str


class Adder(Game):
    """Sound; every test breaks one thing about it."""

    name = "adder"
    tick_rate = 10
    modes: ClassVar = {"standard": Mode(players_max=4), "solo": Mode(players_max=1)}
    State: ClassVar = Counter
    Input: ClassVar = Add
    View: ClassVar = Counter
    Event: ClassVar = Note

    def start(self, setup: Any) -> Any:
        return Counter()

    def join(self, state: Any, player: Player, tick: Any) -> None:
        state.secret[player.seat] = tick.random.below(6)

    def leave(self, state: Any, player: Player, reason: LeaveReason, tick: Any) -> None:
        del state.secret[player.seat]

    def step(self, state: Any, inputs: Any, tick: Any) -> None:
        state.total += sum(given.data.amount for given in inputs) + tick.random.below(2)

    def view(self, state: Any) -> Any:
        return Counter(total=state.total)


class AdderByTurns(Adder):
    tick_rate = 0


def test_a_sound_game_passes() -> None:
    report = check(Adder, steps=400, timer=time.perf_counter)
    assert (report.game, report.mode, report.steps) == ("adder", "standard", 400)
    assert report.inputs > 100
    assert report.tables == frozenset()
    assert report.steps_per_s
    assert check(AdderByTurns, steps=400, mode="solo").inputs > 50


_calls = itertools.count()


def counts_calls(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    state.total += next(_calls)


def keeps_on_self(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    self.steps = getattr(self, "steps", 0) + 1
    state.total = self.steps


def shares_an_object(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    row = state.cells.setdefault(0, [0])
    if not state.twin:
        state.twin = row
    row[0] += 1
    state.total += state.twin[0]


def holds_another_type(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    state.cells[0] = ["not a number"]


def forgets_a_type(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    state.total += isinstance(state.anything, tuple)
    if state.anything is None:
        state.anything = (1, 2)


def fails_on_nine(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    for given in inputs:
        state.total += 1 // (9 - given.data.amount)


def floods(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    for _ in range(257):
        tick.emit(Note("again"))


def emits_a_book(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    tick.emit(Note("x" * 60_001))


def grows(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    state.twin = [*state.twin, *range(1_000)]


def crowns_a_stranger(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    tick.end([Standing(player_id="nobody", place=1)])


def ends_with_a_row(self: Any, state: Any, inputs: Any, tick: Any) -> None:
    class Row(msgspec.Struct, array_like=True):
        x: int

    tick.end([], Row(1))


def refuses_too_late(self: Any, state: Any, player: Player, tick: Any) -> None:
    state.total += 1
    raise Refused("not now")


def changes_by_looking(self: Any, state: Any) -> Any:
    state.total += 1
    return Counter(total=state.total)


def sees_everything(self: Any, state: Any) -> Any:
    return Counter(cells={0: list(range(50_000))})


def sees_something_else(self: Any, state: Any) -> Any:
    return Add(1)


def never_rests(self: Any, state: Any) -> int:
    return 5


@pytest.mark.parametrize(
    ("method", "broken", "message"),
    [
        ("step", counts_calls, "not deterministic"),
        ("step", keeps_on_self, "kept outside of it"),
        ("step", shares_an_object, "one object stands in two places"),
        ("step", forgets_a_type, "kept outside of it|one object"),
        ("step", holds_another_type, "the state holds what its type does not allow"),
        ("step", fails_on_nine, r"step \d+: step\(\) raised ZeroDivisionError.*Add\(amount=9\)"),
        ("step", floods, "more than 256 events"),
        ("step", emits_a_book, "'note' takes more than 60000 bytes"),
        ("step", grows, "the state takes .* the limit is 262144"),
        ("step", crowns_a_stranger, "never took a seat"),
        ("step", ends_with_a_row, "not array_like"),
        ("join", refuses_too_late, "refused, but changed the state"),
        ("view", changes_by_looking, "a view changed the state"),
        ("view", sees_everything, "a view takes .* the limit is 65536"),
        ("view", sees_something_else, "a view must be a View"),
    ],
)
def test_finds(method: str, broken: Callable[..., Any], message: str) -> None:
    game = type("BrokenAdder", (Adder,), {method: broken})
    with pytest.raises(Broken, match=message):
        check(game, steps=400)


def test_finds_a_turn_clock_that_never_rests() -> None:
    game = type("Restless", (AdderByTurns,), {"wake_at": never_rests})
    with pytest.raises(Broken, match="never rest"):
        check(game, steps=50)


def reroll(state: Any, player: Player, random: Any) -> None:
    state.secret[player.seat] = 10 + random.below(6)


def test_finds_a_secret_in_the_view_of_another() -> None:
    def leaks_the_sum(self: Any, state: Any, player: Player) -> Any:
        return Counter(total=sum(state.secret.values()))

    def keeps_it(self: Any, state: Any, player: Player) -> Any:
        return Counter(total=state.secret[player.seat])

    tight = type("Tight", (Adder,), {"hidden": True, "view_for": keeps_it})
    check(tight, steps=200, secrets=reroll)
    leaky = type("Leaky", (Adder,), {"hidden": True, "view_for": leaks_the_sum})
    with pytest.raises(Broken, match=r"what only seat \d may know shows in the view of seat \d"):
        check(leaky, steps=200, secrets=reroll)


def test_finds_a_secret_in_the_view_of_spectators() -> None:
    leaky = type("Leaky", (Adder,), {"view": lambda self, s: Counter(secret=s.secret)})
    with pytest.raises(Broken, match="in the view of spectators"):
        check(leaky, steps=200, secrets=reroll)


def test_asks_for_a_maker_of_inputs_that_cannot_be_guessed() -> None:
    class Code(msgspec.Struct):
        text: Annotated[str, Meta(pattern="^[A-Z]{4}$")]

    game = type("Coded", (Adder,), {"Input": Code, "step": lambda self, s, i, t: None})
    with pytest.raises(Broken, match="give make_input to check"):
        check(game, steps=200)
    assert check(game, steps=200, make_input=lambda random: Code("ABCD")).inputs > 10


def test_refuses_what_cannot_be_played() -> None:
    with pytest.raises(Broken, match="tick_rate must be"):
        check(type("Fast", (Adder,), {"tick_rate": 1000}))
    with pytest.raises(ValueError, match="none of standard, solo"):
        check(Adder, mode="nowhere")
