"""Messages and views for the wire tests: fixed examples and hypothesis strategies."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import Meta
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from gameserver.game.contract import Game
from gameserver.wire import from_client, to_client
from gameserver.wire.codec import Format, encode_value

FORMATS = [Format.MSGPACK, Format.JSON]

unhurried = settings(deadline=None)
"""A slow machine is no failure."""


class Move(msgspec.Struct, frozen=True):
    dx: Annotated[int, Meta(ge=-1, le=1)]
    dy: Annotated[int, Meta(ge=-1, le=1)]
    fire: bool = False


class Loose(msgspec.Struct, frozen=True):
    """An Input whose types refuse little by themselves."""

    aim: float = 0.0
    amount: int = 0
    note: Any = None


class Tagged(msgspec.Struct, frozen=True, tag="tagged"):
    text: Annotated[str, Meta(max_length=8)]

    def __post_init__(self) -> None:
        if self.text == "boom":
            raise ZeroDivisionError("the game's own defect")


class MoveGame(Game[Any, Any, Any]):
    name = "move"
    Input = Move


class LooseGame(Game[Any, Any, Any]):
    name = "loose"
    Input = Loose


class TaggedGame(Game[Any, Any, Any]):
    name = "tagged"
    Input = Tagged


class Ship(msgspec.Struct):
    x: float
    hp: int
    name: str | None = None


class Flag(msgspec.Struct, array_like=True):
    x: int
    y: int


class View(msgspec.Struct):
    phase: str
    clock: int | None
    scores: dict[str, int]
    ships: dict[str, Ship]
    flags: dict[int, Flag] = msgspec.field(name="f")
    mixed: Annotated[dict[str | int, Ship], Meta(max_length=100)] = {}


class OtherView(msgspec.Struct):
    phase: str


def payload_of(frame: bytes, format: Format) -> bytes:
    """The payload of one complete WebSocket frame, as a client reads it."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN)
    client.receive_data(frame)
    (event,) = client.events_received()
    assert isinstance(event, Frame)
    assert event.opcode is (Opcode.TEXT if format is Format.JSON else Opcode.BINARY)
    return bytes(event.data)


# ── strategies ───────────────────────────────────────────────────────────────────────────────────

ints = st.integers(-(2**63), 2**64 - 1)
counts = st.integers(0, 2**53)
words = st.text(max_size=12)
keys = st.text("abc", min_size=1, max_size=2)
finite = st.floats(allow_nan=False, allow_infinity=False)
moves = st.builds(Move, st.integers(-1, 1), st.integers(-1, 1), st.booleans())
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
refs = st.integers(0, 2**32 - 1)
names = st.text(max_size=64)

from_clients = st.one_of(
    st.builds(
        from_client.Join,
        refs,
        names,
        names,
        names,
        st.none() | st.builds(from_client.Resume, counts, counts),
        st.text(max_size=16),
        st.text(max_size=64),
    ),
    st.builds(from_client.Leave, refs),
    st.builds(from_client.Ping, finite),
    st.builds(from_client.Refresh, refs, st.text(max_size=40)),
    st.builds(from_client.Watch, refs, st.text(min_size=1, max_size=64)),
    st.builds(from_client.Chat, refs, st.text(max_size=40), st.booleans()),
    st.builds(from_client.Mute, refs, st.text(min_size=1, max_size=64), st.booleans()),
    st.builds(
        from_client.Vote, refs, st.sampled_from(["pause", "resume", "rematch"]), st.booleans()
    ),
)

seats = st.builds(to_client.Seat, counts, words, words, st.booleans())
plain_to_clients = st.one_of(
    st.builds(
        to_client.Welcome,
        words,
        words,
        words,
        counts,
        counts,
        counts,
        counts,
        counts,
        st.lists(words, max_size=3),
    ),
    st.builds(
        to_client.Joined,
        counts,
        words,
        words,
        words,
        counts,
        counts,
        counts,
        counts,
        counts,
        counts,
        st.booleans(),
        st.lists(seats, max_size=3),
    ),
    st.builds(to_client.Error, st.sampled_from(to_client.ErrorCode), words, counts),
    st.builds(to_client.Pong, finite, counts),
    st.builds(to_client.Left, counts, words, words),
    st.builds(to_client.Paused, words),
    st.builds(to_client.Resumed),
    st.builds(to_client.Reconnect, counts, words),
    st.builds(to_client.Refreshed, counts, counts),
    st.builds(to_client.Matchmaking, words, words, words, words, words, counts),
    st.builds(
        to_client.Notification,
        words,
        words,
        st.none() | words,
        st.dictionaries(words, st.none() | st.booleans() | counts | finite | words, max_size=3),
        counts,
    ),
    st.builds(to_client.Said, counts, counts, words, words, words, st.booleans(), counts),
    st.builds(to_client.Muted, counts, st.lists(words, max_size=3)),
    st.builds(
        to_client.Voting,
        words,
        st.lists(counts, max_size=3),
        st.lists(counts, max_size=3),
        counts,
        counts,
    ),
    st.builds(to_client.Rematch, words, counts),
)


def raws(format: Format) -> st.SearchStrategy[msgspec.Raw]:
    return plain.map(lambda value: encode_value(value, format))


def to_clients(format: Format) -> st.SearchStrategy[to_client.ToClient]:
    raw = raws(format)
    # An object's keys are strings, so a JSON table has no others.
    table_keys = words if format is Format.JSON else words | counts
    return st.one_of(
        plain_to_clients,
        st.builds(to_client.Snapshot, counts, counts, counts, st.lists(counts, max_size=3), raw),
        st.builds(
            to_client.Delta,
            counts,
            counts,
            counts,
            st.lists(counts, max_size=3),
            counts,
            st.dictionaries(words, raw, max_size=3),
            st.dictionaries(words, st.dictionaries(table_keys, raw, max_size=3), max_size=2),
            st.dictionaries(words, st.lists(words | counts, max_size=3), max_size=2),
        ),
        st.builds(to_client.Event, counts, counts, words, st.none() | words, raw),
    )


ships = st.builds(Ship, finite, ints, st.none() | words)
flags = st.builds(Flag, st.integers(0, 3), st.integers(0, 3))
views = st.builds(
    View,
    phase=st.sampled_from(["lobby", "play", "over"]),
    clock=st.none() | st.integers(0, 3),
    scores=st.dictionaries(keys, st.integers(0, 2), max_size=2),
    ships=st.dictionaries(keys, ships, max_size=5),
    flags=st.dictionaries(st.integers(-2, 3), flags, max_size=5),
    mixed=st.dictionaries(keys, ships, max_size=2),
)
