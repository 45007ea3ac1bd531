"""The match of a session plays by other rules: whole views, and inputs of the new type."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from gameserver.games.echo import Echo
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, encode_value
from gameserver.wire.frame import Frame
from tests.session.parts import Bench


class Word(msgspec.Struct):
    text: str


class NewEcho(Echo):
    Input: ClassVar = Word


class Plain(msgspec.Struct):
    """Two views without a table: what is kept of their types is the same object."""

    first: str = "one"
    filler: str = "x" * 50


class Other(msgspec.Struct):
    first: str = "two"
    filler: str = "x" * 50


def frame(tick: int, view: msgspec.Struct) -> Frame:
    return Frame.of(epoch=1, tick=tick, server_ms=0, acks=[0], view=view)


@pytest.mark.parametrize("format", [Format.MSGPACK, Format.JSON])
@pytest.mark.parametrize("is_slow", [False, True])
async def test_the_next_view_is_whole_and_inputs_are_the_new_ones(
    format: Format, is_slow: bool
) -> None:
    bench = Bench(format=format)
    bench.send(from_client.Join(ref=7, game="echo"))
    await bench.settle()
    bench.session.frame(frame(1, Plain()))
    bench.session.frame(frame(2, Plain("more")))
    kinds = [type(message) for message in bench.connection.messages()]
    assert kinds[-2:] == [to_client.Snapshot, to_client.Delta]

    if is_slow:  # A frame of the old rules waits: it must not become anybody's base.
        bench.connection.writable = False
        bench.session.frame(frame(3, Plain("late")))
    bench.session.plays(NewEcho())
    bench.connection.writable = True
    bench.session.became_writable()
    bench.session.frame(frame(4, Other()))
    bench.session.frame(frame(5, Other("more")))
    whole, delta = bench.connection.messages()
    assert isinstance(whole, to_client.Snapshot) and isinstance(delta, to_client.Delta)
    assert (whole.tick, delta.base) == (4, 4)

    bench.send(from_client.Input(1, encode_value(Word("hi"), format)), Word("hi"))
    assert bench.matches.handle.inputs == [(1, Word("hi"))]


async def test_who_has_left_hears_nothing_of_it() -> None:
    bench = Bench()
    bench.session.plays(NewEcho())
    bench.send(from_client.Join(ref=7, game="echo"))
    await bench.settle()
    assert bench.connection.closed_with is None
