"""Inputs that are rows of numbers: read as msgspec reads them, or handed on as they came."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta

from gameserver import hot
from gameserver.game.contract import Player
from gameserver.games.arena_types import Move
from gameserver.hot.numbers import numbers_of
from gameserver.ids import PlayerId
from gameserver.metrics import Metrics
from gameserver.wire import from_client
from gameserver.wire.codec import ClientDecoder, Format
from tests.conftest import needs_compiled
from tests.hot.parts import client_frame


class Wide(msgspec.Struct, array_like=True, frozen=True, gc=False):
    any: int
    positive: Annotated[int, Meta(gt=0)]
    below: Annotated[int, Meta(lt=-1000)] = -1001
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    yes: bool = True


class Closed(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True, gc=False):
    turn: Annotated[float, Meta(ge=-3.5, le=3.5)] = 0.0


ROWS: list[type[msgspec.Struct]] = [Move, Wide, Closed]


class Named(msgspec.Struct, frozen=True):
    x: int


class Text(msgspec.Struct, array_like=True):
    x: int
    word: str


class Even(msgspec.Struct, array_like=True):
    x: Annotated[int, Meta(multiple_of=2)]


class Told(msgspec.Struct, array_like=True, tag=1):
    x: int


class Careful(msgspec.Struct, array_like=True):
    x: int

    def __post_init__(self) -> None:
        raise ValueError("no")


class ByName(msgspec.Struct, array_like=True, kw_only=True):
    x: int


class Many(msgspec.Struct, array_like=True):
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    h: int
    i: int


class Maybe(msgspec.Struct, array_like=True):
    x: int | None


class Nothing(msgspec.Struct, array_like=True): ...


@pytest.mark.parametrize(
    "kind", [Named, Text, Even, Told, Careful, ByName, Many, Maybe, Nothing, int]
)
def test_what_is_no_row(kind: type[Any]) -> None:
    assert numbers_of(kind) is None


def test_what_a_row_is() -> None:
    assert numbers_of(Move) == ((int, -1, 1), (int, -1, 1), (int, 0, 65_535), (bool, 0, 1))
    assert numbers_of(Wide) == (
        (int, -(2**63), 2**63 - 1),
        (int, 1, 2**63 - 1),
        (int, -(2**63), -1001),
        (float, 0, 1),
        (bool, 0, 1),
    )


@dataclass
class Connection:
    """Takes what is handed on."""

    delivered: list[bytes] = field(default_factory=list)

    def deliver(self, payload: bytes) -> None:
        self.delivered.append(payload)

    def take(self, data: bytes) -> None:
        self.delivered.append(data)

    def poll(self) -> None: ...

    def queue(self, data: bytes) -> None:
        raise AssertionError("nothing is written")

    def abort(self) -> None:
        raise AssertionError("the socket is whole")


def read(
    kind: type[msgspec.Struct], payload: bytes, decode: Callable[[bytes], Any] | None = None
) -> tuple[list[Any], list[bytes]]:
    """What the loop makes of one message: inputs, and messages handed on."""
    needs_compiled(hot.COMPILED)
    decoder = _decoder(kind)
    connection, line = Connection(), hot.Line()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        line.fd, line.direct, line.fast, line.usual_max = ours.fileno(), True, True, 131
        line.connection, line.prepaid = connection, 5
        line.decode, line.input_type = decoder.quick
        if decode is not None:
            line.decode = decode
        member = hot.Member(Player(id=PlayerId("p"), name="", seat=3))
        member.line = line
        theirs.send(client_frame(payload))
        inputs: list[Any] = []
        hot.collect((member,), inputs, 1, 4, Metrics(), _failed)
    return inputs, connection.delivered


def _failed() -> None:
    raise AssertionError("nothing of this may raise")


_DECODERS: dict[type[Any], ClientDecoder] = {}


def _decoder(kind: type[msgspec.Struct]) -> ClientDecoder:
    return _DECODERS.setdefault(kind, ClientDecoder(kind, Format.MSGPACK))


def same_as_msgspec(kind: type[msgspec.Struct], payload: bytes) -> None:
    """An input is what msgspec makes of it; all else comes unchanged to who can answer it."""
    try:
        message = _decoder(kind).decode(payload)
    except ValueError:
        message = None
    inputs, delivered = read(kind, payload)
    if isinstance(message, from_client.Input):
        assert not delivered
        (one,) = inputs
        assert (one.player_id, one.seat, one.seq) == ("p", 3, message.seq)
        assert type(one.data) is kind
        assert one.data == message.data
        assert one.data is one.data
        assert [type(value) for value in msgspec.structs.astuple(one.data)] == [
            type(value) for value in msgspec.structs.astuple(message.data)
        ]
    else:
        assert (inputs, delivered) == ([], [payload])


whole = st.one_of(
    st.integers(-70_000, 70_000),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0, 1, -1, -32, -33, 127, 128, 255, 256, 2**31, 2**32 - 1, 2**63 - 1, 2**63]),
)
single = st.floats(width=32).map(lambda value: msgspec.Raw(b"\xca" + struct.pack(">f", value)))
values = st.one_of(whole, st.floats(), single, st.booleans(), st.none(), st.text(max_size=3))
rows = st.one_of(
    st.tuples(st.integers(-1, 1), st.integers(-1, 1), st.integers(0, 65_535), st.booleans()),
    st.tuples(whole, st.integers(1), st.integers(-(2**63), -1001), st.floats(0, 1), st.booleans()),
    st.tuples(st.floats(-3.5, 3.5)),
    st.lists(values, max_size=6),
)
kinds = st.sampled_from(ROWS)


@given(kinds, st.integers(0, 2**32), rows)
@example(Move, 2**32 - 1, (1, -1, 65_535, True))
@example(Wide, 1, (-(2**63), 2**63 - 1, -1001, 1.0, False))
@example(Closed, 1, (float("nan"),))
@example(Closed, 1, (1,))
def test_as_msgspec_reads_them(kind: type[msgspec.Struct], seq: int, row: Any) -> None:
    try:
        payload = msgspec.msgpack.encode([2, seq, row])
    except OverflowError:
        return
    same_as_msgspec(kind, payload)


@given(kinds, st.binary(min_size=1, max_size=40))
def test_whatever_bytes_come(kind: type[msgspec.Struct], data: bytes) -> None:
    same_as_msgspec(kind, data)


@given(
    st.sampled_from(["b", "h", "i", "q", "B", "H", "I", "Q"]),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(0, 30),
)
def test_numbers_in_more_bytes_than_they_need(form: str, value: int, cut: int) -> None:
    code = b"\xd0\xd1\xd2\xd3\xcc\xcd\xce\xcf"["bhiqBHIQ".index(form)]
    try:
        number = bytes((code,)) + struct.pack(f">{form}", value)
    except struct.error:
        return
    payload = b"\x93\x02\x07\x95" + number + b"\x01\xd1\xfc\x00" + b"\xca\x3f\x00\x00\x00\xc2"
    same_as_msgspec(Wide, payload)
    same_as_msgspec(Wide, payload[:-cut] or b"\x93")


@pytest.mark.parametrize("kind", ROWS)
def test_a_usual_input_needs_no_decoder(kind: type[msgspec.Struct]) -> None:
    def never(payload: bytes) -> Any:
        raise AssertionError(payload)

    row = {Move: (0, 1, 300, True), Wide: (1, 2, -2000, 0.25, False), Closed: (0.5,)}[kind]
    inputs, delivered = read(kind, msgspec.msgpack.encode([2, 9, row]), never)
    assert [one.data for one in inputs] == [kind(*row)]
    assert not delivered
