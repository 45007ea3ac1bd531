"""How a game marks what tells of a person."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from gameserver.game.contract import Sensitive, Standing
from gameserver.game.random import SeededRandom
from gameserver.game.step import StepTick
from gameserver.ids import PlayerId
from gameserver.wire.sensitive import sensitive_fields


class Line(msgspec.Struct):
    text: Annotated[str, Sensitive]


class Said(msgspec.Struct, tag="said", rename="camel"):
    the_text: Annotated[str, Meta(max_length=3), Sensitive]
    room: Annotated[str, Meta(max_length=3)]
    maybe: Annotated[int, Sensitive] | None
    lines: list[Line]
    by_name: dict[str, tuple[Line, int]]
    count: int = 0


class Node(msgspec.Struct):
    next: Node | None = None


def test_marked_fields_and_those_that_hold_marked_parts() -> None:
    assert sensitive_fields(Said) == ("theText", "maybe", "lines", "byName")
    assert sensitive_fields(Node) == ()


def test_a_mark_keeps_the_bounds_beside_it() -> None:
    with pytest.raises(msgspec.ValidationError, match="length <= 3"):
        msgspec.convert({"theText": "abcd"}, Said)


def test_a_result_with_marks_is_refused() -> None:
    tick = StepTick(SeededRandom(1), tick_rate=20, kinds={})
    with pytest.raises(TypeError, match=r"Line has sensitive fields \(text\)"):
        tick.end([Standing(player_id=PlayerId("a"), place=1)], Line("hello"))
    assert tick.ended is None
