"""Objects of a game's own class in a state, and views that a game encodes by itself."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from gameserver.game import packed
from gameserver.game.contract import Game, Mode
from gameserver.game.rehearsal import Rehearsal
from gameserver.game.testkit import Broken, check
from gameserver.game.validate import problems
from gameserver.match import checkpoint
from gameserver.match.checkpoint import BadCheckpoint


class BallStruct(msgspec.Struct, array_like=True):
    name: str
    x: int = 0
    tags: list[int] = []


class Ball:
    """The same, as compiled rules might hold it: ``x`` has 16 bits."""

    __slots__ = ("name", "tags", "x")

    def __init__(self, name: str, x: int = 0, tags: list[int] | None = None) -> None:
        if not -(2**15) <= x < 2**15:
            raise OverflowError("x has 16 bits")
        self.name, self.x, self.tags = name, x, tags or []

    def pack(self) -> tuple[Any, ...]:
        return self.name, self.x, self.tags

    @classmethod
    def unpack(cls, values: list[Any]) -> Ball:
        return cls(*msgspec.structs.astuple(msgspec.convert(values, BallStruct)))


class Careless(Ball):
    @classmethod
    def unpack(cls, values: list[Any]) -> Ball:
        return cls(values[0], 100 // values[1])


class Table(msgspec.Struct):
    balls: dict[int, Ball] = {}
    first: Ball | None = None


class CarelessTable(msgspec.Struct):
    balls: dict[int, Careless] = {}


class PlainTable(msgspec.Struct):
    balls: dict[int, BallStruct] = {}
    first: BallStruct | None = None


class Push(msgspec.Struct):
    by: int = 1


class Seen(msgspec.Struct):
    places: dict[str, int]


class Billiards(Game[Table, Push, Seen]):
    name = "billiards"
    tick_rate = 10
    modes: ClassVar = {"two": Mode(players_max=2)}
    State: ClassVar = Table
    Input: ClassVar = Push
    View: ClassVar = Seen

    def start(self, setup: Any) -> Table:
        return Table({1: Ball("red"), 2: Ball("white", 7)})

    def step(self, state: Table, inputs: Any, tick: Any) -> None:
        for given in inputs:
            ball = state.balls[1 + given.seat % 2]
            ball.x = (ball.x + given.data.by) % 100

    def view(self, state: Table) -> Seen:
        return Seen({ball.name: ball.x for ball in state.balls.values()})


class Quick(Billiards):
    def encode_view(self, state: Table) -> bytes:
        return msgspec.msgpack.encode({"places": {b.name: b.x for b in state.balls.values()}})


class Wrong(Billiards):
    def encode_view(self, state: Table) -> bytes:
        return msgspec.msgpack.encode({"places": {b.name: b.x // 50 for b in state.balls.values()}})


def test_it_is_stored_as_the_struct_would_be_and_either_reads_the_others() -> None:
    table = Table({1: Ball("red", 3, [1, 2])}, Ball("white"))
    twin = PlainTable({1: BallStruct("red", 3, [1, 2])}, BallStruct("white"))
    encoded = checkpoint.encode_state(table)
    assert encoded == msgspec.Raw(msgspec.msgpack.encode(twin))
    assert checkpoint.decode_state(encoded, PlainTable) == twin
    again = checkpoint.decode_state(msgspec.Raw(msgspec.msgpack.encode(twin)), Table)
    assert isinstance(again, Table)
    assert isinstance(again.balls[1], Ball) and isinstance(again.first, Ball)
    assert checkpoint.encode_state(again) == encoded
    assert packed.encode_json(table) == msgspec.json.encode(twin)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (["red", 2**15], r"Ball: x has 16 bits - at `\$.balls\[…\]`"),
        ([], "at least length 1"),
        ([7], "Expected `str`, got `int`"),
        (["red", 1.5], "Expected `int`, got `float`"),
        (["red", 1, [None]], "Expected `int`, got `null`"),
        ({"name": "red"}, "Expected `array`, got `dict`"),
        ("red", "Expected `array`, got `str`"),
        (None, "Expected `array`, got `NoneType`"),
    ],
)
def test_what_does_not_fit_is_a_bad_checkpoint(stored: Any, message: str) -> None:
    encoded = msgspec.Raw(msgspec.msgpack.encode({"balls": {1: stored}}))
    with pytest.raises(BadCheckpoint, match=message.replace("…", r"\.\.\.")):
        checkpoint.decode_state(encoded, Table)


@pytest.mark.parametrize("stored", [[], ["red"], ["red", 0], ["red", "a"]])
def test_so_is_what_a_careless_class_stumbles_over(stored: Any) -> None:
    encoded = msgspec.Raw(msgspec.msgpack.encode({"balls": {1: stored}}))
    with pytest.raises(BadCheckpoint, match="Careless: "):
        checkpoint.decode_state(encoded, CarelessTable)


def test_damaged_bytes_are_a_bad_checkpoint() -> None:
    encoded = bytes(checkpoint.encode_state(Table({1: Ball("red", 300, [1])}, Ball("white"))))
    for at in range(len(encoded)):
        with pytest.raises(BadCheckpoint):
            checkpoint.decode_state(msgspec.Raw(encoded[:at]), Table)
        for byte in (0x00, 0x90, 0xC0, 0xC1, 0xFF):
            damaged = encoded[:at] + bytes([byte]) + encoded[at + 1 :]
            try:
                checkpoint.decode_state(msgspec.Raw(damaged), Table)
            except BadCheckpoint:
                continue


def test_what_says_not_how_it_is_stored_is_refused_as_before() -> None:
    with pytest.raises(TypeError, match="Encoding objects of type complex is unsupported"):
        packed.encode({"a": 1j})
    with pytest.raises(msgspec.ValidationError, match="Decoding objects of type complex"):
        packed.decode(b"\x01", complex)


def test_a_state_may_hold_it_and_nothing_that_clients_see() -> None:
    assert problems(Billiards) == []
    for part in ("Input", "View"):
        wrong = problems(type("Wrong", (Billiards,), {part: Table}))
        assert any(f"{part}.first has a type that msgspec does not know" in one for one in wrong)


@pytest.mark.parametrize("game", [Billiards, Quick])
def test_the_test_kit_plays_such_games(game: type[Game[Any, Any, Any]]) -> None:
    assert check(game, steps=200).inputs > 100


def test_a_view_encoded_wrongly_is_found() -> None:
    with pytest.raises(Broken, match=r"encode_view\(\) gives other bytes"):
        check(Wrong, steps=400)
    match = Rehearsal(Wrong)
    ada = match.join("ada")
    with pytest.raises(AssertionError, match=r"encode_view\(\) gives other bytes"):
        match.view()
    assert Rehearsal(Quick).view() == Seen({"red": 0, "white": 7})
    assert match.view(ada).places


def test_who_overrides_the_view_alone_need_not_know_of_its_bytes() -> None:
    class Mirrored(Quick):
        def view(self, state: Table) -> Seen:
            return Seen({name: -x for name, x in super().view(state).places.items()})

    class Both(Mirrored):
        def encode_view(self, state: Table) -> bytes:
            return b"its own"

    class Neither(Both):
        pass

    state = Table({1: Ball("red", 3)})
    assert Mirrored().encode_view(state) == msgspec.msgpack.encode({"places": {"red": -3}})
    assert Both().encode_view(state) == Neither().encode_view(state) == b"its own"
    assert type("Mixed", (Mirrored, Quick), {})().encode_view(state) != Quick().encode_view(state)
