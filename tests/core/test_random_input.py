import enum
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from msgspec import Meta

from gameserver.game.random import SeededRandom
from gameserver.game.random_input import CannotGenerate, input_maker


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float


class Extra(TypedDict, total=False):
    note: str


class Walk(msgspec.Struct, tag="walk"):
    to: Annotated[int, Meta(ge=-5, lt=5)]


class Talk(msgspec.Struct, tag="talk"):
    text: Annotated[str, Meta(min_length=1, max_length=9)]


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: "Pair | None" = None


class Order(msgspec.Struct):
    what: Walk | Talk
    colour: Colour
    step: Literal[1, 2, "three"]
    even: Annotated[int, Meta(ge=0, le=100, multiple_of=2)]
    share: Annotated[float, Meta(ge=0, le=1)]
    below: Annotated[float, Meta(lt=3)]
    free: float
    big: int
    flag: bool
    path: Annotated[list[tuple[int, int]], Meta(max_length=4)]
    bag: dict[str, Annotated[int, Meta(gt=0)]]
    seen: set[int]
    blob: Annotated[bytes, Meta(max_length=3)]
    at: Point
    pair: Pair
    extra: Extra
    anything: Any
    raw: msgspec.Raw
    then: "Order | None" = None
    tags: tuple[str, ...] = ()


def made(kind: type, count: int) -> list[Any]:
    make, random = input_maker(kind), SeededRandom(4)
    return [make(random) for _ in range(count)]


@pytest.fixture(scope="module")
def orders() -> list[Any]:
    return made(Order, 2_000)


@pytest.mark.parametrize(
    ("what", "reached"),
    [
        ("both kinds", lambda o: type(o.what) is Walk),
        ("both kinds", lambda o: type(o.what) is Talk),
        ("the lower bound", lambda o: o.what == Walk(-5)),
        ("the upper bound", lambda o: o.what == Walk(4)),
        ("the shortest text", lambda o: type(o.what) is Talk and len(o.what.text) == 1),
        ("the longest text", lambda o: type(o.what) is Talk and len(o.what.text) == 9),
        ("a member", lambda o: o.colour is Colour.BLUE),
        ("a literal", lambda o: o.step == "three"),
        ("an end of a range", lambda o: o.share == 1.0),
        ("NaN", lambda o: math.isnan(o.free)),
        ("infinity", lambda o: math.isinf(o.free)),
        ("64 bits", lambda o: o.big == 2**64 - 1),
        ("minus 63 bits", lambda o: o.big == -(2**63)),
        ("an empty list", lambda o: o.path == []),
        ("a full list", lambda o: len(o.path) == 4),
        ("the depth", lambda o: o.then is not None and o.then.then is not None),
        ("a default", lambda o: o.tags == ()),
        ("an optional key", lambda o: "note" in o.extra),
    ],
)
def test_reaches(what: str, reached: Callable[[Any], bool], orders: list[Any]) -> None:
    assert any(reached(order) for order in orders), what


def test_the_same_seed_makes_the_same_inputs(orders: list[Any]) -> None:
    encode = msgspec.msgpack.encode
    assert [encode(order) for order in made(Order, 50)] == [encode(o) for o in orders[:50]]


class Patterned(msgspec.Struct):
    code: Annotated[str, Meta(pattern="^[A-Z]{4}$")]


class Dated(msgspec.Struct):
    at: datetime


class Endless(msgspec.Struct):
    again: "Endless"


@pytest.mark.parametrize("kind", [Patterned, Dated, Endless])
def test_says_what_it_cannot_make(kind: type) -> None:
    with pytest.raises(CannotGenerate):
        made(kind, 1)
